"""The exercises of chapter 5, activation functions."""

import functools
import math

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import by_key, equals

_ALPHA, _LAMBDA = 1.6732632423543772, 1.0507009873554805


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def _elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_slope(z, alpha=1.0):
    return np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))


_FUNCTIONS = {
    "linear": (lambda z: z, np.ones_like),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "elu": (_elu, _elu_slope),
    "selu": (lambda z: _LAMBDA * _elu(z, _ALPHA), lambda z: _LAMBDA * _elu_slope(z, _ALPHA)),
    "softplus": (lambda z: np.logaddexp(0, z), _sigmoid),
}
"""Each activation and its slope."""

_U = np.linspace(-8.5, 8.5, 1200)  # an even count: no point falls on a corner
_DENSITY = np.exp(-(_U**2) / 2) / np.exp(-(_U**2) / 2).sum()

# 1. How steep the flat side of leaky ReLU must be.


def _needed_slope(layers, weight_scale, share):
    return share ** (1 / layers) / weight_scale


def _flat_layers(rng):
    for layers in rng.permutation([2, 3, 4, 5])[:3]:
        yield int(layers), round(float(rng.uniform(1.2, 1.8)), 3), round(float(rng.uniform(0.01, 0.2)), 3)


needed_slope = Exercise(
    id="activation-1",
    name="needed_slope",
    title="How leaky is leaky enough?",
    level="easy",
    skills=("χ on the flat side", "exponential decay"),
    hints=(
        "On the flat side every unit has the same slope a. What is χ then?",
        "χ multiplies the squared signal in each layer. By what is the norm multiplied?",
        "Over all layers the factor is applied again and again. Which root undoes that?",
    ),
    cases=_flat_layers,
    verdict=equals(
        _needed_slope,
        {
            "large weights help too: where is σ_w?": lambda k, w, share: share ** (1 / k),
            "larger weights allow a smaller slope: on which side does σ_w belong?": lambda k, w, share: (
                share ** (1 / k) * w
            ),
            "the factors of the layers multiply: they do not add": lambda k, w, share: share / k / w,
            "this is right for one layer: what do several do?": lambda k, w, share: share / w,
            "the share is one of the norm: χ speaks of its square": lambda k, w, share: (
                share ** (1 / (2 * k)) / w
            ),
            "a squared norm has σ_w squared and the slope squared": lambda k, w, share: (
                share ** (1 / k) / w**2
            ),
            "this is the square of the slope": lambda k, w, share: _needed_slope(k, w, share) ** 2,
        },
    ),
    mistakes=(
        Mistake(
            "def needed_slope(layers, weight_scale, share):\n    return share ** (1 / layers)", "where is σ_w"
        ),
        Mistake(
            "def needed_slope(layers, weight_scale, share):\n    return share / layers / weight_scale",
            "they do not add",
        ),
        Mistake(
            "def needed_slope(layers, weight_scale, share):\n    return (share ** (1 / layers) / weight_scale**2) ** 0.5",
            "speaks of its square",
        ),
        Mistake(
            "def needed_slope(layers, weight_scale, share):\n    return share / weight_scale",
            "right for one layer",
        ),
        Mistake(
            "def needed_slope(layers, weight_scale, share):\n    return share ** (1 / layers) * weight_scale",
            "on which side",
        ),
    ),
)

# 2. Which activation the backward signals come from.

_SCALES = (0.8, 1.3, 2.0)


@functools.cache
def _log_factor(name, weight_scale):
    """ln χ at the fixed point, by following the variance until it settles, dies out or grows without bound."""
    phi, slope = _FUNCTIONS[name]
    variance = weight_scale**2
    for _ in range(300):
        following = weight_scale**2 * _DENSITY @ phi(variance**0.5 * _U) ** 2
        variance, before = float(np.clip(following, 1e-9, 1e9)), variance
        if abs(variance / before - 1) < 1e-9:
            break
    return float(np.log(weight_scale**2 * _DENSITY @ slope(variance**0.5 * _U) ** 2))


def _nearest(measured, scales, names):
    """The name whose ln χ lies nearest to the measured ones."""
    gaps = {
        name: sum((m - _log_factor(name, s)) ** 2 for m, s in zip(measured, scales, strict=True))
        for name in names
    }
    return min(gaps, key=gaps.get)


def _log_growth(scales, signals):
    """ln of the whole growth of the signal's norm, from the last layer to the first, one for each scale."""
    return np.log(signals[:, 0] / signals[:, -1])


def _culprit(scales, signals, names):
    return _nearest(2 * _log_growth(scales, signals) / (signals.shape[1] - 1), scales, names)


_MISREAD = {
    "the signal runs from the last layer to the first: you read it the wrong way round": lambda scales, signals, names: (
        _nearest(-2 * _log_growth(scales, signals) / (signals.shape[1] - 1), scales, names)
    ),
    "you compare the growth over all layers with χ, which is for one layer": lambda scales, signals, names: (
        _nearest(2 * _log_growth(scales, signals), scales, names)
    ),
    "these are norms, and χ multiplies their squares": lambda scales, signals, names: _nearest(
        _log_growth(scales, signals) / (signals.shape[1] - 1), scales, names
    ),
}


_ONE_SCALE = "this one fits one weight scale: does it fit all of them?"


def _fit_at(i, scales, signals, names):
    """The candidates whose χ is the measured one at one scale."""
    measured = 2 * _log_growth(scales, signals) / (signals.shape[1] - 1)
    return [name for name in names if abs(_log_factor(name, scales[i]) - measured[i]) < 0.05]


def _suspects(rng):
    """In the first case each way to misread the signals leads to another name."""
    found = 0
    while found < 3:
        names = [str(name) for name in rng.permutation(list(_FUNCTIONS))]
        depth, truth = int(rng.integers(8, 13)), names[rng.integers(len(names))]
        steps = np.array(
            [[_log_factor(truth, s) / 2] * (depth - 1) for s in _SCALES]
        ) + 0.01 * rng.standard_normal((3, depth - 1))
        last = rng.uniform(0.01, 0.1, (3, 1))
        signals = np.hstack([last * np.exp(np.cumsum(steps[:, ::-1], 1))[:, ::-1], last])
        case = np.array(_SCALES), signals, names
        given = [_culprit(*case), *[misread(*case) for misread in _MISREAD.values()], _fit_at(2, *case)[0]]
        if given[0] == truth and (found or len(set(given)) == len(given)):
            found += 1
            yield case


def _name_of_a_candidate(answer, scales, signals, names):
    if not isinstance(answer, str):
        return "return a name: a text"
    if answer not in names:
        return f"{answer!r} is none of the candidates"
    case = np.asarray(scales), np.asarray(signals), names
    told = equals(_culprit, _MISREAD)(answer, *case)
    if told is None or told in _MISREAD:
        return told
    fits = any(answer in _fit_at(i, *case) for i in range(len(scales)))
    return _ONE_SCALE if fits else f"{answer!r} has other factors at these weight scales"


_SUSPECT = """from course_utils import gradient_growth_factor
import numpy as np
def whose_gradients(scales, signals, candidates):
    scales, signals = np.asarray(scales), np.asarray(signals)
    layers = signals.shape[1] - 1
    measured = {measured}
    def gap(name):
        theory = np.array([gradient_growth_factor(name, float(s)) for s in scales])
        return {gap}
    return min(candidates, key=gap)
"""
_LOG_GAP = "np.sum(np.log(measured / theory) ** 2)"

whose_gradients = Exercise(
    id="activation-2",
    name="whose_gradients",
    title="Whose gradients are these?",
    level="medium",
    skills=("χ measured and predicted", "comparing factors"),
    hints=(
        "Turn each row into one number that you can compare with χ: the factor by which one layer multiplies the squared signal.",
        "How many layers lie between the first and the last column? A factor of that many layers needs that root.",
        "gradient_growth_factor(name, weight_scale) is theory's χ. At one scale several candidates agree.",
        "Factors from 0.04 to 4 are best compared by their logarithms, over all scales together.",
    ),
    cases=_suspects,
    verdict=_name_of_a_candidate,
    mistakes=(
        Mistake(
            _SUSPECT.format(measured="(signals[:, 0] / signals[:, -1]) ** (1 / layers)", gap=_LOG_GAP),
            "multiplies their squares",
        ),
        Mistake(
            _SUSPECT.format(measured="(signals[:, -1] / signals[:, 0]) ** (2 / layers)", gap=_LOG_GAP),
            "the wrong way round",
        ),
        Mistake(
            _SUSPECT.format(measured="(signals[:, 0] / signals[:, -1]) ** 2", gap=_LOG_GAP),
            "which is for one layer",
        ),
        Mistake(
            _SUSPECT.format(
                measured="(signals[:, 0] / signals[:, -1]) ** (2 / layers)",
                gap="abs(np.log(measured / theory)[-1]) > 0.05",
            ),
            "does it fit all of them",
        ),
    ),
)

# 3. How alike two images become.


def _cosine_path(activation, cosine, layers, *, mix=None, centred=False, divide=True, again=False):
    """Cosines after each layer, by a sum over a grid of two independent normal variables."""
    phi, _ = _FUNCTIONS[activation]
    mean, power = _DENSITY @ phi(_U), _DENSITY @ phi(_U) ** 2
    coarse, weight = _U[1::4, None], _DENSITY[1::4] / _DENSITY[1::4].sum()
    found, here = [], cosine
    for _ in range(layers):
        rest = np.sqrt(max(1 - here**2, 0)) if mix is None else mix(here)
        product = weight @ (phi(coarse) * phi(here * coarse + rest * coarse.T)) @ weight
        product, size = (product - mean**2, power - mean**2) if centred else (product, power)
        found.append(float(product / size if divide else product))
        here = cosine if again else found[-1]
    return np.array(found)


def _by(**choices):
    return lambda *case: _cosine_path(*case, **choices)


def _two_images(rng):
    for activation, low, high in (("relu", 0.3, 0.6), ("sigmoid", -0.5, 0.1), ("tanh", 0.5, 0.9)):
        yield activation, round(float(rng.uniform(low, high)), 3), 4


_COSINES = """from course_utils import ACTIVATIONS
import numpy as np
def cosine_path(activation, cosine, layers):
    phi = lambda z: np.asarray(ACTIVATIONS[activation](z))
    a, b = np.random.default_rng(0).standard_normal((2, 10**5))
    found = []
    for _ in range(layers):
        u, v = a, cosine * a + {rest} * b
        cosine = float({cosine})
        found.append({found})
    return np.array(found)
"""
_ROOT, _RATIO = "(1 - cosine**2) ** 0.5", "np.mean(phi(u) * phi(v)) / np.mean(phi(u) ** 2)"

_NOISE = 0.02

_judge_cosines = equals(
    _cosine_path,
    {
        "the second image's z does not have variance one: how do variances add?": _by(mix=lambda c: 1 - c),
        "the second image's z has a variance above one: how much of b may you add?": _by(mix=lambda c: 1.0),
        "in the variance the factor of b is squared: where is the root?": _by(mix=lambda c: 1 - c**2),
        "this subtracts the mean that the images share, and that mean is the point": _by(centred=True),
        "a cosine is relative: divide by the mean square of the output": _by(divide=False),
        "every layer starts from the first cosine again: go on from the last one": _by(again=True),
        "the list begins with the first layer's result, not with what goes in": lambda activation, cosine, layers: (
            np.array([cosine, *_cosine_path(activation, cosine, layers - 1)])
        ),
    },
    rtol=0,
    atol=_NOISE,
)


def _told_how_close(answer, *case):
    """Somebody who drew too few numbers is not far off."""
    told = _judge_cosines(answer, *case)
    right = _cosine_path(*case)
    if told and told[0].isdigit() and np.abs(np.asarray(answer, dtype=float) - right).max() < 3 * _NOISE:
        return "close, but not to 0.02: do you average over enough draws?"
    return told


cosine_path = Exercise(
    id="activation-3",
    name="cosine_path",
    title="How fast do images become alike?",
    level="medium",
    skills=("correlated normal variables", "similarity of images", "the mean of an activation"),
    hints=(
        "You need u and v, normal with variance one, whose product has mean c. Start from two independent ones, a and b.",
        "u = a and v = c a + s b. Which s gives v the variance one?",
        "The cosine after one layer is the c of the next. Means over a million draws are accurate enough.",
    ),
    cases=_two_images,
    verdict=_told_how_close,
    mistakes=(
        Mistake(_COSINES.format(rest="(1 - cosine)", cosine=_RATIO, found="cosine"), "how do variances add"),
        Mistake(
            _COSINES.format(rest=_ROOT, cosine="np.corrcoef(phi(u), phi(v))[0, 1]", found="cosine"),
            "that mean is the point",
        ),
        Mistake(
            _COSINES.format(rest=_ROOT, cosine="np.mean(phi(u) * phi(v))", found="cosine"),
            "a cosine is relative",
        ),
        Mistake(
            _COSINES.replace("cosine = float", "following = float").format(
                rest=_ROOT, cosine=_RATIO, found="following"
            ),
            "from the first cosine again",
        ),
        Mistake(
            _COSINES.replace("found = []", "found = [cosine]")
            .replace("np.array(found)", "np.array(found[:-1])")
            .format(rest=_ROOT, cosine=_RATIO, found="cosine"),
            "not with what goes in",
        ),
    ),
)

# 4. SELU's recipe with another negative half.

_BENDS = {
    "exp": (np.expm1, np.exp),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "softsign": (lambda z: z / (1 - z), lambda z: 1 / (1 - z) ** 2),
}
"""A negative half and its slope, for z below 0."""


@functools.cache
def _half_line():
    """Points below 0 and their weights under a standard normal density."""
    x, w = np.polynomial.legendre.leggauss(200)
    u = 5 * (x - 1)
    return u, 5 * w * np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)


def _own_selu(bend, steepness):
    u, w = _half_line()
    bent, slope = _BENDS[bend][0](steepness * u), steepness * _BENDS[bend][1](steepness * u)
    alpha = 1 / math.sqrt(2 * math.pi) / -(w @ bent)
    scale = 1 / math.sqrt(0.5 + alpha**2 * (w @ bent**2))
    chi = scale**2 * (0.5 + alpha**2 * (w @ slope**2))
    pull = scale**2 * (0.5 + alpha**2 * (w @ (bent * slope * u)))
    return {"alpha": alpha, "scale": scale, "chi": chi, "pull": pull}


def _averages(bend, steepness):
    """What the symptoms are made of: averages of the bent half, its square and its squared slope, and the right answer."""
    u, w = _half_line()
    bent, slope = _BENDS[bend][0](steepness * u), steepness * _BENDS[bend][1](steepness * u)
    return w @ bent, w @ bent**2, w @ slope**2, w @ (bent * slope), _own_selu(bend, steepness)


def _wrong(formula):
    return lambda *case: formula(*_averages(*case))


_RELU_MEAN = 1 / math.sqrt(2 * math.pi)
_WRONG_SELU = {
    "alpha": {
        "the mean comes out positive, not zero: what sign has the negative half?": _wrong(
            lambda m, s, d, p, own: -own["alpha"]
        ),
        "this equates the two halves' mean squares: it is their means that must cancel": _wrong(
            lambda m, s, d, p, own: math.sqrt(0.5 / s)
        ),
        "this is the inverse: which half does α multiply?": _wrong(lambda m, s, d, p, own: 1 / own["alpha"]),
    },
    "scale": {
        "λ multiplies the output: its square multiplies the mean square": _wrong(
            lambda m, s, d, p, own: own["scale"] ** 2
        ),
        "this is the root mean square before scaling: λ must undo it": _wrong(
            lambda m, s, d, p, own: 1 / own["scale"]
        ),
        "α multiplies the output too: its square belongs into the mean square": _wrong(
            lambda m, s, d, p, own: 1 / math.sqrt(0.5 + own["alpha"] * s)
        ),
        "the negative half has an α in it": _wrong(lambda m, s, d, p, own: 1 / math.sqrt(0.5 + s)),
    },
    "chi": {
        "the slope has λ in it as well": _wrong(lambda m, s, d, p, own: 0.5 + own["alpha"] ** 2 * d),
        "the slope is squared, and λ with it": _wrong(
            lambda m, s, d, p, own: own["scale"] * (0.5 + own["alpha"] ** 2 * d)
        ),
        "the slope is squared, and α with it": _wrong(
            lambda m, s, d, p, own: own["scale"] ** 2 * (0.5 + own["alpha"] * d)
        ),
        "this is the root of χ": _wrong(lambda m, s, d, p, own: own["chi"] ** 0.5),
    },
    "pull": {
        "√q u depends on q through u: where is the inner derivative?": _wrong(
            lambda m, s, d, p, own: own["scale"] ** 2 * (_RELU_MEAN + own["alpha"] ** 2 * p)
        ),
        "this is twice as much: what is the derivative of √q at q = 1?": _wrong(
            lambda m, s, d, p, own: 2 * own["pull"]
        ),
        "this is half as much: a square's derivative has a 2": _wrong(
            lambda m, s, d, p, own: own["pull"] / 2
        ),
        "this is χ again: here φ² is to be differentiated with respect to q": _wrong(
            lambda m, s, d, p, own: own["chi"]
        ),
    },
}


def _recipes(rng):
    # The first is SELU itself, whose two constants are well known.
    yield "exp", 1.0
    for bend in ("tanh", "softsign"):
        yield bend, round(float(rng.uniform(0.8, 1.6)), 2)


_SELU = """import numpy as np
def own_selu(bend, steepness):
    u = np.linspace(-9, 9, 6000)
    density = np.exp(-u**2 / 2) / np.exp(-u**2 / 2).sum()
    z = steepness * np.minimum(u, 0)
    below = {{"exp": np.expm1, "tanh": np.tanh, "softsign": lambda z: z / (1 + abs(z))}}[bend](z)
    slopes = {{"exp": np.exp(z), "tanh": 1 - np.tanh(z)**2, "softsign": 1 / (1 + abs(z))**2}}[bend]
    above, down = np.maximum(u, 0), u < 0
    alpha = {alpha}
    phi = above + alpha * below
    slope = np.where(down, alpha * steepness * slopes, 1)
    scale = {scale}
    chi = {chi}
    pull = {pull}
    return dict(alpha=alpha, scale=scale, chi=chi, pull=pull)
"""
_RIGHT = dict(
    alpha="-(density @ above) / (density @ below)",
    scale="(density @ phi**2) ** -0.5",
    chi="scale**2 * density @ slope**2",
    pull="scale**2 * density @ (phi * slope * u)",
)


def _misstep(told, **wrong):
    return Mistake(_SELU.format(**_RIGHT | wrong), told)


own_selu = Exercise(
    id="activation-4",
    name="own_selu",
    title="Your own SELU",
    level="hard",
    skills=("averages over a normal variable", "fixed point of the variance", "χ and Poincaré's inequality"),
    hints=(
        "All four numbers are averages over a standard normal u. A sum over many points of the bell curve gives them, as in the "
        "chapter's first section.",
        "The mean is E[max(u, 0)] + α E[g(k u); u < 0]. Zero mean fixes α, whatever λ is.",
        "With α known, λ² times the mean square must be one. χ is then the average of the squared slope.",
        "For the pull differentiate E[φ(√q u)²] with respect to q under the average, and set q = 1.",
    ),
    cases=_recipes,
    verdict=by_key(_own_selu, _WRONG_SELU, rtol=8e-3),
    mistakes=(
        _misstep("its square multiplies", scale="1 / (density @ phi**2)"),
        _misstep("λ must undo it", scale="(density @ phi**2) ** 0.5"),
        _misstep("means that must cancel", alpha="((density @ above**2) / (density @ below**2)) ** 0.5"),
        _misstep("what sign has the negative half", alpha="(density @ above) / (density @ below)"),
        _misstep("has λ in it as well", chi="density @ slope**2"),
        _misstep("this is the root of χ", chi="(scale**2 * density @ slope**2) ** 0.5"),
        _misstep("where is the inner derivative", pull="scale**2 * density @ (phi * slope)"),
        _misstep("this is twice as much", pull="2 * scale**2 * density @ (phi * slope * u)"),
    ),
)

EXERCISES = (needed_slope, whose_gradients, cosine_path, own_selu)
