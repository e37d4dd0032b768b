"""What is wrong with a run? The nine signs of unstable gradients as detectors over a `History`.

Each detector measures one sign and returns its evidence, or None. A sign is a symptom, not a proof: several have a
condition under which they mislead, which chapters 2 and 3 establish by experiment, and which each finding repeats.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .training import History

# Thresholds. Each lies well between what healthy runs show and what broken ones do; the tests hold both sides.
_LEAST_FALL_OF_LOSS = 0.1  # share of the first loss
_GOOD_ACCURACY = 0.9
_VANISHED = 1e-3  # a first layer's gradient, of the largest layer's
_VANISHED_BESIDE_WEIGHTS = 1e-6  # every layer's gradient, of its weights
_SHRUNK = 0.9
_NEAR_ZERO = 0.1
_HIGH_LOSS = 10.0  # nats: more than guessing among 20,000 classes costs
_SWING = 0.5  # nats
_GROWN = 10.0
_SHORTEST_RUN = 20  # steps; slow signs need a run to show in


class Symptom(NamedTuple):
    """One sign that a run shows."""

    kind: str
    """``vanishing`` or ``exploding``."""
    number: int
    """The sign's number in its chapter."""
    sign: str
    evidence: str
    """What was measured in this run."""
    condition: str
    """What else looks the same."""
    chapter: str
    """The chapter that explains it, a file name without its ending."""

    def __str__(self):
        return f"{self.kind}, sign {self.number}: {self.sign}. {self.evidence} {self.condition} (chapter {self.chapter})"


class Diagnosis(tuple[Symptom, ...]):
    """The symptoms found, a tuple; prints as a report."""

    def __repr__(self):
        if not self:
            return "No sign of unstable gradients."
        return "\n".join(f"- {symptom}" for symptom in self)


def _start_and_end(values):
    """Medians over the first and the last tenth."""
    k = max(1, len(values) // 10)
    return np.median(values[:k], axis=0), np.median(values[-k:], axis=0)


def _name(history: History, layer: int) -> str:
    return history.layers[layer] if history.layers else f"layer {layer + 1}"


def _loss_stays(history: History) -> str | None:
    loss = history.loss
    if loss is None or len(loss) < _SHORTEST_RUN or not np.isfinite(loss).all():
        return None
    first, last = _start_and_end(loss)
    if history.accuracy is not None and _start_and_end(history.accuracy)[1] > _GOOD_ACCURACY:
        return None
    if last < (1 - _LEAST_FALL_OF_LOSS) * first or last > _HIGH_LOSS:
        return None
    return f"The loss went from {first:.3g} to {last:.3g} nats in {len(loss)} steps."


def _early_layers_get_nothing(history: History) -> str | None:
    norms = history.gradient_norm[np.isfinite(history.gradient_norm).all(axis=1)]
    if len(norms) == 0 or norms.shape[1] < 2:
        return None
    first, _ = _start_and_end(norms)
    largest = int(np.argmax(first))
    if first[0] < _VANISHED * first[largest]:
        return (
            f"The gradient of {_name(history, 0)} is {first[0]:.1e}, "
            f"that of {_name(history, largest)} {first[largest]:.1e}."
        )
    if history.weight_norm is None:
        return None
    beside = first / np.maximum(history.weight_norm[0], np.finfo(float).tiny)
    if beside.max() == 0:
        return "Every layer's gradient is zero."
    if beside.max() < _VANISHED_BESIDE_WEIGHTS:
        return f"Every layer's gradient is below {beside.max():.1e} of its weights."
    return None


def _shrinkage(history: History):
    """End over start of each layer's weight norm, or None where that is not known."""
    weights = history.weight_norm
    if (
        weights is None
        or len(weights) < _SHORTEST_RUN
        or not np.isfinite(weights).all()
        or (weights[0] == 0).any()
    ):
        return None
    return weights[-1] / weights[0]


def _weights_shrink(history: History) -> str | None:
    kept = _shrinkage(history)
    if kept is None or kept.min() > _SHRUNK:
        return None
    layer = int(np.argmin(kept))
    logs = np.log(np.maximum(history.weight_norm[:, layer], 1e-300))
    # Exponential means a straight line in the logarithm.
    if np.corrcoef(np.arange(len(logs)), logs)[0, 1] > -0.98:
        return None
    per_step = kept[layer] ** (1 / (len(logs) - 1))
    return f"The weights of {_name(history, layer)} shrank by a factor of {per_step:.5f} a step, to {kept[layer]:.3g} of their norm."


def _weights_near_zero(history: History) -> str | None:
    kept = _shrinkage(history)
    if kept is None or kept.min() > _NEAR_ZERO:
        return None
    layer = int(np.argmin(kept))
    return f"The weights of {_name(history, layer)} ended at {kept[layer]:.1e} of their norm at the start."


def _loss_is_high(history: History) -> str | None:
    if history.loss is None:
        return None
    finite = history.loss[np.isfinite(history.loss)]
    if len(finite) == 0 or finite.max() < _HIGH_LOSS:
        return None
    return f"The loss reached {finite.max():.3g} nats at step {int(np.nanargmax(np.where(np.isfinite(history.loss), history.loss, -1)))}."


def _loss_oscillates(history: History) -> str | None:
    if history.loss is None:
        return None
    changes = np.diff(history.loss[np.isfinite(history.loss)])
    rises, falls = int((changes > _SWING).sum()), int((changes < -_SWING).sum())
    if min(rises, falls) < 3:
        return None
    return f"It rose by more than {_SWING} nats {rises} times and fell by as much {falls} times."


def _loss_is_nan(history: History) -> str | None:
    if history.loss is None or np.isfinite(history.loss).all():
        return None
    step = int(np.flatnonzero(~np.isfinite(history.loss))[0])
    return f"The loss is {history.loss[step]} at step {step}."


def _weights_are_nan(history: History) -> str | None:
    if history.weight_norm is None or np.isfinite(history.weight_norm).all():
        return None
    step, layer = np.argwhere(~np.isfinite(history.weight_norm))[0]
    return f"The weights of {_name(history, int(layer))} are no longer finite at step {int(step)}."


def _weights_grow(history: History) -> str | None:
    if history.weight_norm is None:
        return None
    finite = np.where(np.isfinite(history.weight_norm), history.weight_norm, 0.0)
    growth = finite.max(axis=0) / np.maximum(history.weight_norm[0], np.finfo(float).tiny)
    if not np.isfinite(growth).all() or growth.max() < _GROWN:
        return None
    layer = int(np.argmax(growth))
    return (
        f"The weights of {_name(history, layer)} grew to {growth[layer]:.1e} times their norm at the start."
    )


class _Sign(NamedTuple):
    kind: str
    number: int
    sign: str
    condition: str
    find: Callable[[History], str | None]


_CHAPTERS = {"vanishing": "02_vanishing_gradients", "exploding": "03_exploding_gradients"}
_SIGNS = (
    _Sign("vanishing", 1, "the loss barely changes", "A learning rate that is too small looks the same, and so does a run that has finished.", _loss_stays),
    _Sign("vanishing", 2, "the early layers' gradients are almost nothing", "This is what vanishing is, except in a ReZero network before its first step.",
          _early_layers_get_nothing),
    _Sign("vanishing", 3, "weights shrink exponentially", "Weight decay does this, in healthy networks too.", _weights_shrink),
    _Sign("vanishing", 4, "weights approach zero", "Weight decay does this, in healthy networks too.", _weights_near_zero),
    _Sign("exploding", 1, "the loss is very high", "With a small learning rate such a run may still train.", _loss_is_high),
    _Sign("exploding", 2, "the loss oscillates", "Small swings are normal with mini-batches, and swings of this size with very small ones.",
          _loss_oscillates),
    _Sign("exploding", 3, "the loss is no longer finite", "A fault in the data or a logarithm of 0 looks the same.", _loss_is_nan),
    _Sign("exploding", 4, "weights are no longer finite", "It follows a step after the loss or the gradient overflowed.",
          _weights_are_nan),
    _Sign("exploding", 5, "weights grow without bound", "A learning rate that is too large does it in a shallow network as well.",
          _weights_grow),
)  # fmt: skip


def diagnose(history: History) -> Diagnosis:
    """The signs of unstable gradients that a run shows, each with its evidence.

    Args:
        history: from `train`, or from `recorded_history` for a network of your own. Signs about quantities that were not
            recorded are passed over.

    Returns:
        A tuple of `Symptom`, empty for a healthy run. It prints as a report.

    Raises:
        ValueError: where ``history`` is not a `History`.

    >>> import optax
    >>> from course_utils import NetworkConfig, load_digits, train
    >>> config = NetworkConfig(depth=10, activation="relu", weight_scale=4.0)
    >>> _, history = train(config, load_digits(), optimizer=optax.sgd(1.0), steps=30, progress=False)
    >>> [(symptom.kind, symptom.number) for symptom in diagnose(history)][:2]
    [('exploding', 1), ('exploding', 3)]
    """
    if not isinstance(history, History):
        raise ValueError(
            f"history must be a History, from train or recorded_history, got {type(history).__name__}"
        )
    with np.errstate(all="ignore"):
        found = [(sign, sign.find(history)) for sign in _SIGNS]
    return Diagnosis(
        Symptom(sign.kind, sign.number, sign.sign, evidence, sign.condition, _CHAPTERS[sign.kind])
        for sign, evidence in found
        if evidence is not None
    )
