"""The exercises of chapter 7, skip connections."""

import math

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import equals, form_of

# Exercise 1: the branch scale that keeps the backward signal within a budget.


def _budget(depth, chi, growth, power=2):
    return np.sqrt((growth ** (power / depth) - 1) / chi)


def _budget_cases(rng):
    # χ stays away from 1, and depths below 60, so that each wrong formula shows.
    for depth, low, high in ((20, 0.2, 0.7), (60, 1.3, 2.5), (int(rng.integers(4, 9)), 0.2, 0.7)):
        yield depth, round(float(rng.uniform(low, high)), 3), round(float(rng.uniform(1.5, 6)), 2)


branch_scale_for = Exercise(
    id="skip-1",
    name="branch_scale_for",
    title="A budget for growth",
    level="easy",
    skills=("growth over layers", "norm against squared norm"),
    hints=(
        "What does one layer multiply the squared signal by, now that its branch has the factor s?",
        "L equal factors make a power. Set it equal to the growth of the squared signal, and mind that the budget is for the norm.",
        "Solve for s from the outside in: take the L-th root, subtract the identity's share, then divide and take a root.",
    ),
    cases=_budget_cases,
    verdict=equals(
        _budget,
        {
            "this is s²: one root is missing": lambda depth, chi, growth: _budget(depth, chi, growth) ** 2,
            "this keeps the squared signal within the budget; the budget is for the norm": (
                lambda depth, chi, growth: _budget(depth, chi, growth, power=1)
            ),
            "χ is missing: it says how strongly the branch passes a gradient back": (
                lambda depth, chi, growth: _budget(depth, 1, growth)
            ),
            "χ stands on the wrong side": lambda depth, chi, growth: np.sqrt(
                (growth ** (2 / depth) - 1) * chi
            ),
            "layers multiply: it looks as if you added their growth": (
                lambda depth, chi, growth: np.sqrt((growth**2 - 1) / depth / chi)
            ),
            "this is the limit of many thin layers; the depth here is finite": (
                lambda depth, chi, growth: np.sqrt(2 * np.log(growth) / depth / chi)
            ),
            "this is the rule of thumb: it knows neither χ nor the budget": lambda depth, chi, growth: (
                depth**-0.5
            ),
            "without the identity's 1 nothing comes through the skip": (
                lambda depth, chi, growth: np.sqrt(growth ** (2 / depth) / chi)
            ),
        },
    ),
    mistakes=(
        Mistake(
            "def branch_scale_for(depth, chi, growth):\n    return ((growth ** (1 / depth) - 1) / chi) ** 0.5",
            "the budget is for the norm",
        ),
        Mistake(
            "def branch_scale_for(depth, chi, growth):\n    return (growth ** (2 / depth) - 1) / chi",
            "one root is missing",
        ),
        Mistake(
            "def branch_scale_for(depth, chi, growth):\n    return (growth ** (2 / depth) - 1) ** 0.5",
            "is missing",
        ),
        Mistake(
            "def branch_scale_for(depth, chi, growth):\n    return ((growth**2 - 1) / (depth * chi)) ** 0.5",
            "layers multiply",
        ),
        Mistake("def branch_scale_for(depth, chi, growth):\n    return depth ** -0.5", "rule of thumb"),
        Mistake(
            "def branch_scale_for(depth, chi, growth):\n    return (growth ** (2 / depth) / chi) ** 0.5",
            "identity",
        ),
    ),
)


# Exercise 2: how the squared signal is shared among paths of different lengths.


def _binomials(depth):
    return np.array([float(math.comb(depth, k)) for k in range(depth + 1)])


def _shares(depth, chi):
    weights = _binomials(depth) * chi ** np.arange(depth + 1)
    return weights / weights.sum()


def _normalized(values):
    return values / values.sum()


def _share_cases(rng):
    for depth, low, high in ((10, 0.2, 0.6), (30, 0.2, 0.4), (int(rng.integers(15, 26)), 1.4, 2.5)):
        yield depth, round(float(rng.uniform(low, high)), 3)


path_shares = Exercise(
    id="skip-2",
    name="path_shares",
    title="Which paths carry the gradient?",
    level="medium",
    skills=("product of I + J", "counting paths", "norm against squared norm"),
    hints=(
        "Open up (I + J₃)(I + J₂)(I + J₁). How many of the eight terms hold exactly two factors J?",
        "A path chooses which k of the L branches it takes; `math.comb` counts the choices.",
        "Multiply the number of paths by the weight of one, for each k, then divide by the sum. Does theory's 1 + χ per layer "
        "give the same sum?",
    ),
    cases=_share_cases,
    verdict=equals(
        _shares,
        {
            "this is the weight of one path of each kind: how many are there?": (
                lambda depth, chi: _normalized(chi ** np.arange(depth + 1))
            ),
            "this too is the weight of one path of each kind: how many are there, and what do all of them add up to?": (
                lambda depth, chi: chi ** np.arange(depth + 1)
            ),
            "shares add up to 1: divide by what all paths carry together": (
                lambda depth, chi: _binomials(depth) * chi ** np.arange(depth + 1)
            ),
            "these numbers begin with the path through all branches; index k must be the number of branches": (
                lambda depth, chi: _shares(depth, chi)[::-1]
            ),
            "here a branch weighs √χ; χ is already the factor of the squared signal": lambda depth, chi: (
                _shares(depth, chi**0.5)
            ),
            "here a branch weighs χ²; χ is already the factor of the squared signal": lambda depth, chi: (
                _shares(depth, chi**2)
            ),
            "this only counts paths: each branch on a path also multiplies by χ": lambda depth, chi: _shares(
                depth, 1.0
            ),
            "you add up the lengths of paths and square afterwards; independent paths add their squares": (
                lambda depth, chi: _normalized((_binomials(depth) * chi ** (np.arange(depth + 1) / 2)) ** 2)
            ),
            "there are L + 1 kinds of paths: the one through no branch counts too": lambda depth, chi: (
                _normalized((_binomials(depth) * chi ** np.arange(depth + 1))[1:])
            ),
        },
    ),
    mistakes=(
        Mistake(
            "import numpy as np\ndef path_shares(depth, chi):\n    w = chi ** np.arange(depth + 1)\n    return w / w.sum()",
            "how many are there",
        ),
        Mistake(
            "import math\nimport numpy as np\ndef path_shares(depth, chi):\n"
            "    return np.array([math.comb(depth, k) * chi**k for k in range(depth + 1)])",
            "shares add up to 1",
        ),
        Mistake(
            "import math\nimport numpy as np\ndef path_shares(depth, chi):\n"
            "    return np.array([math.comb(depth, k) / 2**depth for k in range(depth + 1)])",
            "only counts paths",
        ),
        Mistake(
            "import math\nimport numpy as np\ndef path_shares(depth, chi):\n"
            "    return np.array([math.comb(depth, k) * chi**(depth - k) for k in range(depth + 1)]) / (1 + chi)**depth",
            "begin with the path through all",
        ),
        Mistake(
            "import math\nimport numpy as np\ndef path_shares(depth, chi):\n"
            "    w = np.array([math.comb(depth, k) * chi**(k / 2) for k in range(depth + 1)])\n    return w / w.sum()",
            "weighs √χ",
        ),
        Mistake(
            "import math\nimport numpy as np\ndef path_shares(depth, chi):\n"
            "    w = np.array([math.comb(depth, k) * chi**k for k in range(1, depth + 1)])\n    return w / w.sum()",
            "no branch counts too",
        ),
    ),
)


# Exercise 3: take a layer out, and see whether the gradient still points the same way.


def _run(weights, inputs, skip, removed=()):
    """The last outputs, and what backpropagation needs of each layer that is there."""
    h, kept = inputs, []
    for number, weight in enumerate(weights):
        if number not in removed:
            out = np.tanh(h @ weight)
            kept.append((weight, out))
            h = skip * h + out
    return h, kept


def _gradient(weights, inputs, readout, skip, removed=()):
    _, kept = _run(weights, inputs, skip, removed)
    g = np.broadcast_to(readout, inputs.shape)
    for weight, out in kept[::-1]:
        g = skip * g + (g * (1 - out**2)) @ weight.T
    return g


def _cosine(a, b, axis=None):
    return (a * b).sum(axis) / np.sqrt((a**2).sum(axis) * (b**2).sum(axis))


def _compared(measure):
    """For each layer: a measure of the gradient without it and the whole network's."""

    def by_layer(weights, inputs, readout, skip):
        whole = _gradient(weights, inputs, readout, skip)
        return np.array(
            [measure(_gradient(weights, inputs, readout, skip, (n,)), whole) for n in range(len(weights))]
        )

    return by_layer


def _cut(which):
    """For each layer: the cosine where a set of layers is removed."""

    def by_layer(weights, inputs, readout, skip):
        depth, whole = len(weights), _gradient(weights, inputs, readout, skip)
        return np.array(
            [_cosine(_gradient(weights, inputs, readout, skip, which(n, depth)), whole) for n in range(depth)]
        )

    return by_layer


def _cosine_of_outputs(weights, inputs, readout, skip):
    whole, _ = _run(weights, inputs, skip)
    return np.array([_cosine(_run(weights, inputs, skip, (n,))[0], whole) for n in range(len(weights))])


def _cosine_of_weight_gradients(weights, inputs, readout, skip):
    def gradient(*removed):
        h, found = inputs, np.zeros_like(weights)
        _, kept = _run(weights, inputs, skip, removed)
        present, below = [n for n in range(len(weights)) if n not in removed], []
        for _, out in kept:
            below.append(h)
            h = skip * h + out
        g = np.broadcast_to(readout, inputs.shape)
        for n, h, (weight, out) in list(zip(present, below, kept, strict=True))[::-1]:
            found[n] = h.T @ (g * (1 - out**2))
            g = skip * g + (g * (1 - out**2)) @ weight.T
        return found

    whole = gradient()
    return np.array([_cosine(gradient(n), whole) for n in range(len(weights))])


_direction = _compared(_cosine)


def _removal_cases(rng):
    for skip, scale in ((0.0, 1.0), (1.0, 0.5), (1.0, 1.0)):
        weights = rng.normal(0, scale / 32**0.5, (8, 32, 32)).astype(np.float32)
        yield (
            weights,
            rng.normal(0, 1, (4, 32)).astype(np.float32),
            rng.normal(0, 1, 32).astype(np.float32),
            skip,
        )


_DIRECTION_HEAD = (
    "import jax\nimport jax.numpy as jnp\ndef run(ws, x, r, skip):\n    for w in ws:\n        x = skip * x + jnp.tanh(x @ w)\n"
    "    return (x @ r).sum()\ngradient = jax.jit(jax.grad(run, argnums=1))\ncos = lambda a, b: (a * b).sum() / jnp.linalg.norm(a) / jnp.linalg.norm(b)\n"
    "def direction_kept(weights, inputs, readout, skip):\n    ws, n = list(weights), len(weights)\n"
    "    grad = lambda ws: gradient(ws, inputs, readout, skip)\n    whole = grad(ws)\n"
)

direction_kept = Exercise(
    id="skip-3",
    name="direction_kept",
    title="Pull out a layer",
    level="medium",
    skills=("gradient with respect to the inputs", "paths around a layer", "small experiment"),
    hints=(
        "Write the network as a function of a list of weights. What does the list look like when a layer is gone?",
        "The gradient asked for is with respect to the inputs: which argument of your function is that, and what does "
        "`argnums` of `jax.grad` do?",
        "Flatten both gradients, whole batch at once. A cosine is their inner product divided by both lengths.",
    ),
    cases=_removal_cases,
    verdict=equals(
        _direction,
        {
            "without a skip you get NaN: a layer whose weights are zero passes nothing on, while a removed layer hands on its "
            "input": lambda weights, *rest: np.full(len(weights), np.nan),
            "without a skip you get zeros: a layer whose weights are zero passes nothing on, while a removed layer hands on "
            "its input": lambda weights, *rest: np.zeros(len(weights)),
            "you compare the outputs; the question is about gradients": _cosine_of_outputs,
            "this is the gradient with respect to the weights; the inputs' is asked for": _cosine_of_weight_gradients,
            "these numbers begin with the last layer": lambda *case: _direction(*case)[::-1],
            "you remove a layer and all that follow it; only one must go": _cut(
                lambda n, depth: range(n, depth)
            ),
            "you remove a layer and all before it; only one must go": _cut(lambda n, depth: range(n + 1)),
            "you keep only the layers before this one and this one": _cut(
                lambda n, depth: range(n + 1, depth)
            ),
            "this is how far the gradients lie apart, not the cosine between them": _compared(
                lambda gradient, whole: np.linalg.norm(gradient - whole) / np.linalg.norm(whole)
            ),
            "this is a mean of one cosine a sample: flatten the whole batch first": _compared(
                lambda gradient, whole: _cosine(gradient, whole, -1).mean()
            ),
            "this is the ratio of lengths; the question is about direction": _compared(
                lambda gradient, whole: np.linalg.norm(gradient) / np.linalg.norm(whole)
            ),
            "this is the inner product: divide by both lengths": _compared(
                lambda gradient, whole: (gradient * whole).sum()
            ),
        },
        atol=3e-3,
    ),
    mistakes=(
        Mistake(
            _DIRECTION_HEAD.replace("argnums=1", "argnums=0") + "    flat = lambda parts: jnp.stack(parts)\n"
            "    gone = lambda i: flat([*(g := grad(ws[:i] + ws[i + 1 :]))[:i], 0 * ws[i], *g[i:]])\n"
            "    return jnp.array([cos(gone(i), flat(whole)) for i in range(n)])",
            "with respect to the weights",
        ),
        Mistake(
            _DIRECTION_HEAD
            + "    return jnp.array([cos(grad(ws[:i] + [0 * ws[i]] + ws[i + 1 :]), whole) for i in range(n)])",
            "passes nothing on",
        ),
        Mistake(
            _DIRECTION_HEAD
            + "    return jnp.array([cos(grad(ws[:i] + ws[i + 1 :]), whole) for i in range(n)])[::-1]",
            "begin with the last layer",
        ),
        Mistake(
            _DIRECTION_HEAD + "    return jnp.array([cos(grad(ws[:i]), whole) for i in range(n)])",
            "all that follow",
        ),
        Mistake(
            _DIRECTION_HEAD + "    gs = [grad(ws[:i] + ws[i + 1 :]) for i in range(n)]\n"
            "    return jnp.array([jnp.linalg.norm(g - whole) / jnp.linalg.norm(whole) for g in gs])",
            "not the cosine",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef out(ws, x, skip):\n    for w in ws:\n        x = skip * x + jnp.tanh(x @ w)\n    return x\n"
            "def direction_kept(weights, inputs, readout, skip):\n    ws, n = list(weights), len(weights)\n"
            "    a = out(ws, inputs, skip)\n    bs = [out(ws[:i] + ws[i + 1 :], inputs, skip) for i in range(n)]\n"
            "    return jnp.array([(a * b).sum() / jnp.linalg.norm(a) / jnp.linalg.norm(b) for b in bs])",
            "compare the outputs",
        ),
    ),
)


# Exercise 4: by which power of the depth a branch must shrink, for an activation known only by its name.

_ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 0.5 * np.tanh(z / 2) + 0.5,
    "softplus": lambda z: np.logaddexp(0, z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}
_DEPTHS = [4, 8, 16, 32]


def _growth(phi, weights, inputs, scale, inside=1.0):
    h = inputs
    for weight in weights:
        h = h + scale * phi(inside * h @ weight)
    return (h**2).mean() / (inputs**2).mean()


def _judge_exponent(answer, activation, weights, inputs, depths):
    form = form_of(answer, {"scales": np.zeros(len(depths)), "exponent": 0.0})
    if form:
        return form
    scales, exponent, phi = (
        np.asarray(answer["scales"], float),
        float(answer["exponent"]),
        _ACTIVATIONS[activation],
    )
    if not np.isfinite([*scales, exponent]).all() or (scales <= 0).any():
        return "each scale must be finite and greater than 0"
    networks = [(weights[:depth], inputs, scale) for depth, scale in zip(depths, scales, strict=True)]
    size = (inputs**2).mean()
    with np.errstate(over="ignore", invalid="ignore"):
        growths = np.array([_growth(phi, *network) for network in networks])
        inside = [_growth(phi, *network[:2], 1.0, inside=network[2]) for network in networks]
        last = [
            _growth(phi, weights[-depth:], inputs, scale) for depth, scale in zip(depths, scales, strict=True)
        ]
    near = lambda values, goal: np.allclose(values, goal, rtol=0.01)
    if not near(growths, 2):
        if not (growths < 1e6).all():
            return f"with {activation} your scale lets the signal explode: what does your search do where the growth is inf or NaN?"
        if near(growths, 4):
            return f"with {activation} the mean square grows fourfold: do you double its root instead?"
        if near(inside, 2):
            return f"with {activation} the scale seems to stand inside φ; the branch scale stands before it"
        if near(last, 2):
            return "you take the last matrices: a network of depth L is the first L layers of the deepest one"
        if near(growths * size, 2):
            return "the mean square ends at 2; it must be twice that of the inputs"
        worst = int(np.argmax(np.abs(np.log(growths / 2))))
        return (
            f"with {activation} at depth {depths[worst]} your scale makes the mean square {growths[worst]:.3g} times that of the "
            "inputs; it must be 2 times"
        )
    slope = np.polyfit(np.log(depths), np.log(scales), 1)[0]
    if abs(exponent + slope) < 0.005:
        return None
    if abs(exponent - slope) < 0.005:
        return "the scales are right, and the exponent has the wrong sign: s falls like L to the power of minus the exponent"
    if abs(exponent + 1 / slope) < 0.005:
        return "the scales are right; in the fit the axes are swapped: the depth is the given one"
    return "the scales are right; the exponent is not that of the least-squares line of log s over log L, through all depths"


def _exponent_cases(rng):
    # The inputs' mean square is not 1, so that a growth measured without it shows.
    for activation in ("tanh", "relu", str(rng.choice(["sigmoid", "softplus", "elu"]))):
        weights = rng.normal(0, 1 / 32**0.5, (32, 32, 32)).astype(np.float32)
        yield (
            activation,
            weights,
            rng.normal(0, rng.uniform(1.14, 1.24), (16, 32)).astype(np.float32),
            _DEPTHS,
        )


def _exponent_mistake(
    layer="h = h + s * phi(h @ w)",
    first="weights[:L]",
    growth="(h**2).mean() / (inputs**2).mean()",
    end="-slope",
):
    return (
        "import numpy as np\n"
        "PHI = dict(tanh=np.tanh, relu=lambda z: np.maximum(z, 0), sigmoid=lambda z: 1 / (1 + np.exp(-z)),\n"
        "           softplus=lambda z: np.logaddexp(0, z), elu=lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))))\n"
        "def branch_exponent(activation, weights, inputs, depths):\n"
        "    phi, weights, inputs = PHI[activation], np.asarray(weights, float), np.asarray(inputs, float)\n"
        "    def growth(s, L):\n        h = inputs\n"
        f"        for w in {first}:\n            {layer}\n        return {growth}\n"
        "    scales = []\n    for L in depths:\n        low, high = 0.0, 4.0\n        for _ in range(20):\n"
        "            s = (low + high) / 2\n            low, high = (s, high) if growth(s, L) < 2 else (low, s)\n"
        "        scales.append(s)\n    slope = np.polyfit(np.log(depths), np.log(scales), 1)[0]\n"
        f"    return dict(scales=scales, exponent={end})"
    )


branch_exponent = Exercise(
    id="skip-4",
    name="branch_exponent",
    title="The exponent of an activation",
    level="hard",
    skills=("branch scale", "growth over depth", "search", "power law"),
    hints=(
        "First write a function of the branch scale and the depth that returns the growth. Try it by hand at a few scales.",
        "The growth rises with the scale: halve an interval, such as from 0 to 4, until it is small enough. Twenty halvings will do.",
        "A power law is a straight line in the logarithms of both. `np.polyfit` with degree 1 finds its slope.",
        "Which activation's branch has a mean far from zero, and which has none? Guess the two extreme exponents before you look.",
    ),
    cases=_exponent_cases,
    verdict=_judge_exponent,
    mistakes=(
        Mistake(_exponent_mistake(growth="((h**2).mean() / (inputs**2).mean()) ** 0.5"), "fourfold"),
        Mistake(_exponent_mistake(layer="h = h + phi(s * h @ w)"), "inside"),
        Mistake(_exponent_mistake(first="weights[-L:]"), "the first L layers"),
        Mistake(_exponent_mistake(growth="(h**2).mean()"), "ends at 2"),
        Mistake(_exponent_mistake(end="slope"), "wrong sign"),
        Mistake(
            "def branch_exponent(activation, weights, inputs, depths):\n"
            "    return dict(scales=[L**-0.5 for L in depths], exponent=0.5)",
            "it must be 2 times",
        ),
    ),
)


EXERCISES = (branch_scale_for, path_shares, direction_kept, branch_exponent)
