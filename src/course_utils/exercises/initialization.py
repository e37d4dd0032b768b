"""The exercises of chapter 4, weight initialization."""

import math

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import equals

# 1. A leaky ReLU's place on the slider.


def _slopes(rng):
    # Far enough from 0 and 1, where the wrong formulas meet the right one; the last is a slope upwards.
    for low, high in ((0.3, 0.5), (0.55, 0.75), (-0.6, -0.35)):
        yield (round(float(rng.uniform(low, high)), 3),)


leaky_scale = Exercise(
    id="initialization-1",
    name="leaky_scale",
    title="Between LeCun and He",
    level="easy",
    skills=("mean square of an activation", "χ and the weight scale"),
    hints=(
        "Half of the pre-activations are negative. What does each half add to the mean of φ′²?",
        "χ is σ_w² times the mean of φ′². Set it to one.",
        "Check your formula at both ends: slope 0 is ReLU, slope 1 is linear.",
    ),
    cases=_slopes,
    verdict=equals(
        lambda slope: math.sqrt(2 / (1 + slope**2)),
        {
            "this is a variance: σ_w is its root": lambda slope: 2 / (1 + slope**2),
            "this is ReLU's scale: the negative half passes something too": lambda slope: math.sqrt(2),
            "the gradient is squared here: is the slope?": lambda slope: math.sqrt(2 / (1 + abs(slope))),
            "the slope's sign cannot matter to a square": lambda slope: math.sqrt(2 / (1 + slope)),
            "this is the factor that the layer applies: the weights must undo it": lambda slope: math.sqrt(
                (1 + slope**2) / 2
            ),
            "each half of the pre-activations counts for one half only": lambda slope: math.sqrt(
                1 / (1 + slope**2)
            ),
            "a straight line between the two ends is right at the ends only": lambda slope: (
                math.sqrt(2) + slope * (1 - math.sqrt(2))
            ),
        },
    ),
    mistakes=(
        Mistake("def leaky_scale(slope):\n    return 2 / (1 + slope**2)", "its root"),
        Mistake("def leaky_scale(slope):\n    return (2 / (1 + slope)) ** 0.5", "is the slope?"),
        Mistake("def leaky_scale(slope):\n    return ((1 + slope**2) / 2) ** 0.5", "must undo it"),
        Mistake("def leaky_scale(slope):\n    return 2**0.5", "the negative half passes"),
        Mistake("def leaky_scale(slope):\n    return 2**0.5 + slope * (1 - 2**0.5)", "a straight line"),
    ),
)

# 2. How wide a network must be for luck not to matter.


def _width(depth, share, divisor=2.0):
    """Not yet rounded up. The right divisor is 2."""
    return 5 * depth / (divisor * math.log(1 / share))


def _smallest(**wrong):
    return lambda depth, share: math.ceil(_width(depth, share, **wrong))


_WRONG_WIDTHS = {
    "a width is a whole number": _width,
    "this is a little too narrow: to which side must you round?": lambda depth, share: math.floor(
        _width(depth, share)
    ),
    "a narrower one suffices: the smallest width is asked for": lambda depth, share: (
        math.ceil(_width(depth, share)) + 1
    ),
    "if X has mean one, the mean of ln X is not minus the whole variance": _smallest(divisor=1),
    "the share is one of the squared signal already": _smallest(divisor=4),
    "this uses logarithms to base 10: the law speaks of ln": _smallest(divisor=2 / math.log(10)),
    "one standard deviation below the mean of ln X is not the median": lambda depth, share: math.ceil(
        5 * depth / math.log(1 / share) ** 2
    ),
}


def _enough_cases(rng):
    found = 0
    while found < 3:
        case = int(rng.integers(10, 100)), round(float(rng.uniform(0.3, 0.8)), 2)
        given = [_smallest()(*case), *[wrong(*case) for wrong in _WRONG_WIDTHS.values()]]
        # Single precision must round to the same side, and no two of the wrong formulas may meet.
        if 0.15 < _width(*case) % 1 < 0.85 and len(set(given)) == len(given):
            found += 1
            yield case


enough_width = Exercise(
    id="initialization-2",
    name="enough_width",
    title="Wide enough for bad luck",
    level="medium",
    skills=("mean and median of a product", "depth over width"),
    hints=(
        "If ln X is normal with mean μ and variance s², then the median of X is exp(μ), and its mean exp(μ + s²/2).",
        "The mean of X is one. What does that make μ?",
        "Write the median as a function of N, and solve for the N at which it equals the share.",
    ),
    cases=_enough_cases,
    verdict=equals(_smallest(), _WRONG_WIDTHS, rtol=0, atol=1e-4),
    mistakes=(
        Mistake(
            "import math\ndef enough_width(depth, share):\n    return math.ceil(5 * depth / math.log(1 / share))",
            "not minus the whole variance",
        ),
        Mistake(
            "import math\ndef enough_width(depth, share):\n    return int(5 * depth / (2 * math.log(1 / share)))",
            "which side must you round",
        ),
        Mistake(
            "import math\ndef enough_width(depth, share):\n    return math.ceil(5 * depth / (2 * math.log10(1 / share)))",
            "speaks of ln",
        ),
        Mistake(
            "import math\ndef enough_width(depth, share):\n    return math.ceil(5 * depth / math.log(1 / share) ** 2)",
            "is not the median",
        ),
    ),
)

# 3. Weights rescaled by what they do to a batch.

_PHI = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def _root_mean_square(z):
    return np.sqrt(np.mean(z**2))


def _listen(weights, inputs, activation, *, size=_root_mean_square, carry=None):
    """Weights divided by the size of their z, layer by layer. ``carry(z, scaled_z)`` goes on to the next layer."""
    h, scaled = inputs, []
    for weight in weights:
        z = h @ weight
        scaled.append(weight / size(z))
        h = _PHI[activation](z / size(z)) if carry is None else carry(z, z / size(z), _PHI[activation])
    return scaled


def _outputs_instead(weights, inputs, activation):
    h, scaled = inputs, []
    for weight in weights:
        z = h @ weight
        scaled.append(weight / _root_mean_square(_PHI[activation](z)))
        h = _PHI[activation](h @ scaled[-1])
    return scaled


def _listening_cases(rng):
    shapes = (16, 24), (24, 24), (24, 24)
    for activation in ("relu", "sigmoid", "tanh"):
        scales = rng.permutation([0.3, 2.5, 6.0]) * rng.uniform(0.8, 1.2, 3)
        weights = [
            scale * rng.standard_normal(shape) / shape[0] ** 0.5
            for scale, shape in zip(scales, shapes, strict=True)
        ]
        yield weights, rng.standard_normal((32, 16)), activation


def _by(**choices):
    return lambda *case: _listen(*case, **choices)


_LISTEN = """from course_utils import ACTIVATIONS
import jax.numpy as jnp
def listening_weights(weights, inputs, activation):
    phi, h, scaled = ACTIVATIONS[activation], inputs, []
    for weight in weights:
        z = h @ weight
        scaled.append(weight / {size})
        h = {carry}
    return scaled
"""

listening_weights = Exercise(
    id="initialization-3",
    name="listening_weights",
    title="Weights that listen",
    level="medium",
    skills=("forward signal", "initialization from data"),
    hints=(
        "z is linear in W: what happens to its mean square when you divide W by a number?",
        "Go from the input upwards. Rescale one layer before you look at the next.",
        "The next layer must see what the rescaled layer puts out, after the activation.",
    ),
    cases=_listening_cases,
    verdict=equals(
        _listen,
        {
            "the later layers are scaled for the old signal: send the rescaled one on": _by(
                carry=lambda z, scaled, phi: phi(z)
            ),
            "what reaches the next layer has been through the activation": _by(
                carry=lambda z, scaled, phi: scaled
            ),
            "you divide by the mean square: take its root": _by(size=lambda z: np.mean(z**2)),
            "you divide by the norm of z, which grows with the batch: take a mean": _by(
                size=lambda z: np.sqrt(np.sum(z**2))
            ),
            "each unit has a factor of its own: one number for the whole layer is asked for": _by(
                size=lambda z: np.sqrt(np.mean(z**2, axis=0))
            ),
            "these are right for the outputs h: here it is z that shall have mean square one": _outputs_instead,
            "you subtract the mean of z first: a mean square keeps it": _by(size=np.std),
            "you measure the weights: measure what they do to the batch": lambda weights, inputs, activation: [
                weight / (weight.std() * len(weight) ** 0.5) for weight in weights
            ],
        },
        rtol=3e-3,
    ),
    mistakes=(
        Mistake(_LISTEN.format(size="jnp.sqrt(jnp.mean(z**2))", carry="phi(z)"), "for the old signal"),
        Mistake(
            _LISTEN.format(size="jnp.sqrt(jnp.mean(z**2))", carry="h @ scaled[-1]"),
            "been through the activation",
        ),
        Mistake(_LISTEN.format(size="jnp.mean(z**2)", carry="phi(h @ scaled[-1])"), "take its root"),
        Mistake(
            _LISTEN.format(
                size="jnp.sqrt(jnp.mean(z**2, axis=0, keepdims=True))", carry="phi(h @ scaled[-1])"
            ),
            "a factor of its own",
        ),
        Mistake(
            _LISTEN.format(size="jnp.linalg.norm(z)", carry="phi(h @ scaled[-1])"), "grows with the batch"
        ),
        Mistake(
            _LISTEN.format(size="jnp.sqrt(jnp.mean(phi(z)**2))", carry="phi(h @ scaled[-1])"),
            "right for the outputs h",
        ),
        Mistake(
            "def listening_weights(weights, inputs, activation):\n"
            "    return [weight / (weight.std() * weight.shape[0] ** 0.5) for weight in weights]",
            "you measure the weights",
        ),
    ),
)

# 4. A ReLU network that keeps every direction.


def _jacobian(weights, x):
    """Of the outputs at one input."""
    jacobian, h = np.eye(len(x)), x
    for weight in weights[:-1]:
        z = h @ weight
        jacobian, h = (jacobian @ weight) * (z > 0), np.maximum(z, 0)
    return jacobian @ weights[-1]


def _isometry(answer, features, depth, seed):
    shapes = [
        (features, 2 * features),
        *[(2 * features, 2 * features)] * (depth - 1),
        (2 * features, features),
    ]
    if not isinstance(answer, list) or len(answer) != len(shapes):
        return "return a list of depth + 1 matrices: the hidden layers', and the readout's"
    weights = [np.asarray(weight, dtype=float) for weight in answer]
    for i, (weight, shape) in enumerate(zip(weights, shapes, strict=True)):
        if weight.shape != shape:
            return f"matrix {i + 1} of {len(shapes)} has shape {weight.shape}; it must have shape {shape}"
        if not np.isfinite(weight).all():
            return f"matrix {i + 1} of {len(shapes)} holds infinite numbers or NaN"
        if (np.abs(weight) < 1e-6).mean() > 0.5:
            return f"matrix {i + 1} of {len(shapes)} is mostly zeros: use random directions in every block"
    jacobians = [_jacobian(weights, x) for x in np.random.default_rng(seed).standard_normal((5, features))]
    if not np.isfinite(jacobians).all():
        return "the product of your matrices overflows"
    values = np.linalg.svd(jacobians, compute_uv=False)
    linear = np.abs(jacobians - jacobians[0]).max() < 1e-3 * values.max()
    if values.max() < 1e-6:
        return "nothing comes through at all: somewhere the two units of a pair cancel each other"
    if values.min() < 0.99 * values.max() and linear:
        return "the network is linear, which is half the work, but it stretches some directions: which matrices stretch none?"
    if values.min() < 0.99 * values.max():
        return (
            f"at some inputs one direction keeps only {values.min() / values.max():.1%} of the length that another keeps: "
            "units that are off take directions along, and no other unit carries them"
        )
    if np.abs(values - 1).max() > 0.01:
        return f"all directions are treated alike, but all lengths are multiplied by {values.mean():.3g}"
    return None


def _isometry_cases(rng):
    for shallowest, deepest in ((3, 6), (8, 16), (25, 40)):
        yield int(rng.integers(4, 9)), int(rng.integers(shallowest, deepest)), int(rng.integers(1000))


_MIRROR = """import numpy as np
def relu_isometry(features, depth, seed):
    generator = np.random.default_rng(seed)
    def block():
        normal = generator.standard_normal((features, features))
        return {block}
    def mirrored(a):
        return np.block([[a, {upper}a], [{lower}a, a]])
    first, last = block(), block()
    hidden = [{factor} * mirrored(block()) for _ in range(depth - 1)]
    return [np.hstack([first, -first]), *hidden, np.vstack([last, -last])]
"""

relu_isometry = Exercise(
    id="initialization-4",
    name="relu_isometry",
    title="An isometry for ReLU",
    level="hard",
    skills=("dynamical isometry", "singular values", "structured initialization"),
    hints=(
        "A ReLU that is off loses its unit's signal. You have two units for each input. What could the second one carry?",
        "relu(a) − relu(−a) = a.",
        "Let each pair of units hold relu(a) and relu(−a). The next matrix can put the pair together again. Its lower half "
        "decides how.",
        "The whole network is then linear, a product of small square blocks. Which random blocks keep every length?",
    ),
    cases=_isometry_cases,
    verdict=_isometry,
    mistakes=(
        Mistake(
            """import numpy as np
def relu_isometry(features, depth, seed):
    generator, sizes = np.random.default_rng(seed), [features, *[2 * features] * depth, features]
    weights = []
    for rows, columns in zip(sizes[:-1], sizes[1:]):
        q, _ = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        weights.append(2**0.5 * (q if rows >= columns else q.T))
    return weights
""",
            "no other unit carries them",
        ),
        Mistake(
            _MIRROR.format(block="normal / features**0.5", upper="-", lower="-", factor=1),
            "which is half the work",
        ),
        Mistake(
            _MIRROR.format(block="np.linalg.qr(normal)[0]", upper="-", lower="-", factor="0.5**0.5"),
            "all lengths are multiplied",
        ),
        Mistake(
            _MIRROR.format(block="np.linalg.qr(normal)[0]", upper="-", lower="-", factor="2**0.5"),
            "all lengths are multiplied",
        ),
        Mistake(
            _MIRROR.format(block="np.linalg.qr(normal)[0]", upper="", lower="", factor="1"),
            "cancel each other",
        ),
        Mistake(
            _MIRROR.format(block="np.eye(features)", upper="-", lower="-", factor="1"),
            "mostly zeros",
        ),
    ),
)

EXERCISES = (leaky_scale, enough_width, listening_weights, relu_isometry)
