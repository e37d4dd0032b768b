"""The exercises of chapter 1, backpropagation."""

import numpy as np

from .exercise import Exercise, Mistake
from .reference import network_gradients, singles
from .verdicts import equals, form_of, number_in

# 1. The two signals of a chain of numbers.


def _arrived(weights, x):
    return x * np.cumprod([1, *weights[:-1]])


def _from_above(weights, x):
    return np.cumprod([1, *weights[:0:-1]])[::-1]


def _chain_cases(rng):
    for count, zero in ((5, None), (5, 2), (8, None)):
        sizes = np.where(rng.random(count) < 0.5, rng.uniform(0.5, 0.9, count), rng.uniform(1.2, 1.8, count))
        weights = sizes * rng.choice([-1, 1], count)
        if zero is not None:
            weights[zero] = 0
        yield singles([weights])[0], round(float(rng.uniform(1.5, 2.5)), 3)


_forward_row = equals(
    _arrived,
    {
        "these are the outputs h_l, which leave the layers: what arrives at w_l?": lambda w, x: (
            x * np.cumprod(w)
        ),
        "where is the input x?": lambda w, x: np.cumprod([1, *w[:-1]]),
        "they are in the wrong order: layer 1 comes first": lambda w, x: _arrived(w, x)[::-1],
    },
)
_backward_row = equals(
    _from_above,
    {
        "you multiply by w_l too, but h_l lies above it: which weights does h_l still pass?": lambda w, x: (
            np.cumprod(w[::-1])[::-1]
        ),
        "they are in the wrong order: layer 1 comes first": lambda w, x: _from_above(w, x)[::-1],
        "x takes no part here: the derivative for h_l starts from h_l": lambda w, x: x * _from_above(w, x),
    },
)


def _split_verdict(answer, weights, x):
    arrived, above = _arrived(weights, x), _from_above(weights, x)
    if not form_of(answer, arrived) and np.allclose(answer, arrived * above, rtol=1e-3):
        return "this is the derivative for each weight: return the two signals whose product it is"
    if told := form_of(answer, np.stack([arrived, above])):
        return told
    rows = np.asarray(answer, float)
    if not np.isfinite(rows).all():
        return "your answer holds NaN or infinity: do you divide by a weight? One of them is zero"
    if np.allclose(rows, [above, arrived], rtol=1e-3):
        return "your two lists are swapped: the forward signals come first"
    if told := _forward_row(rows[0], weights, x):
        return f"forward signals: {told}"
    told = _backward_row(rows[1], weights, x)
    return f"backward signals: {told}" if told else None


_SPLIT = """
import jax.numpy as jnp
def split_chain(weights, x):
    one = jnp.ones(1)
    forward = x * jnp.cumprod(jnp.concatenate([one, weights[:-1]]))
    backward = jnp.cumprod(jnp.concatenate([one, weights[:0:-1]]))[::-1]
    return forward, backward
"""

split_chain = Exercise(
    id="backpropagation-1",
    name="split_chain",
    title="Two signals meet at each weight",
    level="easy",
    skills=("chain rule", "forward and backward signal"),
    hints=(
        "Write out ∂h₃/∂w₂ for a chain of three. Which part of it comes from below w₂, and which from above?",
        "What arrives at w_l has passed the weights 1 to l − 1. What comes back to h_l has passed the weights L down to l + 1.",
        "Walk up once, keeping each h. Then walk down once, starting with 1 at the top.",
    ),
    cases=_chain_cases,
    verdict=_split_verdict,
    mistakes=(
        Mistake(_SPLIT.replace("[one, weights[:-1]]", "[weights]"), "which leave the layers"),
        Mistake(_SPLIT.replace("[one, weights[:0:-1]]", "[weights[::-1]]"), "you multiply by w_l too"),
        Mistake(_SPLIT.replace("[::-1]\n", "\n"), "backward signals: they are in the wrong order"),
        Mistake(_SPLIT.replace("x * ", ""), "where is the input x"),
        Mistake(_SPLIT.replace("forward, backward\n", "backward, forward\n"), "swapped"),
        Mistake(
            _SPLIT.replace("forward, backward\n", "forward * backward\n"),
            "the two signals whose product it is",
        ),
        Mistake(
            """
import jax.numpy as jnp
def split_chain(weights, x):
    outputs = x * jnp.cumprod(weights)
    return outputs / weights, outputs[-1] / outputs
""",
            "do you divide by a weight",
        ),
    ),
)


# 2. A detector of wrong gradients.

_LAYERS = 5


def _tanh_gradients(weights, inputs, labels):
    layers = [(weight, np.zeros(weight.shape[1])) for weight in weights]
    _, gradients, _ = network_gradients(layers, inputs, labels, np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    return [weight for weight, _ in gradients]


_FAULTS = {
    "shorter": lambda g: 0.8 * g,
    "turned": lambda g: g.T,
    "negative": lambda g: -g,
    "longer": lambda g: 1.25 * g,
}


def _inspector_cases(rng):
    wrongs = [
        {1: "shorter", int(rng.integers(3, 5)): "turned"},
        {},
        {int(rng.integers(2, 5)): "negative", 5: "shorter"},
        {int(layer): "longer" for layer in rng.choice(5, 3, replace=False) + 1},
    ]
    for wrong in wrongs:
        shapes = [(12, 12)] * (_LAYERS - 1) + [(12, 4)]
        weights = singles(rng.normal(0, 0.6 / 12**0.5, shape) for shape in shapes)
        inputs, labels = singles([rng.normal(size=(10, 12))])[0], rng.integers(0, 4, 10)
        right = _tanh_gradients(weights, inputs, labels)
        given = [_FAULTS[wrong[k]](g) if k in wrong else g for k, g in enumerate(right, 1)]
        yield weights, inputs, labels, singles(given)


def _inspector_verdict(answer, weights, inputs, labels, gradients):
    if not isinstance(answer, (list, np.ndarray)) or np.ndim(answer) != 1:
        return "your answer must be a list of layer numbers"
    pairs = list(zip(gradients, _tanh_gradients(weights, inputs, labels), strict=True))
    wrong = {
        k for k, (given, right) in enumerate(pairs, 1) if not np.allclose(given, right, rtol=1e-3, atol=1e-7)
    }
    named = {float(number) for number in np.asarray(answer, float)}
    if named == wrong:
        return None
    if wrong and named == {k - 1 for k in wrong}:
        return "your numbers start at 0: the layer nearest the input is layer 1"
    if wrong and named == {_LAYERS + 1 - k for k in wrong}:
        return "you count from the output: the layer nearest the input is layer 1"
    if named - set(range(1, _LAYERS + 1)):
        return f"you name a layer that does not exist: they are numbered from 1 to {_LAYERS}"
    if named - wrong:
        return (
            "you suspect a gradient that is right: how large is the rounding error of your check? "
            "float32 resolves the loss to seven digits only"
        )
    given, right = pairs[int(min(wrong - named)) - 1]
    if abs(np.linalg.norm(given) / np.linalg.norm(right) - 1) < 0.01:
        return "you miss a gradient of the right length that points the wrong way"
    return "you miss a gradient whose length is wrong: do you compare relative to its size? Some gradients are small"


_INSPECTOR = """
import numpy as np
def wrong_layers(weights, inputs, labels, gradients):
    weights = [np.array(weight, float) for weight in weights]
    def loss(weights):
        h = np.array(inputs, float)
        for weight in weights[:-1]:
            h = np.tanh(h @ weight)
        logits = h @ weights[-1]
        right = logits[np.arange(len(labels)), np.array(labels)]
        return np.mean(np.log(np.exp(logits).sum(1)) - right)
    found = []
    for k, gradient in enumerate(gradients):
        norm = float(np.linalg.norm(gradient))
        way = 1e-4 * np.array(gradient, float) / norm
        up, down = ([w + sign * way if i == k else w for i, w in enumerate(weights)] for sign in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-4
        if abs(slope / norm - 1) > 0.02:
            found.append(k + 1)
    return found
"""
_INSPECTOR_IN_JAX = """
import jax, jax.numpy as jnp
def wrong_layers(weights, inputs, labels, gradients):
    def loss(weights):
        h = inputs
        for weight in weights[:-1]:
            h = jnp.tanh(h @ weight)
        logits = h @ weights[-1]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])
    right = jax.grad(loss)(weights)
    found = []
    for k, (a, b) in enumerate(zip(right, gradients)):
        if abs(jnp.linalg.norm(b) / jnp.linalg.norm(a) - 1) > 0.02:
            found.append(k + 1)
    return found
"""

wrong_layers = Exercise(
    id="backpropagation-2",
    name="wrong_layers",
    title="The gradient inspector",
    level="medium",
    skills=("finite differences", "rounding", "checking a gradient"),
    hints=(
        "You need no derivative to test one: move a layer's weights a little, forth and back, and watch the loss.",
        "If a gradient g is right, a move along g changes the loss by the length of the move times ‖g‖.",
        "Compute the loss in NumPy at double precision, as in the chapter. Move one layer by ±10⁻⁴ g/‖g‖ and compare the "
        "measured slope with ‖g‖ as a ratio, not as a difference.",
    ),
    cases=_inspector_cases,
    verdict=_inspector_verdict,
    mistakes=(
        Mistake(_INSPECTOR.replace("append(k + 1)", "append(k)"), "your numbers start at 0"),
        Mistake(_INSPECTOR.replace("append(k + 1)", "append(len(weights) - k)"), "you count from the output"),
        Mistake(_INSPECTOR.replace("abs(slope / norm - 1) > 0.02", "abs(slope - norm) > 0.05"), "relative to its size"),
        Mistake(
            _INSPECTOR.replace("array(weight, float)", "array(weight)").replace("array(inputs, float)", "array(inputs)")
            .replace("array(gradient, float) / norm", "array(gradient) / np.float32(norm)").replace("1e-4 *", "np.float32(1e-6) *")
            .replace("2e-4", "2e-6"),
            "rounding error",
        ),
        Mistake(_INSPECTOR_IN_JAX, "points the wrong way"),
    ),
)  # fmt: skip


# 3. How fast a product of Gaussian matrices loses its directions.


def _lost_cases(rng):
    for width in (24, 64, 40):
        yield width, float(f"{10 ** rng.uniform(-4, -2.5):.1e}")


def _lost_verdict(answer, width, share):
    if told := number_in(answer):
        return told
    # In the long run each matrix takes the middle value by √½; a few products of small matrices lag behind by a little.
    typical = np.log(share) / np.log(0.697)
    if 0.84 * typical <= answer <= 1.14 * typical + 2:
        return None
    if answer < 0.35 * typical:
        return (
            "far too few: do your matrices keep the average squared length, with a standard deviation of 1/√N? "
            "And is it the middle singular value that you follow, not the smallest?"
        )
    if answer < 0.62 * typical:
        return "about half as many as it takes: do you follow the squared singular value?"
    if answer < typical:
        return "too few: do you follow the middle one of the singular values, the median?"
    return "too many: the largest and the average singular value stay; follow the middle one"


_LOST = """
import numpy as np
def layers_until_lost(width, share):
    counts = []
    for seed in range(5):
        generator = np.random.default_rng(seed)
        product, count, middle = np.eye(width), 0, 1.0
        while middle > share and count < 60:
            product = product @ generator.standard_normal((width, width)) / width**0.5
            middle, count = np.median(np.linalg.svd(product, compute_uv=False)), count + 1
        counts.append(count)
    return float(np.median(counts))
"""

layers_until_lost = Exercise(
    id="backpropagation-3",
    name="layers_until_lost",
    title="When half of the directions are gone",
    level="medium",
    skills=("singular values", "small experiment", "products of random matrices"),
    hints=(
        "Measure first: multiply random matrices and look at the product's singular values after each one.",
        "`np.linalg.svd(product, compute_uv=False)` gives them. Which one has half of the others below it?",
        "One draw is luck. Take the median count over a few seeds, or the long-run factor that the chapter calculates.",
    ),
    cases=_lost_cases,
    verdict=_lost_verdict,
    mistakes=(
        Mistake(_LOST.replace("width**0.5", "width"), "a standard deviation of 1/√N"),
        Mistake(_LOST.replace("np.median(np.linalg.svd", "np.min(np.linalg.svd"), "not the smallest"),
        Mistake(_LOST.replace("np.median(np.linalg.svd", "np.max(np.linalg.svd"), "too many"),
        Mistake(_LOST.replace("compute_uv=False)", "compute_uv=False) ** 2"), "the squared singular value"),
        Mistake(
            _LOST.replace("np.median(np.linalg.svd", "np.mean(np.linalg.svd"), "the largest and the average"
        ),
        Mistake(
            _LOST.replace(
                "np.median(np.linalg.svd(product, compute_uv=False))",
                "np.exp(np.linalg.slogdet(product)[1] / width)",
            ),
            "too few: do you follow the middle",
        ),
        Mistake(
            "import math\ndef layers_until_lost(width, share):\n    return math.log(share) / math.log(0.5)",
            "squared",
        ),
        Mistake(
            "import math\ndef layers_until_lost(width, share):\n    return math.log(share) / math.log(0.07)",
            "not the smallest",
        ),
    ),
)


# 4. A backward pass through a step, with a slope of one's own choice.


def _inside(z):
    return (np.abs(z) < 1).astype(float)


def _surrogate(weights, inputs, labels, activate=np.sign, slope=_inside):
    layers = [(weight, np.zeros(weight.shape[1])) for weight in weights]
    return [weight for weight, _ in network_gradients(layers, inputs, labels, activate, slope)[1]]


def _odd(rng, shape, std, unit):
    """Odd multiples of a power of two: sums of an odd number of their products are never 0 nor ±1, and exact in float32."""
    return (2 * np.round((rng.normal(0, std, shape) / unit - 1) / 2) + 1) * unit


def _surrogate_cases(rng):
    for _ in range(3):
        shapes = [(5, 11), (11, 11), (11, 11), (11, 4)]
        weights = [_odd(rng, shape, 1 / shape[0] ** 0.5, 1 / 16) for shape in shapes]
        yield weights, _odd(rng, (9, 5), 1, 1 / 8), rng.integers(0, 4, 9)


def _without_transpose(weights, inputs, labels):
    turned = [weight.T if weight.shape[0] == weight.shape[1] else weight for weight in weights]
    layers = [(weight, 0) for weight in weights]
    outputs, slopes = [inputs], []
    for weight, _ in layers[:-1]:
        z = outputs[-1] @ weight
        outputs.append(np.sign(z))
        slopes.append(_inside(z))
    top = _surrogate(weights, inputs, labels)[-1]
    odds = np.exp(outputs[-1] @ weights[-1])
    signal = (odds / odds.sum(1, keepdims=True) - np.eye(4)[labels]) / len(labels)
    found = [top]
    for k in (2, 1, 0):
        signal = (signal @ turned[k + 1].T) * slopes[k]
        found.append(outputs[k].T @ signal)
    return found[::-1]


def _slope_too_late(weights, inputs, labels):
    """Each gradient taken before the signal has passed the slope of its own layer."""
    outputs, slopes = [inputs], []
    for weight in weights[:-1]:
        z = outputs[-1] @ weight
        outputs.append(np.sign(z))
        slopes.append(_inside(z))
    odds = np.exp(outputs[-1] @ weights[-1])
    signal = (odds / odds.sum(1, keepdims=True) - np.eye(4)[labels]) / len(labels)
    found = [outputs[3].T @ signal]
    signal = signal @ weights[3].T
    for k in (2, 1, 0):
        found.append(outputs[k].T @ signal)
        signal = (signal * slopes[k]) @ weights[k].T
    return found[::-1]


def _only_the_readout(weights, inputs, labels):
    gradients = _surrogate(weights, inputs, labels)
    return [0 * gradient for gradient in gradients[:-1]] + gradients[-1:]


_SURROGATE = """
import jax, jax.numpy as jnp
def surrogate_gradients(weights, inputs, labels):
    outputs, slopes = [inputs], []
    for weight in weights[:-1]:
        z = outputs[-1] @ weight
        outputs.append(jnp.sign(z))
        slopes.append(jnp.abs(z) < 1)
    guess = jax.nn.softmax(outputs[-1] @ weights[-1])
    signal = (guess - jax.nn.one_hot(labels, guess.shape[1])) / len(labels)
    gradients = [outputs[-1].T @ signal]
    for k in range(len(slopes) - 1, -1, -1):
        signal = (signal @ weights[k + 1].T) * slopes[k]
        gradients.append(outputs[k].T @ signal)
    return gradients[::-1]
"""
_SURROGATE_BY_JAX = """
import jax, jax.numpy as jnp
def surrogate_gradients(weights, inputs, labels):
    def loss(weights):
        h = inputs
        for weight in weights[:-1]:
            h = jnp.sign(h @ weight)
        logits = h @ weights[-1]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])
    return jax.grad(loss)(weights)
"""

surrogate_gradients = Exercise(
    id="backpropagation-4",
    name="surrogate_gradients",
    title="A gradient where there is none",
    level="hard",
    skills=("backward pass by hand", "slope as a factor", "surrogate gradients"),
    hints=(
        "Start from `gradients_by_hand` in the chapter. Which of its lines must change, and which need not?",
        "The walk up uses the step. Only the walk down uses the chosen slope, in place of the derivative.",
        "The outputs are ±1 and no longer tell where z was. So the walk up must keep something besides them.",
        "Keep |z| < 1 of each layer. On the way down: times the weights transposed, times the kept slope, then pair with what "
        "arrived from below.",
    ),
    cases=_surrogate_cases,
    verdict=equals(
        _surrogate,
        {
            "all hidden layers have gradient zero: that is what differentiating a step gives. Put the chosen slope in "
            "its place": _only_the_readout,
            "the list is in the wrong order: layer 1, nearest the input, comes first": lambda *a: _surrogate(*a)[::-1],
            "every unit passes the signal on: the slope depends on z, and h = ±1 no longer shows it": (
                lambda *a: _surrogate(*a, slope=np.ones_like)
            ),
            "this is the gradient of the summed loss: the chapter's loss is the mean over the batch": (
                lambda w, x, y: [len(y) * gradient for gradient in _surrogate(w, x, y)]
            ),
            "this is the gradient of a network with clip(z, -1, 1) for its activation: the walk up must use the step": (
                lambda *a: _surrogate(*a, activate=lambda z: np.clip(z, -1, 1))
            ),
            "on the way down the signal meets weights that are not transposed": _without_transpose,
            "you pair the signal with what arrived before it has passed the slope of that layer": _slope_too_late,
            "the window is too wide or too narrow: the slope is 1 for |z| < 1": lambda *a: _surrogate(*a, slope=lambda z: np.abs(z) < 0.5),
        },
        atol=1e-5,
    ),
    mistakes=(
        Mistake(_SURROGATE_BY_JAX, "differentiating a step"),
        Mistake(_SURROGATE_BY_JAX.replace("jnp.sign(h @ weight)", "jnp.clip(h @ weight, -1, 1)"), "clip(z, -1, 1)"),
        Mistake(_SURROGATE.replace("return gradients[::-1]", "return gradients"), "wrong order"),
        Mistake(_SURROGATE.replace("jnp.abs(z) < 1", "jnp.abs(outputs[-1]) <= 1"), "h = ±1 no longer shows it"),
        Mistake(_SURROGATE.replace("jnp.abs(z) < 1", "1 - outputs[-1] ** 2"), "differentiating a step"),
        Mistake(_SURROGATE.replace(" / len(labels)", ""), "summed loss"),
        Mistake(
            _SURROGATE.replace("weights[k + 1].T", "(weights[k + 1] if k < 2 else weights[k + 1].T)"), "not transposed"
        ),
        Mistake(
            _SURROGATE.replace(") * slopes[k]", ")").replace("T @ signal)\n    return", "T @ signal)\n        signal = signal * slopes[k]\n    return"),
            "before it has passed the slope",
        ),
    ),
)  # fmt: skip


EXERCISES = (split_chain, wrong_layers, layers_until_lost, surrogate_gradients)
