"""The exercises of chapter 9, all fixes together."""

import itertools
import math

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import equals, number_in

# Exercise 1: what a fix gains alone, and what its absence costs beside all others.


def _alone(accuracy):
    n = accuracy.ndim
    return np.array([accuracy[tuple(np.eye(n, dtype=int)[i])] - accuracy[(0,) * n] for i in range(n)])


def _last(accuracy):
    n = accuracy.ndim
    return np.array([accuracy[(1,) * n] - accuracy[tuple(1 - np.eye(n, dtype=int)[i])] for i in range(n)])


def _means(accuracy):
    return np.array([accuracy.take(1, i).mean() - accuracy.take(0, i).mean() for i in range(accuracy.ndim)])


def _table_cases(rng):
    for n in (5, 3):
        yield (np.float32(rng.uniform(0.1, 0.9, (2,) * n)),)


_AXES = "import jax.numpy as jnp\nimport numpy as np\ndef alone_and_last(accuracy):\n    n = accuracy.ndim\n    e = np.eye(n, dtype=int)\n"

alone_and_last = Exercise(
    id="together-1",
    name="alone_and_last",
    title="Two stories about one table",
    level="easy",
    skills=("ablation", "interaction of fixes"),
    hints=(
        "Which entry of the table is the network without any fix, and which has fix 1 alone?",
        "An array takes a tuple as its index: `accuracy[(0, 1, 0)]`. The rows of `np.eye` are such tuples, nearly.",
        "The second row starts from the network with all fixes, and switches one of them off.",
    ),
    cases=_table_cases,
    verdict=equals(
        lambda accuracy: np.array([_alone(accuracy), _last(accuracy)]),
        {
            "the rows are swapped: gains alone come first": lambda accuracy: np.array(
                [_last(accuracy), _alone(accuracy)]
            ),
            "the second row has the wrong sign: a fix that is missed costs something, and counts as positive": (
                lambda accuracy: np.array([_alone(accuracy), -_last(accuracy)])
            ),
            "the first row has the wrong sign: a fix that helps counts as positive": (
                lambda accuracy: np.array([-_alone(accuracy), _last(accuracy)])
            ),
            "these are main effects, averages over all other fixes; here each number compares two networks only": (
                lambda accuracy: np.array([_means(accuracy)] * 2)
            ),
            "the first row is an average over all other fixes; here it compares two networks only": (
                lambda accuracy: np.array([_means(accuracy), _last(accuracy)])
            ),
            "the second row is an average over all other fixes; here it compares two networks only": (
                lambda accuracy: np.array([_alone(accuracy), _means(accuracy)])
            ),
            "both rows start from the network without fixes; the second starts from the one with all": (
                lambda accuracy: np.array([_alone(accuracy)] * 2)
            ),
            "both rows start from the network with all fixes; the first starts from the one without any": (
                lambda accuracy: np.array([_last(accuracy)] * 2)
            ),
            "your fixes come in the reverse order: the first axis is fix 1": (
                lambda accuracy: np.array([_alone(accuracy), _last(accuracy)])[:, ::-1]
            ),
            "these are accuracies, not differences between two of them": lambda accuracy: np.array(
                [_alone(accuracy) + accuracy.flat[0], accuracy.flat[-1] - _last(accuracy)]
            ),
        },
    ),
    mistakes=(
        Mistake(
            _AXES
            + "    m = [accuracy.take(1, i).mean() - accuracy.take(0, i).mean() for i in range(n)]\n    return jnp.array([m, m])",
            "main effects",
        ),
        Mistake(
            _AXES + "    return jnp.array([[accuracy[tuple(v)] - accuracy[(0,) * n] for v in e],\n"
            "        [accuracy[tuple(1 - v)] - accuracy[(1,) * n] for v in e]])",
            "the second row has the wrong sign",
        ),
        Mistake(
            _AXES + "    return jnp.array([[accuracy[tuple(v)] - accuracy[(0,) * n] for v in e],\n"
            "        [accuracy.take(1, i).mean() - accuracy.take(0, i).mean() for i in range(n)]])",
            "the second row is an average",
        ),
        Mistake(
            _AXES
            + "    return jnp.array([[accuracy[tuple(v)] for v in e], [accuracy[tuple(1 - v)] for v in e]])",
            "these are accuracies",
        ),
    ),
)


# Exercise 2: what Adam makes of a vanished gradient.


def _adam(gradients, rate, beta1=0.9, beta2=0.999, beside=1e-8, under=0.0, corrected=True, root=True):
    """Adam's updates, with what people get wrong as arguments: where ε stands, the correction, the root."""
    mean = square = 0.0
    updates = []
    for step, gradient in enumerate(gradients, 1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        m, v = (mean / (1 - beta1**step), square / (1 - beta2**step)) if corrected else (mean, square)
        updates.append(-rate * m / (((v + under) ** 0.5 if root else v) + beside))
    return np.array(updates)


def _gradient_runs(rng):
    # Healthy gradients, small ones that Adam restores, and vanished ones beside which ε is no longer small.
    for size in (1.0, 1e-5, 1e-9):
        gradients = size * rng.uniform(0.3, 2, 8) * np.array([1, 1, -1, 1, -1, 1, 1, -1])
        yield np.asarray(gradients, np.float32).astype(float), round(float(rng.uniform(0.01, 0.1)), 3)


_ADAM = """\
def adam_updates(gradients, rate):
    m = v = 0.0
    updates = []
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        updates.append(-rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8))
    return updates
"""

adam_updates = Exercise(
    id="together-2",
    name="adam_updates",
    title="What Adam sees of a vanished gradient",
    level="medium",
    skills=("Adam", "scale of a gradient", "rounding and ε"),
    hints=(
        "Adam keeps two running averages: of the gradient, and of its square. Which of them decides the direction?",
        "Both averages start at 0, so the first ones are too small. Divide each by 1 − βᵗ at step t = 1, 2, …",
        "The update is −η times the first average over the root of the second. ε keeps that from being 0 over 0.",
    ),
    cases=_gradient_runs,
    verdict=equals(
        _adam,
        {
            "this walks uphill: an update goes against the gradient": lambda g, rate: -_adam(g, rate),
            "both averages start at 0, and that makes the first ones too small: what corrects them?": (
                lambda g, rate: _adam(g, rate, corrected=False)
            ),
            "this follows the latest gradient alone: where is the average of the past ones?": lambda g, rate: (
                _adam(g, rate, beta1=0.0)
            ),
            "you divide by the average square: a size is its root": lambda g, rate: _adam(
                g, rate, root=False
            ),
            "with tiny gradients ε decides: it stands beside the root, not under it": lambda g, rate: _adam(
                g, rate, beside=0.0, under=1e-8
            ),
            "with tiny gradients ε decides: you seem to have left it out": lambda g, rate: _adam(
                g, rate, beside=0.0
            ),
            "the two β are swapped": lambda g, rate: _adam(g, rate, beta1=0.999, beta2=0.9),
        },
        rtol=2e-3,
        atol=0,
    ),
    mistakes=(
        Mistake(_ADAM.replace("-rate", "rate"), "uphill"),
        Mistake(
            _ADAM.replace("(m / (1 - 0.9**t))", "m").replace("(v / (1 - 0.999**t))", "v"),
            "what corrects them",
        ),
        Mistake(_ADAM.replace("(m / (1 - 0.9**t))", "g"), "average of the past"),
        Mistake(_ADAM.replace("** 0.5 +", "+"), "a size is its root"),
        Mistake(_ADAM.replace(" ** 0.5 + 1e-8)", " + 1e-8) ** 0.5"), "not under it"),
        Mistake(_ADAM.replace(" + 1e-8", ""), "left it out"),
        Mistake(
            _ADAM.replace("0.999", "B")
            .replace("0.9", "0.999")
            .replace("B", "0.9")
            .replace("0.1 * g", "0.001 * g")
            .replace("0.001 * g**2", "0.1 * g**2"),
            "swapped",
        ),
    ),
)


# Exercise 3: how much the best of several learning rates flatters a fix that does nothing.

_LINE = np.linspace(-9, 9, 20_001)
_DENSITY = np.exp(-(_LINE**2) / 2) / math.sqrt(2 * math.pi)


def _largest(count, power=1):
    """The mean of the largest of some standard normal numbers, or of its power."""
    below = np.cumsum(_DENSITY) * (_LINE[1] - _LINE[0])
    return float((_LINE**power * count * below ** (count - 1) * _DENSITY).sum() * (_LINE[1] - _LINE[0]))


def _largest_size(count):
    """The mean of the largest absolute value of some standard normal numbers."""
    step, positive = _LINE[1] - _LINE[0], _LINE >= 0
    below = np.cumsum(2 * _DENSITY[positive]) * step
    return float((_LINE[positive] * count * below ** (count - 1) * 2 * _DENSITY[positive]).sum() * step)


def _judge_bonus(answer, noise, rates, seeds):
    wrong = number_in(answer)
    if wrong:
        return wrong
    of_mean = noise / seeds**0.5
    right = of_mean * _largest(rates)
    near = lambda number, share=0.03: abs(answer - number) < share * abs(number)
    if near(right):
        return None
    spread = of_mean * math.sqrt(_largest(rates, 2) - _largest(rates) ** 2)
    median = {3: 0.66983, 5: 0.53557}[seeds]
    for told, number in (
        ("noise does average out in one mean; here you take the largest of several", 0.0),
        (
            "this is the bonus for single runs: what does a mean over seeds do to the noise?",
            noise * _largest(rates),
        ),
        ("the noise of a mean falls with the root of the number of seeds", noise / seeds * _largest(rates)),
        (
            "this takes the best of all single runs; first comes a mean over seeds",
            noise * _largest(rates * seeds),
        ),
        (
            "this is the largest of as many tries as there are seeds: look again which of the two numbers is which",
            of_mean * _largest(seeds),
        ),
        ("rates and seeds are swapped", noise / rates**0.5 * _largest(seeds)),
        ("this is how much the bonus spreads, not its mean", spread),
        (
            "this is the largest size, with the sign left out; an accuracy can also come out too low",
            of_mean * _largest_size(rates),
        ),
        (
            "this formula holds for very many tries; here they are few",
            of_mean * math.sqrt(2 * math.log(rates)),
        ),
        ("this takes a median over seeds; here it is the mean", noise * median * _largest(rates)),
        ("this is the noise of one mean: what does picking the best of several add up to?", of_mean),
    ):
        if abs(answer) < 0.02 * right if number == 0 else near(number):
            return told
    side = "large" if answer > right else "small"
    if near(right, 0.1):
        return f"this is near, and a little too {side}: if you draw at random, draw more often"
    return f"this is too {side} a bonus"


def _bonus_cases(rng):
    # Six rates and five seeds tell all wrong formulas apart.
    for rates, seeds in ((6, 5), (3, 3), (8, 3)):
        yield round(float(rng.uniform(0.02, 0.09)), 4), rates, seeds


def _bonus_mistake(bonus):
    return (
        "import numpy as np\ndef winners_bonus(noise, rates, seeds):\n"
        f"    runs = noise * np.random.default_rng(0).standard_normal((40_000, rates, seeds))\n    return float({bonus})"
    )


winners_bonus = Exercise(
    id="together-3",
    name="winners_bonus",
    title="The winner's bonus",
    level="medium",
    skills=("fair comparison", "best of several learning rates", "noise between seeds"),
    hints=(
        "Play the comparison with random numbers: a table of runs, one row a learning rate, one column a seed.",
        "Which comes first: the mean over the seeds, or the best of the rates?",
        "One table gives one bonus, and it is noisy. Draw 100,000 tables at once as one array with three axes.",
    ),
    cases=_bonus_cases,
    verdict=_judge_bonus,
    mistakes=(
        Mistake(_bonus_mistake("runs.mean()"), "average out"),
        Mistake(_bonus_mistake("runs[:, :, 0].max(1).mean()"), "what does a mean over seeds do"),
        Mistake(_bonus_mistake("runs.max((1, 2)).mean()"), "best of all single runs"),
        Mistake(_bonus_mistake("runs.mean(2).max(1).std()"), "spreads"),
        Mistake(_bonus_mistake("abs(runs.mean(2)).max(1).mean()"), "sign left out"),
        Mistake(_bonus_mistake("np.median(runs, 2).max(1).mean()"), "median over seeds"),
        Mistake(
            "def winners_bonus(noise, rates, seeds):\n    return noise / seeds**0.5 * (2 * __import__('math').log(rates)) ** 0.5",
            "very many",
        ),
    ),
)


# Exercise 4: a factorial experiment on the gradient, before any training.

_BROKEN, _CURED = 3.0, 2**0.5


def _gradient(weights, inputs, signal, scale, norm, skip, axis=0, through=True, inner=False, ddof=0):
    """∂loss/∂x by hand. The last four arguments make mistakes."""
    h, kept = inputs, []
    for weight in weights:
        z = scale * h @ weight
        deviation = np.sqrt(z.var(axis, keepdims=True, ddof=ddof) + 1e-5)
        y = (z - z.mean(axis, keepdims=True)) / deviation if norm else z
        on = (y + skip * h if inner else y) > 0
        kept.append((weight, y, deviation, on))
        h = np.where(on, y + skip * h, 0) if inner else skip * h + np.where(on, y, 0)
    g = signal
    for weight, y, deviation, on in kept[::-1]:
        branch = g * on
        around = branch if inner else g
        if norm and through:
            branch = branch - branch.mean(axis, keepdims=True) - y * (branch * y).mean(axis, keepdims=True)
        g = skip * around + scale * (branch / deviation if norm else branch) @ weight.T
    return g


def _decades(weights, inputs, signal, **mistakes):
    ratio = [
        np.linalg.norm(_gradient(weights, inputs, signal, *switches, **mistakes)) / np.linalg.norm(signal)
        for switches in itertools.product((_BROKEN, _CURED), (False, True), (0.0, 1.0))
    ]
    return np.log10(ratio).reshape(2, 2, 2)


_PAIRS = ((0, 1), (0, 2), (1, 2))
_SIGNS = np.indices((2, 2, 2)) * 2 - 1


def _effects(table, half=1.0):
    main = [(sign * table).mean() * 2 for sign in _SIGNS]
    return {
        "decades": table,
        "main": np.array(main),
        "pairs": np.array([(_SIGNS[a] * _SIGNS[b] * table).mean() * 2 / half for a, b in _PAIRS]),
    }


def _one_at_a_time(table):
    """Each effect where the other fixes are off, not averaged over them."""
    alone = np.array([table[1, 0, 0], table[0, 1, 0], table[0, 0, 1]]) - table[0, 0, 0]
    pairs = np.array([table[1, 1, 0], table[1, 0, 1], table[0, 1, 1]]) - table[0, 0, 0]
    return {"decades": table, "main": alone, "pairs": (pairs - [alone[a] + alone[b] for a, b in _PAIRS]) / 2}


_with = lambda **mistakes: lambda *case: _effects(_decades(*case, **mistakes))
_then = lambda change: lambda *case: _effects(change(_decades(*case)))


def _experiment_cases(rng):
    for _ in range(2):
        weights = np.float32(rng.normal(0, 1 / 16**0.5, (6, 16, 16)))
        yield weights, np.float32(rng.normal(0, 1, (8, 16))), np.float32(rng.normal(0, 1, (8, 16)))


def _experiment_mistake(
    axis=0,
    out="skip * h + jax.nn.relu(z)",
    log="jnp.log10",
    hold="{}",
    ratio="norm(g) / norm(signal)",
    half=2,
    main=None,
):
    main = main or "(effect(table, i) for i in range(3))"
    return (
        "from itertools import product\nimport jax\nimport jax.numpy as jnp\nnorm = jnp.linalg.norm\n"
        "def network(h, weights, scale, on, skip):\n    for w in weights:\n        z = scale * h @ w\n"
        f"        m, v = {hold.format(f'(z.mean({axis}, keepdims=True), z.var({axis}, keepdims=True))')}\n"
        f"        z = jnp.where(on, (z - m) / jnp.sqrt(v + 1e-5), z)\n        h = {out}\n    return h\n"
        "back = jax.jit(lambda h, g, *rest: jax.vjp(lambda h: network(h, *rest), h)[1](g)[0])\n"
        "def gradient_effects(weights, inputs, signal):\n    def decades(*setting):\n"
        f"        g = back(inputs, signal, weights, *setting)\n        return {log}({ratio})\n"
        "    table = jnp.array([decades(*s) for s in product((3.0, 2**0.5), (False, True), (0.0, 1.0))]).reshape(2, 2, 2)\n"
        "    effect = lambda t, i: (t.take(1, i) - t.take(0, i)).mean()\n"
        f"    pair = lambda i, j: (effect(table.take(1, j), i) - effect(table.take(0, j), i)) / {half}\n"
        f"    return dict(decades=table, main=jnp.array(list({main})), pairs=jnp.array([pair(0, 1), pair(0, 2), pair(1, 2)]))"
    )


gradient_effects = Exercise(
    id="together-4",
    name="gradient_effects",
    title="A factorial experiment on the gradient",
    level="hard",
    skills=("main effect and interaction", "backward signal", "batch normalization", "residual layer"),
    hints=(
        "Write one network with three arguments: scale, norm, skip. `jax.vjp(network, inputs)` gives a function that takes ∂loss/∂h "
        "at its end back to its start.",
        "`itertools.product` of three pairs gives the eight settings in the order of the table's axes.",
        "A main effect is a mean with the fix minus a mean without. Slicing with `take(1, axis)` leaves the other axes to average over.",
        "An interaction is half the difference between an effect with the other fix and without it. Compute it as a main effect "
        "in two halves of the table.",
    ),
    cases=_experiment_cases,
    verdict=equals(
        _with(),
        {
            "your statistics go over the units of a sample; batch normalization takes them over the batch": _with(
                axis=-1
            ),
            "your variance divides by one sample less: batch normalization takes the plain mean of squares": _with(
                ddof=1
            ),
            "your gradient does not pass through the batch's mean and variance: they depend on the inputs too": _with(
                through=False
            ),
            "the skip must go around the activation, not into it": _with(inner=True),
            "a decade is a factor of ten: which logarithm is that?": _then(lambda table: table * np.log(10)),
            "these are decades of squared norms": _then(lambda table: 2 * table),
            "your ratio is upside down: it says how the signal grows on its way to the inputs": _then(
                lambda table: -table
            ),
            "these are ratios, not their logarithms": _then(lambda table: 10**table),
            "the axes are in another order: init, norm, skip": _then(lambda table: table.swapaxes(1, 2)),
            "the first axis goes from the broken scale to the cured one": _then(lambda table: table[::-1]),
            "the table is right; an interaction is half of the difference of two effects": (
                lambda *case: _effects(_decades(*case), half=0.5)
            ),
            "the table is right; a main effect averages over the other fixes, with them off and on": (
                lambda *case: _effects(_decades(*case)) | {"main": _one_at_a_time(_decades(*case))["main"]}
            ),
            "the table is right; an effect averages over the other fixes, with them off and on": (
                lambda *case: _one_at_a_time(_decades(*case))
            ),
            "the table is right; an interaction of two fixes averages over the third": (
                lambda *case: _effects(_decades(*case)) | {"pairs": _one_at_a_time(_decades(*case))["pairs"]}
            ),
        },
        atol=0.01,
    ),
    mistakes=(
        Mistake(_experiment_mistake(axis=-1), "over the units"),
        Mistake(_experiment_mistake(hold="jax.lax.stop_gradient({})"), "does not pass through"),
        Mistake(_experiment_mistake(out="jax.nn.relu(z + skip * h)"), "around the activation"),
        Mistake(_experiment_mistake(log="jnp.log"), "which logarithm"),
        Mistake(_experiment_mistake(ratio="(g**2).sum() / (signal**2).sum()"), "squared norms"),
        Mistake(_experiment_mistake(half=1), "half of the difference"),
        Mistake(
            _experiment_mistake(
                main="(table[1, 0, 0] - table[0, 0, 0], table[0, 1, 0] - table[0, 0, 0], table[0, 0, 1] - table[0, 0, 0])"
            ),
            "a main effect averages",
        ),
    ),
)


EXERCISES = (alone_and_last, adam_updates, winners_bonus, gradient_effects)
