"""The exercises of chapter 2, vanishing gradients."""

import functools
import itertools

import numpy as np

from .exercise import Exercise, Mistake
from .reference import gradients_of, matrices, params_of, singles
from .verdicts import equals, first_of, form_of, number_in


def _sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, float)))


def _sigmoid_slope(z):
    return _sigmoid(z) * (1 - _sigmoid(z))


# 1. The factor of one sigmoid unit.


def _factor_cases(rng):
    # A negative weight first, and no z near 0, so that each wrong formula shows.
    for sign in (-1, 1, 1):
        yield sign * round(float(rng.uniform(2.4, 3)), 3), round(float(rng.uniform(0.6, 0.8)), 3)


_FACTOR = """
import jax
def gradient_factor(weight, h):
    s = jax.nn.sigmoid(weight * h)
    return abs(weight) * s * (1 - s)
"""

gradient_factor = Exercise(
    id="vanishing-1",
    name="gradient_factor",
    title="One factor of the product",
    level="easy",
    skills=("derivative of the sigmoid", "chain rule"),
    hints=(
        "The chain rule through sigmoid(w h) gives two factors: one from the sigmoid, one from the weight.",
        "The sigmoid's slope is s (1 − s), where s is the sigmoid at z = w h.",
        "A size has no sign: which function removes it?",
    ),
    cases=_factor_cases,
    verdict=first_of(
        lambda answer, *_: form_of(answer, 0.0),
        equals(
            lambda w, h: abs(w) * _sigmoid_slope(w * h),
            {
                "this is the slope alone: where is the weight?": lambda w, h: _sigmoid_slope(w * h),
                "this can be negative: a size has no sign": lambda w, h: w * _sigmoid_slope(w * h),
                "this uses the sigmoid's value, not its slope": lambda w, h: abs(w) * _sigmoid(w * h),
                "this is tanh's slope, not the sigmoid's": lambda w, h: abs(w) * (1 - np.tanh(w * h) ** 2),
                "the slope at 0 is the largest; you use it at every z": lambda w, h: abs(w) / 4,
                "the slope must be taken at z = w h, not at h": lambda w, h: abs(w) * _sigmoid_slope(h),
                "this is the slope at the unit's output: take it at z, or write it with the output s as s (1 − s)": (
                    lambda w, h: abs(w) * _sigmoid_slope(_sigmoid(w * h))
                ),
                "this is the derivative for the weight: the backward signal goes down to h": lambda w, h: h * _sigmoid_slope(w * h),
            },
        ),
    ),
    mistakes=(
        Mistake(_FACTOR.replace("abs(weight) * ", ""), "where is the weight"),
        Mistake(_FACTOR.replace("abs(weight)", "weight"), "has no sign"),
        Mistake(_FACTOR.replace(" * (1 - s)", ""), "not its slope"),
        Mistake(_FACTOR.replace("sigmoid(weight * h)", "sigmoid(h)"), "not at h"),
        Mistake(_FACTOR.replace("abs(weight)", "h"), "derivative for the weight"),
        Mistake("def gradient_factor(weight, h):\n    return abs(weight) / 4", "at every z"),
    ),
)  # fmt: skip


# 2. The norm of every layer's gradient.


def _norm_cases(rng):
    sizes = (8, 16, 16, 16, 16, 16, 16, 4)
    for _ in range(2):
        layers = [
            singles([rng.normal(0, 1.5 / a**0.5, (a, b)), rng.normal(0, 0.3, b)])
            for a, b in itertools.pairwise(sizes)
        ]
        yield params_of(layers), singles([rng.normal(size=(12, 8))])[0], rng.integers(0, 4, 12)


def _each_layer(measure):
    """A function of ``params`` and a batch: a measure of each layer's weight and bias gradient."""

    def measured(params, inputs, labels):
        gradients, _ = gradients_of(matrices(params), inputs, labels, "sigmoid")
        return np.array([measure(weight, bias) for weight, bias in gradients])

    return measured


def _whole(weight, bias):
    return np.sqrt((weight**2).sum() + (bias**2).sum())


_whole_norms = _each_layer(_whole)
_weight_norms = _each_layer(lambda w, b: np.linalg.norm(w))

_NORMS = """
import jax, jax.numpy as jnp
from course_utils import unstack_layers
def layer_norms(params, inputs, labels):
    def loss(layers):
        h = inputs
        for weight, bias in layers[:-1]:
            h = jax.nn.sigmoid(h @ weight + bias)
        logits = h @ layers[-1][0] + layers[-1][1]
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])
    gradients = jax.grad(loss)(unstack_layers(params))
    return jnp.array([jnp.sqrt(jnp.sum(w**2) + jnp.sum(b**2)) for w, b in gradients])
"""

layer_norms = Exercise(
    id="vanishing-2",
    name="layer_norms",
    title="Every layer's gradient",
    level="medium",
    skills=("gradient of every layer", "norms", "reading a staircase"),
    hints=(
        "`jax.grad(loss)` returns a gradient of the same structure as `params`.",
        "`unstack_layers` gives the layers of such a structure one by one: (weight, bias), from the input to the readout.",
        "The norm is the root of the sum of all squares. A layer's vector holds its weights' entries and its biases'.",
    ),
    cases=_norm_cases,
    verdict=equals(
        _whole_norms,
        {
            "these are squared norms: take the square root": lambda *a: _whole_norms(*a) ** 2,
            "the list runs from the readout to the input: layer 1, nearest the input, comes first": lambda *a: _whole_norms(*a)[::-1],
            "the readout is missing: it is the last layer": lambda *a: _whole_norms(*a)[:-1],
            "these are the hidden layers' weights alone: each layer has biases too, and the readout counts": (
                lambda *a: _weight_norms(*a)[:-1]
            ),
            "these are the norms of the weights' gradients alone: the biases belong to the layer too": _weight_norms,
            "you add two norms: take the root once, of all squares together": _each_layer(
                lambda w, b: np.linalg.norm(w) + np.linalg.norm(b)
            ),
            "this is the gradient of the summed loss: the chapter's loss is the mean over the batch": (
                lambda params, x, y: len(y) * _whole_norms(params, x, y)
            ),
            "you divide by the number of entries: a norm is a root of a sum, not of a mean": _each_layer(
                lambda w, b: _whole(w, b) / np.sqrt(w.size + b.size)
            ),
            "you add absolute values: the norm adds squares": _each_layer(lambda w, b: abs(w).sum() + abs(b).sum()),
            "these are logarithms: return the norms themselves": lambda *a: np.log10(_whole_norms(*a)),
            "these are the norms of the parameters, not of the gradient": (
                lambda params, *_: np.array([_whole(*layer) for layer in matrices(params)])
            ),
        },
        rtol=3e-3,
        atol=0,
    ),
    mistakes=(
        Mistake(_NORMS.replace("jnp.sqrt(jnp.sum(w**2) + jnp.sum(b**2))", "jnp.sum(w**2) + jnp.sum(b**2)"), "take the square root"),
        Mistake(_NORMS.replace("in gradients]", "in gradients[::-1]]"), "layer 1, nearest the input, comes first"),
        Mistake(_NORMS.replace("in gradients]", "in gradients[:-1]]"), "the readout is missing"),
        Mistake(_NORMS.replace(" + jnp.sum(b**2)", ""), "biases belong to the layer"),
        Mistake(_NORMS.replace("jnp.sqrt(jnp.sum(w**2) + jnp.sum(b**2))", "jnp.linalg.norm(w) + jnp.linalg.norm(b)"), "you add two norms"),
        Mistake(_NORMS.replace("jnp.mean(jax", "jnp.sum(jax"), "summed loss"),
        Mistake(_NORMS.replace("jax.grad(loss)(unstack_layers(params))", "unstack_layers(params)"), "not of the gradient"),
        Mistake(
            "from course_utils import NetworkConfig, layer_gradient_norms\ndef layer_norms(params, inputs, labels):\n"
            "    config = NetworkConfig(depth=6, width=16, input_size=8, output_size=4, activation='sigmoid')\n"
            "    return layer_gradient_norms(params, inputs, labels, config)",
            "weights alone",
        ),
    ),
)  # fmt: skip


# 3. The weight scale that a depth demands.


@functools.cache
def _scale_with(activation, chi):
    """The smallest weight scale at which one layer multiplies the squared backward signal by ``chi`` < 1."""
    if activation in ("relu", "tanh"):
        return (2 * chi) ** 0.5 if activation == "relu" else chi**0.5
    z = np.linspace(-8, 8, 801)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()

    def growth(scale):
        variance = scale**2 / 4
        for _ in range(15):
            variance = scale**2 * (density * _sigmoid(variance**0.5 * z) ** 2).sum()
        return scale**2 * (density * _sigmoid_slope(variance**0.5 * z) ** 2).sum()

    low, high = 0.1, 10.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if growth(middle) < chi else (low, middle)
    return low


def _scale_cases(rng):
    for activation in ("relu", "tanh", "sigmoid"):
        yield activation, int(rng.integers(8, 16)), float(f"{10 ** rng.uniform(-3, -1.5):.1e}")


_scale_verdict = equals(
    lambda activation, depth, share: _scale_with(activation, share ** (2 / (depth - 1))),
    {
        "this is ReLU's σ_w, which other activations do not need": lambda activation, depth, share: 2**0.5 * share ** (1 / (depth - 1)),
        "the factor χ is that of the squared signal; the share speaks of the signal itself": (
            lambda activation, depth, share: _scale_with(activation, share ** (1 / (depth - 1)))
        ),
        "you count one step too many: how many layers lie above layer 1?": (
            lambda activation, depth, share: _scale_with(activation, share ** (2 / depth))
        ),
        "this is the factor of one layer: which σ_w brings it about, with this activation?": (
            lambda activation, depth, share: share ** (1 / (depth - 1))
        ),
        "this is χ: which σ_w brings it about?": lambda activation, depth, share: share ** (2 / (depth - 1)),
        "this is the critical σ_w, which keeps the whole signal: a share of it is enough": (
            lambda activation, depth, share: {"relu": 2**0.5, "tanh": 1.0}.get(activation, 10.0)
        ),
        "you spend the whole share in one layer: the steps multiply": lambda activation, depth, share: _scale_with(activation, share**2),
    },
    rtol=2e-3,
)  # fmt: skip


def _near_scale(answer, activation, depth, share):
    if told := number_in(answer):
        return told
    told, right = (
        _scale_verdict(answer, activation, depth, share),
        _scale_with(activation, share ** (2 / (depth - 1))),
    )
    if told and told.startswith("your number is"):
        if abs(answer / right - 1) < 0.02:
            return "close, but not to three digits: let your search go on"
        return (
            f"for {activation}, less than that share is left"
            if answer < right
            else f"for {activation}, a smaller σ_w would do"
        )
    return told


_SCALE = """
from course_utils import gradient_growth_factor
def least_weight_scale(activation, depth, share):
    low, high = 0.05, 9.0
    for _ in range(30):
        middle = (low + high) / 2
        if gradient_growth_factor(activation, middle) ** ((depth - 1) / 2) < share:
            low = middle
        else:
            high = middle
    return high
"""

least_weight_scale = Exercise(
    id="vanishing-3",
    name="least_weight_scale",
    title="The narrow place",
    level="medium",
    skills=("χ and depth", "finding a setting", "exponents"),
    hints=(
        "What does theory leave of the signal after one step back, and what after L − 1 steps?",
        "`gradient_growth_factor(activation, weight_scale)` is χ, the factor of the squared signal.",
        "The share grows with σ_w. So halve an interval: keep the half in which the share passes the wanted one.",
    ),
    cases=_scale_cases,
    verdict=_near_scale,
    mistakes=(
        Mistake(
            "def least_weight_scale(activation, depth, share):\n    chi = share ** (1 / (depth - 1))\n"
            "    return (2 * chi) ** 0.5 if activation == 'relu' else chi**0.5",
            "the squared signal",
        ),
        Mistake(_SCALE.replace("(depth - 1) / 2", "depth / 2"), "one step too many"),
        Mistake("def least_weight_scale(activation, depth, share):\n    return share ** (1 / (depth - 1))", "the factor of one layer"),
        Mistake("def least_weight_scale(activation, depth, share):\n    return 2**0.5 * share ** (1 / (depth - 1))", "ReLU's"),
        Mistake(
            "def least_weight_scale(activation, depth, share):\n    return {'relu': 2**0.5, 'tanh': 1.0, 'sigmoid': 10.0}[activation]",
            "a share of it is enough",
        ),
        Mistake("def least_weight_scale(activation, depth, share):\n    return 2**0.5 * share", "in one layer"),
    ),
)  # fmt: skip


# 4. The sigmoid network that computes what a tanh network computes.


def _twin_cases(rng):
    for _ in range(2):
        shapes = [(5, 6), (6, 6), (6, 6), (6, 3)]
        yield ([singles([rng.normal(0, 1.1 / n**0.5, (n, m)), rng.normal(0, 0.4, m)]) for n, m in shapes],)


def _walk(layers, inputs, activate):
    """Each hidden layer's output, and the logits."""
    outputs = [inputs]
    for weight, bias in layers[:-1]:
        outputs.append(activate(outputs[-1] @ weight + bias))
    return [*outputs[1:], outputs[-1] @ layers[-1][0] + layers[-1][1]]


def _apart(one, other):
    return not np.abs(one - other).max() < 1e-3 * np.abs(other).max()


def _twin_verdict(answer, layers):
    if told := form_of(answer, layers):
        return told
    twin = [[np.asarray(part, float) for part in pair] for pair in answer]
    if not all(np.isfinite(part).all() for pair in twin for part in pair):
        return "your answer holds infinite numbers or NaN"
    inputs = np.random.default_rng(7).normal(size=(20, 5))
    with np.errstate(over="ignore"):
        theirs, ours = _walk(twin, inputs, _sigmoid), _walk(layers, inputs, np.tanh)
    if not _apart(theirs[-1], ours[-1]):
        return None
    if all(
        np.array_equal(a, b)
        for pair, own in zip(twin, layers, strict=True)
        for a, b in zip(pair, own, strict=True)
    ):
        return "these are the tanh network's own weights"
    wanted = [(h + 1) / 2 for h in ours[:-1]] + ours[-1:]
    k = next(k for k, (a, b) in enumerate(zip(theirs, wanted, strict=True)) if _apart(a, b))
    (weight, bias), (w, b) = twin[k], layers[k]
    inner = 2 if k < len(layers) - 1 else 1  # the 2 in tanh(u) = 2 sigmoid(2u) − 1
    where = "the readout" if inner == 1 else f"layer {k + 1}"
    if k == 0:
        if np.allclose(weight, 4 * w, rtol=1e-3):
            return "layer 1 differs from the others: no sigmoid stands before it"
        return "layer 1 already goes astray: at which z is the sigmoid (1 + tanh u) / 2?"
    if np.allclose(weight, w, rtol=1e-3):
        return f"{where} reads outputs that span 0 to 1 now, not −1 to 1: its weights must make up for it"
    if np.allclose(weight, 2 * inner * w, rtol=1e-3):
        if np.allclose(bias, inner * b, rtol=1e-3):
            return f"in {where} the weights are right, the biases not: the outputs below lie around ½ now, not around 0"
        if np.allclose(bias, inner * (b + w.sum(0)), rtol=1e-3):
            return f"in {where} the correction of the biases has the wrong sign"
        if np.allclose(bias, b - inner * w.sum(0), rtol=1e-3) or np.allclose(
            bias, inner * b - w.sum(0), rtol=1e-3
        ):
            return f"in {where} one part of the bias is doubled and the other not"
        if w.shape[0] == w.shape[1] and np.allclose(bias, inner * (b - w.sum(1)), rtol=1e-3):
            return f"in {where} the biases' sum runs along the wrong axis: a unit sums over what comes in"
        return f"in {where} the weights are right, the biases not"
    return (
        f"{where} is the first to go astray: write its z with tanh's outputs, then put 2 h − 1 in their place"
    )


_TWIN = """
def sigmoid_twin(layers):
    (weight, bias), *others = layers
    twin = [(2 * weight, 2 * bias)]
    for weight, bias in others[:-1]:
        twin.append((4 * weight, 2 * bias - 2 * weight.sum(0)))
    weight, bias = others[-1]
    twin.append((2 * weight, bias - weight.sum(0)))
    return twin
"""

sigmoid_twin = Exercise(
    id="vanishing-4",
    name="sigmoid_twin",
    title="The sigmoid's healthy twin",
    level="hard",
    skills=("reparametrization", "where vanishing comes from", "biases"),
    hints=(
        "Tanh is a stretched sigmoid: tanh(u) = 2 sigmoid(2u) − 1. Check it for one u.",
        "Let the sigmoid network's outputs be h = (1 + t)/2, where t is tanh's output in the same unit. Start with layer 1.",
        "In layer 2 the tanh network computes t W + b. Put t = 2h − 1 there and sort by h: what became of weights and biases?",
        "Three kinds of layers differ: the first reads the inputs, the hidden ones read and make sigmoids, the readout only "
        "reads them.",
    ),
    cases=_twin_cases,
    verdict=_twin_verdict,
    mistakes=(
        Mistake("def sigmoid_twin(layers):\n    return layers", "own weights"),
        Mistake(_TWIN.replace("[(2 * weight, 2 * bias)]", "[(4 * weight, 2 * bias - 2 * weight.sum(0))]"), "no sigmoid stands before it"),
        Mistake(_TWIN.replace("2 * bias - 2 * weight.sum(0)", "2 * bias"), "around ½ now"),
        Mistake(_TWIN.replace("2 * bias - 2 * weight.sum(0)", "2 * bias + 2 * weight.sum(0)"), "wrong sign"),
        Mistake(_TWIN.replace("2 * weight.sum(0)", "2 * weight.sum(1)"), "wrong axis"),
        Mistake(_TWIN.replace("(2 * weight, bias - weight.sum(0))", "(weight, bias)"), "the readout reads outputs that span 0 to 1"),
        Mistake(_TWIN.replace("(2 * weight, 2 * bias)", "(weight, bias)"), "layer 1 already goes astray"),
        Mistake(_TWIN.replace("2 * bias - 2 * weight", "2 * bias - weight"), "one part of the bias is doubled"),
    ),
)  # fmt: skip


EXERCISES = (gradient_factor, layer_norms, least_weight_scale, sigmoid_twin)
