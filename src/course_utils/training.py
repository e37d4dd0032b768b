"""Training by any optax optimizer, with every layer's norms recorded at every step.

The loss, its gradient and the norms come from the readable path: `jax.value_and_grad` of the loss over a scan of layers.
Steps run in chunks inside one compiled loop, and the progress bar moves between chunks: a callback from inside the
loop would cost as much as the training. A run that overflows is recorded to its end; NaN is a result here.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from tqdm.auto import tqdm

from ._build import in_build
from ._checks import nonnegative_int, positive_int
from ._programs import optimizer_programs
from ._shapes import Float
from .datasets import Dataset
from .gradients import hidden_weight_norms
from .networks import NetworkConfig, Params, apply, check_labels, cross_entropy, init_params

_STEPS_PER_CALL = 25


@dataclasses.dataclass(frozen=True)
class History:
    """What happened at each training step, measured on the step's batch before its update.

    Layers are the hidden ones, nearest the input first; norms are Frobenius norms of weight matrices. `train` records
    everything; `recorded_history` leaves None where a network of your own did not give it.
    """

    loss: Float[np.ndarray, " steps"] | None
    """Mean softmax cross-entropy, in nats."""
    accuracy: Float[np.ndarray, " steps"] | None
    """Share of the batch classified rightly, 0 to 1."""
    gradient_norm: Float[np.ndarray, "steps depth"]
    """‖∂loss/∂W_l‖."""
    weight_norm: Float[np.ndarray, "steps depth"] | None
    """‖W_l‖ before the update."""
    update_norm: Float[np.ndarray, "steps depth"] | None
    """‖ΔW_l‖, the change that the optimizer makes."""
    first_nonfinite_step: int | None
    """The first step whose loss, gradient or new parameters hold an inf or NaN; None where all is finite."""
    layers: tuple[str, ...] = ()
    """Names of the layers, where they are not simply numbered."""


def batch_indices(samples: int, batch_size: int | None, seed: int, steps: int) -> np.ndarray:
    """The samples of each step, ``[steps, batch]``: each epoch a new order, its incomplete last batch left out."""
    if batch_size is None:
        return np.broadcast_to(np.arange(samples, dtype=np.int32), (steps, samples))
    batches = _batches(samples, batch_size, seed)
    return np.stack([next(batches) for _ in range(steps)])


def _batches(samples: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of one batch after another: each epoch a new order, its incomplete last batch left out."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    while True:
        order = generator.permutation(samples).astype(np.int32)
        for start in range(0, samples - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def _all_finite(tree) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _loss_and_accuracy(params, inputs, labels, config):
    logits = apply(params, inputs, config)
    return cross_entropy(logits, labels), (logits.argmax(-1) == labels).mean()


@partial(jax.jit, static_argnames=("config", "update"), donate_argnames=("params", "state"))
def _run_steps(params, state, inputs, labels, batches, count, numbers, *, config, update):
    """``count`` steps, at most ``_STEPS_PER_CALL`` of them.

    The count and the optimizer's numbers are data: a rest, or another learning rate, needs no new compilation.
    """

    def step(i, carry):
        params, state, records = carry
        x, y = (inputs, labels) if batches is None else (inputs[batches[i]], labels[batches[i]])
        value_and_grad = jax.value_and_grad(_loss_and_accuracy, has_aux=True)
        (loss, accuracy), gradient = value_and_grad(params, x, y, config)
        updates, state = update(numbers, gradient, state, params)
        new_params = optax.apply_updates(params, updates)
        now = {
            "loss": loss,
            "accuracy": accuracy,
            "gradient_norm": hidden_weight_norms(gradient),
            "weight_norm": hidden_weight_norms(params),
            "update_norm": hidden_weight_norms(updates),
            "finite": _all_finite((loss, gradient, new_params)),
        }
        return new_params, state, {name: records[name].at[i].set(value) for name, value in now.items()}

    per_layer = jnp.zeros((_STEPS_PER_CALL, config.depth))
    records = dict.fromkeys(("loss", "accuracy"), jnp.zeros(_STEPS_PER_CALL))
    records |= dict.fromkeys(("gradient_norm", "weight_norm", "update_norm"), per_layer)
    records["finite"] = jnp.ones(_STEPS_PER_CALL, bool)
    return lax.fori_loop(0, count, step, (params, state, records))


def check_fit(config: NetworkConfig, dataset: Dataset, optimizer, batch_size) -> None:
    """Raise ``ValueError`` where network, data set, optimizer and batch size do not go together."""
    if not isinstance(config, NetworkConfig):
        raise ValueError(f"config must be a NetworkConfig, got {config!r}")
    if not isinstance(dataset, Dataset):
        raise ValueError(f"dataset must be a Dataset such as load_digits(), got {type(dataset).__name__}")
    if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
        raise ValueError(
            f"optimizer must be an optax transformation such as optax.sgd(0.1), got {optimizer!r}"
        )
    samples, features = dataset.inputs.shape
    if features != config.input_size:
        raise ValueError(f"config.input_size must be the data set's {features}, got {config.input_size}")
    check_labels(dataset.labels, samples, config)
    if batch_size is not None and positive_int("batch_size", batch_size) > samples:
        raise ValueError(f"batch_size must be at most the data set's {samples} samples, got {batch_size!r}")


def train(
    config: NetworkConfig,
    dataset: Dataset,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> tuple[Params, History]:
    """Train a freshly initialized network and record every layer at every step.

    Args:
        config: the network.
        dataset: trained on its ``inputs`` and ``labels``; the test part is not touched.
        optimizer: any optax transformation, learning rate included.
        steps: number of updates.
        batch_size: samples a step, drawn without replacement within an epoch; None for all of them at every step.
        seed: decides the initial parameters (those of ``init_params`` with ``key=jax.random.key(seed)``) and the
            order of the samples.
        progress: show a progress bar (never in the built book).

    Returns:
        The trained parameters and a `History`. A run that overflows is recorded to its end.

    Raises:
        ValueError: where an argument is out of range or data set and network do not fit.

    >>> import optax
    >>> from course_utils import NetworkConfig, load_digits
    >>> config, optimizer = NetworkConfig(depth=2), optax.sgd(0.1)
    >>> params, history = train(config, load_digits(), optimizer=optimizer, steps=30, progress=False)
    >>> bool(history.loss[-1] < history.loss[0]), history.gradient_norm.shape, history.first_nonfinite_step
    (True, (30, 2), None)
    """
    check_fit(config, dataset, optimizer, batch_size)
    steps, seed = positive_int("steps", steps), nonnegative_int("seed", seed)
    inputs, labels = jnp.asarray(dataset.inputs, dtype=float), jnp.asarray(dataset.labels)
    batches = None if batch_size is None else _batches(len(inputs), batch_size, seed)
    params = init_params(config, key=jax.random.key(seed))
    # A copy: the steps below reuse the state's memory, and an optimizer may hand out the same arrays again.
    state = jax.tree.map(
        lambda leaf: leaf.copy() if isinstance(leaf, jax.Array) else leaf, optimizer.init(params)
    )
    _, (update, numbers) = optimizer_programs(optimizer, params)
    # What is data must not be part of the compilation's key.
    config = config.replace(weight_scale=1.0, bias_scale=0.0, initializer="scaled_normal")
    records = []
    with tqdm(
        total=steps, desc="training", unit="step", leave=False, disable=not progress or in_build()
    ) as bar:
        for start in range(0, steps, _STEPS_PER_CALL):
            count = min(_STEPS_PER_CALL, steps - start)
            chosen = batches and jnp.asarray(np.stack([next(batches) for _ in range(_STEPS_PER_CALL)]))
            params, state, chunk = _run_steps(
                params, state, inputs, labels, chosen, count, numbers, config=config, update=update
            )
            records.append({name: np.asarray(values)[:count] for name, values in chunk.items()})
            bar.update(count)
            bar.set_postfix(loss=f"{records[-1]['loss'][-1]:.3g}", refresh=False)
    whole = {name: np.concatenate([chunk[name] for chunk in records]) for name in records[0]}
    broken = np.flatnonzero(~whole.pop("finite"))
    return params, History(**whole, first_nonfinite_step=int(broken[0]) if broken.size else None)
