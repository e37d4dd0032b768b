"""The exercises of chapter 3, exploding gradients."""

import numpy as np

from .exercise import Exercise, Mistake
from .reference import network_gradients, singles
from .verdicts import equals, form_of, number_in

_LARGEST = float(np.finfo(np.float32).max)


# 1. How deep a fresh network must be to overflow.


def _layers_until(factor, size, limit=_LARGEST):
    """How many layers a signal of a size passes, real-valued, until it reaches the limit."""
    return np.log(limit / size) / np.log(factor)


def _overflow_cases(rng):
    for low, high in ((1.6, 1.72), (2.2, 2.6), (3.0, 4.0)):
        place = 0.0
        while not 0.25 < place % 1 < 0.75:  # so that rounding cannot move the layer
            scale, size = round(float(rng.uniform(low, high)), 3), round(float(rng.uniform(20, 90)), 1)
            place = _layers_until(scale / 2**0.5, size)
        yield scale, size


def _overflow_verdict(answer, scale, size):
    if told := number_in(answer):
        return told
    place = _layers_until(scale / 2**0.5, size)
    if answer == np.ceil(place):
        return None
    if abs(answer - place) < 0.02:
        return "a layer's number is whole: which is the first one past this place?"
    wrongs = {
        "early by one: this is the last layer whose output float32 still holds": place - 1,
        "you let each layer multiply by σ_w: what does ReLU do to half of the units?": _layers_until(scale, size),
        "you let each layer multiply by χ: that is the factor of the squared signal": _layers_until(scale**2 / 2, size),
        "what about the size of the input?": _layers_until(scale / 2**0.5, 1),
        "this is the end of float64: the course computes in float32": _layers_until(scale / 2**0.5, size, np.finfo(float).max),
        "you mix logarithms to base 10 and to base e": _layers_until(scale / 2**0.5, size) / np.log(10),
    }  # fmt: skip
    for told, wrong in wrongs.items():
        if np.floor(wrong) <= answer <= np.ceil(wrong):
            return told
    if np.ceil(place) < answer <= np.ceil(place) + 2:
        return "late by one or two: does layer 1 multiply the input already?"
    return (
        "too deep: float32 ends earlier"
        if answer > place
        else "float32 holds the output of that layer with ease"
    )


_OVERFLOW = """
import math
def layers_to_overflow(weight_scale, size):
    factor = weight_scale / math.sqrt(2)
    return math.ceil(math.log(3.4028235e38 / size) / math.log(factor))
"""

layers_to_overflow = Exercise(
    id="exploding-1",
    name="layers_to_overflow",
    title="How deep is too deep for float32?",
    level="easy",
    skills=("growth of the forward signal", "range of float32"),
    hints=(
        "By which factor does one layer multiply the squared output, and so its size?",
        "Multiply from layer to layer until the size passes `np.finfo(np.float32).max`, or take logarithms.",
    ),
    cases=_overflow_cases,
    verdict=_overflow_verdict,
    mistakes=(
        Mistake(_OVERFLOW.replace(" / math.sqrt(2)", ""), "to half of the units"),
        Mistake(_OVERFLOW.replace("math.sqrt(2)", "2 * weight_scale"), "of the squared signal"),
        Mistake(_OVERFLOW.replace("math.ceil", "math.floor"), "early by one"),
        Mistake(_OVERFLOW.replace(" / size", ""), "the size of the input"),
        Mistake(_OVERFLOW.replace("3.4028235e38", "1.797e308"), "the end of float64"),
        Mistake(_OVERFLOW.replace("math.log(3", "math.log10(3"), "base 10"),
        Mistake(_OVERFLOW.replace("math.ceil", ""), "whole"),
    ),
)  # fmt: skip


# 2. The longest step of linear regression.


def _curvature(inputs, bias=True):
    """The largest eigenvalue of the inputs' second moments."""
    features = np.column_stack([inputs, np.ones(len(inputs))]) if bias else inputs
    return np.linalg.eigvalsh(features.T @ features / len(inputs))[-1]


def _step_cases(rng):
    for _ in range(3):
        yield (singles([rng.uniform(0.3, 0.7, 5) + rng.normal(size=(30, 5)) * rng.uniform(0.3, 0.6, 5)])[0],)


_longest = equals(
    lambda x: 1 / _curvature(x),
    {
        "descent bears twice that step or half of it, by the loss at hand: here it is the mean square, without a ½": (
            lambda x: 2 / _curvature(x)
        ),
        "this step goes straight to the floor of the steepest valley: it may overshoot, as long as it comes back closer": (
            lambda x: 0.5 / _curvature(x)
        ),
        "the bias is a weight as well: which input does it see?": lambda x: 1 / _curvature(x, bias=False),
        "the bias is a weight as well, and the loss is the mean square, without a ½": lambda x: 2 / _curvature(x, bias=False),
        "the loss is a mean over the samples: you took the sum": lambda x: 1 / _curvature(x) / len(x),
        "the loss is a mean over the samples: you took the sum, and the curvature of half a square": lambda x: 2 / _curvature(x) / len(x),
        "the inputs are not centred here: you took their covariance": lambda x: 1 / _curvature(x - x.mean(0), bias=False),
        "the inputs are not centred here: keep their mean": lambda x: 1 / _curvature(x - x.mean(0)),
        "this uses a singular value: the curvature is its square": lambda x: 1 / _curvature(x) ** 0.5,
        "along this direction the valley is flattest: the steepest one sets the limit": lambda x: (
            1 / np.linalg.eigvalsh(np.column_stack([x, np.ones(len(x))]).T @ np.column_stack([x, np.ones(len(x))]) / len(x))[0]
        ),
    },
    rtol=5e-3,
)  # fmt: skip


def _longest_verdict(answer, inputs):
    if told := number_in(answer):
        return told
    told = _longest(answer, inputs)
    if told and told.startswith("your number is"):
        return (
            "descent grows at this rate" if answer * _curvature(inputs) > 1 else "descent bears a longer step"
        )
    return told


_STEP = """
import jax.numpy as jnp
def longest_step(inputs):
    x = jnp.concatenate([inputs, jnp.ones((len(inputs), 1))], axis=1)
    curvature = 2 * jnp.linalg.eigvalsh(x.T @ x / len(x)).max()
    return 2 / curvature
"""

longest_step = Exercise(
    id="exploding-2",
    name="longest_step",
    title="The longest step",
    level="medium",
    skills=("curvature", "learning rate", "linear regression"),
    hints=(
        "One weight first: the loss is the mean of (w x − y)². What is its second derivative, and when does a step overshoot "
        "so far that it lands higher?",
        "With several weights the second derivatives form a matrix. Its largest eigenvalue is the steepest curvature.",
        "A bias is the weight of an input that is always one. So add a column of ones first.",
    ),
    cases=_step_cases,
    verdict=_longest_verdict,
    mistakes=(
        Mistake(_STEP.replace("2 * jnp", "jnp"), "without a ½"),
        Mistake(_STEP.replace("return 2 /", "return 1 /"), "it may overshoot"),
        Mistake(_STEP.replace("jnp.concatenate([inputs, jnp.ones((len(inputs), 1))], axis=1)", "inputs"), "the bias is a weight"),
        Mistake(_STEP.replace("x.T @ x / len(x)", "x.T @ x"), "you took the sum"),
        Mistake(_STEP.replace("eigvalsh(x.T @ x / len(x))", "eigvalsh(jnp.cov(inputs.T, bias=True))"), "covariance"),
        Mistake(_STEP.replace(").max()", ").min()"), "flattest"),
    ),
)  # fmt: skip


# 3. A cross-entropy that survives exploded logits.


def _losses_and_errors(logits, labels):
    centred = logits - logits.max(1, keepdims=True)
    odds = np.exp(centred)
    rows = np.arange(len(labels))
    return np.log(odds.sum(1)) - centred[rows, labels], odds / odds.sum(1, keepdims=True) - np.eye(
        logits.shape[1]
    )[labels]


def _logit_cases(rng):
    for _ in range(2):
        logits, labels = rng.normal(0, 2, (6, 4)), rng.integers(0, 4, 6)
        # Ordinary samples, one with all logits very low, one with all very high, and two that are confident and wrong.
        logits[2] -= 2000
        logits[3] += 2000
        logits[4:] *= np.array([[300], [10000]])
        labels[4:] = logits[4:].argmin(1)
        order = rng.permutation(6)
        yield singles([logits[order]])[0], labels[order]


_each_loss = equals(
    lambda *a: _losses_and_errors(*a)[0],
    {
        "they have the wrong sign": lambda *a: -_losses_and_errors(*a)[0],
        "return each sample's loss, not the mean": lambda *a: _losses_and_errors(*a)[0].mean(),
    },
    rtol=2e-3,
)
_each_error = equals(
    lambda *a: _losses_and_errors(*a)[1],
    {
        "you divide by the batch: these are the errors of the mean loss": lambda z, y: (
            _losses_and_errors(z, y)[1] / len(y)
        ),
        "these are the probabilities: the right class is still to be subtracted": (
            lambda z, y: _losses_and_errors(z, y)[1] + np.eye(z.shape[1])[y]
        ),
        "they have the wrong sign": lambda *a: -_losses_and_errors(*a)[1],
    },
    rtol=2e-3,
    atol=1e-4,
)


def _loss_verdict(answer, logits, labels):
    losses, errors = _losses_and_errors(logits, labels)
    if told := form_of(answer, [losses, errors]):
        return told
    yours, your_errors = (np.asarray(part, float) for part in answer)
    if np.isnan(yours).any() or np.isnan(your_errors).any():
        return (
            "NaN: in some sample an exp overflows to infinity, or every exp underflows to zero. "
            "What may you subtract from a sample's logits without changing its probabilities?"
        )
    if np.isinf(yours).any():
        return "a loss is infinite: a probability underflows to zero before its logarithm is taken. Must you take it of a quotient?"
    if (yours > 1e10).any():
        return "a huge number stands in for infinity or NaN: repair the cause, not the result"
    if (yours < losses / 2)[losses > 100].any():
        return (
            "your losses have a ceiling, from a clip or a small constant, or NaN was replaced: "
            "a confident wrong answer costs as many nats as its logits differ"
        )
    if told := _each_loss(yours, logits, labels):
        return f"losses: {told}"
    told = _each_error(your_errors, logits, labels)
    return f"errors: {told}" if told else None


_LOSS = """
import jax, jax.numpy as jnp
def losses_and_errors(logits, labels):
    rows = jnp.arange(len(labels))
    centred = logits - logits.max(1, keepdims=True)
    odds = jnp.exp(centred)
    guess = odds / odds.sum(1, keepdims=True)
    return jnp.log(odds.sum(1)) - centred[rows, labels], guess - jax.nn.one_hot(labels, logits.shape[1])
"""
_BY_GUESS = _LOSS.replace("jnp.log(odds.sum(1)) - centred[rows, labels]", "-jnp.log(guess[rows, labels])")

losses_and_errors = Exercise(
    id="exploding-3",
    name="losses_and_errors",
    title="Repair: a loss that survives explosion",
    level="medium",
    skills=("overflow and underflow", "cross-entropy", "repairing code"),
    hints=(
        "Try one sample with logits 1000 and 0. Print what `odds` holds, then `guess`.",
        "Softmax stays the same when all logits of a sample move by the same number. Which number keeps exp within float32?",
        "A probability may underflow to zero, its logarithm need not: log(a / b) is log a − log b.",
    ),
    cases=_logit_cases,
    verdict=_loss_verdict,
    mistakes=(
        Mistake(_BY_GUESS.replace(" - logits.max(1, keepdims=True)", ""), "an exp overflows"),
        Mistake(_LOSS.replace("logits.max(1, keepdims=True)", "logits.max()"), "from a sample's logits"),
        Mistake(_BY_GUESS, "a loss is infinite"),
        Mistake(_BY_GUESS.replace("jnp.log(guess", "jnp.log(1e-9 + guess"), "a ceiling"),
        Mistake(_BY_GUESS.replace("logits - logits.max(1, keepdims=True)", "jnp.clip(logits, -40, 40)"), "a ceiling"),
        Mistake(_BY_GUESS.replace("return -jnp.log(guess[rows, labels])", "return jnp.nan_to_num(-jnp.log(guess[rows, labels]))"), "stands in for infinity"),
        Mistake(_LOSS.replace("labels], guess - jax.nn.one_hot(labels, logits.shape[1])", "labels], (guess - jax.nn.one_hot(labels, logits.shape[1])) / len(labels)"), "you divide by the batch"),
    ),
)  # fmt: skip


# 4. The same function, with level gradients.


def _level_cases(rng):
    for _ in range(2):
        shapes = [(5, 8), (8, 8), (8, 8), (8, 3)]
        scales = np.exp(rng.permutation([-1.2, -0.4, 0.5, 1.1]) + rng.uniform(-0.1, 0.1, 4))
        layers = [
            singles([scale * rng.normal(0, 1.4 / n**0.5, (n, m)), scale * rng.uniform(0.2, 0.6, m)])
            for scale, (n, m) in zip(scales, shapes, strict=True)
        ]
        yield layers, singles([rng.normal(size=(16, 5))])[0], rng.integers(0, 3, 16)


def _relu_gradients(layers, inputs, labels):
    """Logits, and the norm of each layer's weight gradient."""
    logits, gradients, _ = network_gradients(
        layers, inputs, labels, lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)
    )
    return logits, np.array([np.linalg.norm(weight) for weight, _ in gradients])


def _spread(values):
    return values.max() / values.min()


def _level_verdict(answer, layers, inputs, labels):
    if told := form_of(answer, layers):
        return told
    new = [[np.asarray(part, float) for part in pair] for pair in answer]
    if not all(np.isfinite(part).all() for pair in new for part in pair):
        return "your answer holds infinite numbers or NaN"
    fresh = np.concatenate([inputs, np.random.default_rng(5).normal(size=(20, inputs.shape[1]))])
    fresh_labels = np.zeros(len(fresh), int)
    wanted = _relu_gradients(layers, fresh, fresh_labels)[0]
    changed = lambda pairs: (
        not np.abs(_relu_gradients(pairs, fresh, fresh_labels)[0] - wanted).max()
        < 1e-3 * np.abs(wanted).max()
    )
    if changed(new):
        factors = np.array(
            [np.linalg.norm(a) / np.linalg.norm(b) for (a, _), (b, _) in zip(new, layers, strict=True)]
        )
        if abs(np.prod(factors) - 1) > 1e-3:
            return (
                "the logits change: ReLU hands a layer's factor on to all that follow, and the product of your factors "
                f"is {np.prod(factors):.3g}"
            )
        if not changed(
            [[w, b * c] for (w, _), (_, b), c in zip(new, layers, np.cumprod(factors), strict=True)]
        ):
            return "the logits change, though the weights' factors multiply to one: a bias joins a signal that the layers below have scaled too"
        return "the logits change: rescale each layer as a whole, by a number greater than zero"
    (_, before), (_, after) = (_relu_gradients(pairs, inputs, labels) for pairs in (layers, new))
    if not after.min() > 0:
        return "some layer's gradient is zero now"
    left, was = _spread(after), _spread(before)
    if left < 1.02:
        return None
    if np.allclose(after, before, rtol=1e-3):
        return "the gradients are as uneven as before"
    if _spread(after * before) < 1.02:
        return "the correction is twice too strong in decades, and the order of the layers is reversed: do you use squared norms?"
    if _spread(after[:-1]) < 1.02:
        return "the hidden layers are level now; the readout is a layer too"
    if left > was:
        return "the gradients are more uneven than before: when W grows by a factor and the function stays, what does its gradient do?"
    return f"the logits are right; the largest gradient is still {left:.2g} times the smallest"


_LEVEL = """
import jax, jax.numpy as jnp
def level_gradients(layers, inputs, labels):
    def loss(layers):
        h = inputs
        for weight, bias in layers[:-1]:
            h = jax.nn.relu(h @ weight + bias)
        logits = h @ layers[-1][0] + layers[-1][1]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])
    norms = jnp.array([jnp.linalg.norm(weight) for weight, _ in jax.grad(loss)(layers)])
    factors = norms / jnp.exp(jnp.log(norms).mean())
    reached = jnp.cumprod(factors)
    return [(c * weight, r * bias) for (weight, bias), c, r in zip(layers, factors, reached)]
"""

level_gradients = Exercise(
    id="exploding-4",
    name="level_gradients",
    title="The same function, level gradients",
    level="hard",
    skills=("homogeneity of ReLU", "weight gradients", "what rescaling can and cannot cure"),
    hints=(
        "ReLU lets a positive factor through: relu(c z) = c relu(z). So a factor that one layer gains, another can give back.",
        "If W becomes c W while the function stays, a small change of W counts for less. By how much does the gradient change?",
        "You want norms that are all equal, and factors whose product is one. Which mean of the norms makes both true?",
        "Leave biases out at first. Then ask by how much the signal that meets b_l has been scaled, from layer 1 up to here.",
    ),
    cases=_level_cases,
    verdict=_level_verdict,
    mistakes=(
        Mistake("def level_gradients(layers, inputs, labels):\n    return layers", "as uneven as before"),
        Mistake(_LEVEL.replace("factors = norms / jnp.exp(jnp.log(norms).mean())", "factors = jnp.exp(jnp.log(norms).mean()) / norms"), "more uneven"),
        Mistake(_LEVEL.replace("jnp.exp(jnp.log(norms).mean())", "norms.mean()"), "the product of your factors"),
        Mistake(_LEVEL.replace("norms / jnp.exp(jnp.log(norms).mean())", "1 / norms"), "the product of your factors"),
        Mistake(_LEVEL.replace("r * bias", "bias"), "a bias joins a signal"),
        Mistake(_LEVEL.replace("r * bias", "c * bias"), "a bias joins a signal"),
        Mistake(_LEVEL.replace("jnp.linalg.norm(weight) for", "jnp.sum(weight**2) for"), "squared norms"),
        Mistake(
            _LEVEL.replace("factors = norms", "norms = norms[:-1]\n    factors = norms").replace("reached =", "factors = jnp.append(factors, 1.0)\n    reached ="),
            "the readout is a layer too",
        ),
    ),
)  # fmt: skip


EXERCISES = (layers_to_overflow, longest_step, losses_and_errors, level_gradients)
