"""The exercises of chapter 6, batch normalization."""

import math

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import by_key, equals

# 1. How long a running average remembers its start.


def _unrounded(momentum, share):
    return math.log(share) / math.log(1 - momentum)


_WRONG_STEPS = {
    "a number of steps is whole": _unrounded,
    "one step too few: what is left is still above the share": lambda m, share: math.floor(
        _unrounded(m, share)
    ),
    "one step too many: the first step that reaches the share is asked for": lambda m, share: (
        math.ceil(_unrounded(m, share)) + 1
    ),
    "each step takes a share of what is left, not of the start": lambda m, share: math.ceil((1 - share) / m),
    "m is the batch's share: what does the average keep?": lambda m, share: math.ceil(
        math.log(share) / math.log(m)
    ),
    "exp(−m) is only about 1 − m": lambda m, share: math.ceil(-math.log(share) / m),
    "this is when the start still has all but the share: it shall be down to it": lambda m, share: math.ceil(
        math.log(1 - share) / math.log(1 - m)
    ),
}


def _averages_to_trust(rng):
    # In the first case each wrong formula gives another number. None is close to a whole one.
    found = 0
    while found < 3:
        case = round(float(rng.uniform(0.06, 0.3)), 3), round(float(rng.uniform(0.01, 0.1)), 3)
        given = [math.ceil(_unrounded(*case)), *[wrong(*case) for wrong in _WRONG_STEPS.values()]]
        if 0.1 < _unrounded(*case) % 1 < 0.9 and len(set(given)) == len(given):
            found += 1
            yield case


steps_to_trust = Exercise(
    id="normalization-1",
    name="steps_to_trust",
    title="When to trust the averages",
    level="easy",
    skills=("running statistics", "evaluation mode"),
    hints=(
        "By which factor does one step shrink what is left of the start?",
        "After n steps that factor has been applied n times. Take logarithms to find n.",
        "Steps are whole: the last fraction of a step takes a whole one.",
    ),
    cases=_averages_to_trust,
    verdict=equals(lambda *case: math.ceil(_unrounded(*case)), _WRONG_STEPS, rtol=0, atol=1e-4),
    mistakes=(
        Mistake(
            "import math\ndef steps_to_trust(m, share):\n    return math.ceil((1 - share) / m)",
            "not of the start",
        ),
        Mistake(
            "import math\ndef steps_to_trust(m, share):\n    return int(math.log(share) / math.log(1 - m))",
            "one step too few",
        ),
        Mistake(
            "import math\ndef steps_to_trust(m, share):\n    return math.ceil(math.log(share) / math.log(m))",
            "what does the average keep",
        ),
        Mistake(
            "import math\ndef steps_to_trust(m, share):\n    return math.ceil(-math.log(share) / m)",
            "only about",
        ),
        Mistake(
            "import math\ndef steps_to_trust(m, share):\n    return math.log(share) / math.log(1 - m)",
            "steps is whole",
        ),
    ),
)

# 2. Weights that lengthen until their steps suit them.


def _rates(length, rate, gradient, steps, *, grow=None, read=None, late=False):
    """Effective rates before each step. The keywords replace a part by a wrong one."""
    grow = grow or (lambda r: math.hypot(r, rate * gradient / r))
    read = read or (lambda r: rate / r**2)
    lengths = [length]
    for _ in range(steps):
        lengths.append(grow(lengths[-1]))
    return np.array([read(r) for r in (lengths[1:] if late else lengths[:-1])])


def _wrong_growth(grow):
    return lambda length, rate, gradient, steps: _rates(
        length, rate, gradient, steps, grow=lambda r: grow(r, rate * gradient)
    )


def _starts(rng):
    for low, high in ((0.3, 0.6), (0.05, 0.1), (1.5, 3)):
        yield (
            round(float(rng.uniform(low, high)), 3),
            round(float(rng.uniform(0.3, 0.6)), 3),
            round(float(rng.uniform(0.6, 0.9)), 3),
            6,
        )


_RATES = """def effective_rates(length, rate, gradient, steps):
    found = []
    for _ in range(steps):
        {first}
        {then}
    return found
"""
_APPEND, _GROW = (
    "found.append(rate / length**2)",
    "length = (length**2 + (rate * gradient / length) ** 2) ** 0.5",
)

effective_rates = Exercise(
    id="normalization-2",
    name="effective_rates",
    title="A rate that tunes itself",
    level="medium",
    skills=("scale invariance", "effective learning rate"),
    hints=(
        "Weights twice as long have a gradient half as large. How long is the step, then?",
        "The step is at right angles to the weights. Draw the triangle: old weights, step, new weights.",
        "Write down η over the squared length, take the step, and repeat.",
    ),
    cases=_starts,
    verdict=equals(
        _rates,
        {
            "the gradient is g at length one: longer weights have a smaller one": _wrong_growth(
                lambda r, step: math.hypot(r, step)
            ),
            "the step is at right angles to the weights: lengths add as in a triangle": _wrong_growth(
                lambda r, step: r + step / r
            ),
            "the step cannot shorten the weights: it is at right angles to them": _wrong_growth(
                lambda r, step: r - step / r
            ),
            "the gradient shrinks with the length, not with its square": _wrong_growth(
                lambda r, step: math.hypot(r, step / r**2)
            ),
            "a rate relative to the weights counts the length twice: the step shrinks, and it moves longer weights": (
                lambda length, rate, gradient, steps: _rates(
                    length, rate, gradient, steps, read=lambda r: rate / r
                )
            ),
            "these are the rates after each step: begin with the one before the first": lambda *case: _rates(
                *case, late=True
            ),
            "these are the weights' lengths": lambda *case: _rates(*case, read=lambda r: r),
        },
        rtol=2e-3,
        atol=0,
    ),
    mistakes=(
        Mistake(
            _RATES.format(first=_APPEND, then="length = (length**2 + (rate * gradient) ** 2) ** 0.5"),
            "longer weights have a smaller one",
        ),
        Mistake(
            _RATES.format(first=_APPEND, then="length = length + rate * gradient / length"),
            "as in a triangle",
        ),
        Mistake(_RATES.format(first="found.append(rate / length)", then=_GROW), "counts the length twice"),
        Mistake(_RATES.format(first=_GROW, then=_APPEND), "before the first"),
        Mistake(
            _RATES.format(
                first=_APPEND, then="length = (length**2 + (rate * gradient / length**2) ** 2) ** 0.5"
            ),
            "not with its square",
        ),
    ),
)

# 3. Statistics of all images from those of the batches.


def _whole_set(means, variances):
    return {"mean": means.mean(0), "variance": variances.mean(0) + means.var(0)}


def _batches_of_a_class(rng):
    for batches in (5, 10, 3):
        yield rng.normal(0.5, 1.5, (batches, 4)), rng.uniform(0.2, 1, (batches, 4))


_WHOLE = "def whole_set(means, variances):\n    return {{'mean': means.mean({axis}), 'variance': {variance}}}"

whole_set = Exercise(
    id="normalization-3",
    name="whole_set",
    title="What the averages forget",
    level="medium",
    skills=("running statistics", "variance within and between batches"),
    hints=(
        "Think of batches in which all images are the same, but each batch has another image. What is each batch's variance?",
        "Images differ within a batch, and batches differ from each other. The code counts one of the two.",
        "The variance is E[z²] − E[z]². Which E[z²] does each batch have?",
    ),
    cases=_batches_of_a_class,
    verdict=by_key(
        _whole_set,
        {
            "mean": {
                "this averages over the units: each unit has a mean of its own": lambda means, variances: (
                    means.mean(1)
                )
            },
            "variance": {
                "this is the old answer: it knows how images differ within a batch only": lambda means, variances: (
                    variances.mean(0)
                ),
                "this knows how the batches differ, and forgets how images differ within one": lambda means, variances: (
                    means.var(0)
                ),
                "this is E[z²]: the square of the overall mean is still in it": lambda means, variances: (
                    variances + means**2
                ).mean(0),
                "variances add, standard deviations do not": lambda means, variances: (
                    variances.mean(0) + means.std(0)
                ),
                "these batches are all there are: divide by their number, not by one less": lambda means, variances: (
                    variances.mean(0) + means.var(0, ddof=1)
                ),
                "each batch's share is one over their number: you add the variances up": lambda means, variances: (
                    variances.sum(0) + means.var(0)
                ),
                "this is the deviation: the variance is asked for": lambda *case: np.sqrt(
                    _whole_set(*case)["variance"]
                ),
            },
        },
    ),
    mistakes=(
        Mistake(_WHOLE.format(axis=0, variance="variances.mean(0)"), "the old answer"),
        Mistake(_WHOLE.format(axis=0, variance="means.var(0)"), "forgets how images differ"),
        Mistake(
            _WHOLE.format(axis=0, variance="variances.mean(0) + means.std(0)"), "standard deviations do not"
        ),
        Mistake(
            _WHOLE.format(axis=0, variance="variances.mean(0) + means.var(0, ddof=1)"), "not by one less"
        ),
        Mistake(_WHOLE.format(axis=0, variance="(variances + means**2).mean(0)"), "still in it"),
    ),
)

# 4. Backward through a batch-norm layer of which only the output was kept.


def _parts(outputs, upstream, gain, shift, deviation, slope):
    """Of the right answer: the normalized signal, and the gradients with respect to what the activation sees and to it."""
    flat = np.where(outputs > 0, 1, slope)
    unit = (outputs / flat - shift) / gain
    return unit, upstream * flat, upstream * flat * gain


def _from_output(outputs, upstream, gain, shift, deviation, slope):
    unit, before, normalized = _parts(outputs, upstream, gain, shift, deviation, slope)
    left = normalized - normalized.mean(0) - unit * (normalized * unit).mean(0)
    return {"shift": before.sum(0), "gain": (before * unit).sum(0), "z": left / deviation}


def _kept_outputs(rng):
    for batch in (8, 8, 16):
        z = rng.standard_normal((batch, 5)) * rng.uniform(0.5, 3, 5) + rng.standard_normal(5)
        gain, shift = rng.choice([-1, 1], 5) * rng.uniform(0.5, 1.5, 5), 0.5 * rng.standard_normal(5)
        gain[:2] = -abs(gain[0]), abs(gain[1])
        deviation, slope = np.sqrt(z.var(0) + 1e-5), round(float(rng.uniform(0.2, 0.4)), 2)
        y = gain * (z - z.mean(0)) / deviation + shift
        yield np.where(y > 0, y, slope * y), rng.standard_normal((batch, 5)), gain, shift, deviation, slope


def _of_parts(formula):
    def wrong(outputs, upstream, gain, shift, deviation, slope):
        unit, before, normalized = _parts(outputs, upstream, gain, shift, deviation, slope)
        return formula(
            dict(
                h=outputs, g=upstream, s=shift, sd=deviation, x=unit, b=before, n=normalized, a=slope, c=gain
            )
        )

    return wrong


def _projected(g, unit):
    return g - g.mean(0) - unit * (g * unit).mean(0)


_WRONG_BACKWARD = {
    "shift": {
        "the gradient must first go back through the activation": _of_parts(lambda p: p["g"].sum(0)),
        "the loss is a mean already: the shift collects the sum over the batch": _of_parts(
            lambda p: p["b"].mean(0)
        ),
        "the shift is added after the gain: the gain has no part in its gradient": _of_parts(
            lambda p: p["n"].sum(0)
        ),
        "one shift serves the whole batch: sum over the images": _of_parts(lambda p: p["b"]),
    },
    "gain": {
        "the gain multiplies the normalized signal, not the output": _of_parts(
            lambda p: (p["b"] * p["h"]).sum(0)
        ),
        "undo the activation before you undo gain and shift": _of_parts(
            lambda p: (p["b"] * (p["h"] - p["s"]) / p["c"]).sum(0)
        ),
        "you undid the gain before the shift: what was done last must be undone first": _of_parts(
            lambda p: (p["b"] * (p["x"] + p["s"] / p["c"] - p["s"])).sum(0)
        ),
        "the shift is still in the signal that you multiply with": _of_parts(
            lambda p: (p["b"] * (p["x"] + p["s"] / p["c"])).sum(0)
        ),
        "this multiplies with what the activation saw: the gain's factor is the normalized signal": _of_parts(
            lambda p: (p["b"] * (p["x"] * p["c"] + p["s"])).sum(0)
        ),
        "the loss is a mean already: the gain collects the sum over the batch": _of_parts(
            lambda p: (p["b"] * p["x"]).mean(0)
        ),
    },
    "z": {
        "mean and deviation depend on z too: which two directions can no gradient have?": _of_parts(
            lambda p: p["n"] / p["sd"]
        ),
        "the mean is gone, and the part along the normalized signal is still there": _of_parts(
            lambda p: (p["n"] - p["n"].mean(0)) / p["sd"]
        ),
        "the part along the normalized signal is gone, and the mean is still there": _of_parts(
            lambda p: (p["n"] - p["x"] * (p["n"] * p["x"]).mean(0)) / p["sd"]
        ),
        "on the way back the gain multiplies as well": _of_parts(
            lambda p: _projected(p["b"], p["x"]) / p["sd"]
        ),
        "on the way back the deviation divides as well": _of_parts(lambda p: _projected(p["n"], p["x"])),
        "the division is by the deviation, not by the variance": _of_parts(
            lambda p: _projected(p["n"], p["x"]) / p["sd"] ** 2
        ),
    },
}

_BACKWARD = """import numpy as np
def backward_from_output(*given):
    outputs, upstream, gain, shift, deviation, slope = map(np.asarray, given)
    flat = np.where(outputs > 0, 1, slope)
    unit = {unit}
    g = {g}
    n = {n}
    left = {left}
    return dict(shift=g.sum(0), gain=(g * unit).sum(0), z={z})
"""
_GOOD = dict(
    unit="(outputs / flat - shift) / gain",
    g="upstream * flat",
    n="g * gain",
    left="n - n.mean(0) - unit * (n * unit).mean(0)",
    z="left / deviation",
)


def _misstep(told, **wrong):
    return Mistake(_BACKWARD.format(**_GOOD | wrong), told)


backward_from_output = Exercise(
    id="normalization-4",
    name="backward_from_output",
    title="Backward from the output alone",
    level="hard",
    skills=("backward pass of batch norm", "gradients of gain and shift", "memory of backpropagation"),
    hints=(
        "A leaky ReLU keeps the sign, so the output alone tells on which side each unit was. Then gain and shift can be undone.",
        "Write the forward pass as three steps: ẑ, y = γ ẑ + β, h = leaky(y). Pull the gradient back through them in turn.",
        "Gain and shift serve every image of the batch, so their gradients are sums over it.",
        "From ∂loss/∂ẑ on, the chapter's first section has the rule: cut two directions out, then divide.",
    ),
    cases=_kept_outputs,
    verdict=by_key(_from_output, _WRONG_BACKWARD, rtol=2e-3, atol=2e-5),
    mistakes=(
        _misstep("back through the activation", g="upstream"),
        _misstep("not the output", unit="outputs"),
        _misstep("undo the activation before", unit="(outputs - shift) / gain"),
        _misstep("must be undone first", unit="outputs / flat / gain - shift"),
        _misstep("which two directions", left="n"),
        _misstep("and the part along", left="n - n.mean(0)"),
        _misstep("gain multiplies as well", n="g"),
        _misstep("not by the variance", z="left / deviation**2"),
    ),
)

EXERCISES = (steps_to_trust, effective_rates, whole_set, backward_from_output)
