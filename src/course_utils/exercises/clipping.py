"""The exercises of chapter 8, gradient clipping."""

import numpy as np

from .exercise import Exercise, Mistake
from .verdicts import equals, first_of, form_of

# Exercise 1: by how many degrees clipping by value turns a gradient.


def _turned(gradient, clipped):
    cosine = gradient @ clipped / np.linalg.norm(gradient) / np.linalg.norm(clipped)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _turn(gradient, cap):
    return _turned(gradient, np.clip(gradient, -cap, cap))


def _turn_cases(rng):
    # A few entries, of both signs, stand far above the cap, so that each wrong formula shows.
    for share in (0.3, 0.1, 0.02):
        gradient = rng.normal(0, 1, 40) * np.where(np.arange(40) < 6, 8, 1)
        gradient[:2] = rng.uniform(20, 25), -rng.uniform(14, 18)
        yield np.float32(gradient), float(np.float32(share * np.abs(gradient).max()))


turn_by_value = Exercise(
    id="clipping-1",
    name="turn_by_value",
    title="By how many degrees?",
    level="easy",
    skills=("clipping by value", "direction of a gradient"),
    hints=(
        "Clip each entry into the range from −c to c first: entries have both signs.",
        "The cosine is the inner product of both vectors over the product of their lengths.",
        "Which function takes a cosine back to its angle, and in which unit does it answer?",
    ),
    cases=_turn_cases,
    verdict=equals(
        _turn,
        {
            "this is the cosine; the angle is asked for": lambda g, c: np.cos(np.radians(_turn(g, c))),
            "this angle is in radians": lambda g, c: np.radians(_turn(g, c)),
            "only entries above +c are clipped: what about those below −c?": lambda g, c: _turned(
                g, np.minimum(g, c)
            ),
            "no turn at all: that is clipping by global norm, which shortens every entry by one factor": lambda g, c: (
                0.0
            ),
            "large entries are thrown away, not capped": lambda g, c: _turned(
                g, np.where(np.abs(g) > c, 0, g)
            ),
            "you clip the absolute values: the signs are lost": lambda g, c: _turned(
                g, np.minimum(np.abs(g), c)
            ),
            "the inner product must be divided by both lengths; one of them is the clipped gradient's": (
                lambda g, c: np.degrees(np.arccos(np.clip(g @ np.clip(g, -c, c) / (g @ g), -1, 1)))
            ),
        },
        atol=0.1,
    ),
    mistakes=(
        Mistake(
            "import jax.numpy as jnp\ndef turn_by_value(gradient, cap):\n    c = jnp.clip(gradient, -cap, cap)\n"
            "    return gradient @ c / jnp.linalg.norm(gradient) / jnp.linalg.norm(c)",
            "this is the cosine",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef turn_by_value(gradient, cap):\n    c = jnp.clip(gradient, -cap, cap)\n"
            "    return jnp.arccos(gradient @ c / jnp.linalg.norm(gradient) / jnp.linalg.norm(c))",
            "radians",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef turn_by_value(gradient, cap):\n    c = jnp.minimum(gradient, cap)\n"
            "    return jnp.degrees(jnp.arccos(gradient @ c / jnp.linalg.norm(gradient) / jnp.linalg.norm(c)))",
            "only entries above",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef turn_by_value(gradient, cap):\n"
            "    c = gradient * jnp.minimum(1, cap / jnp.linalg.norm(gradient))\n"
            "    cosine = gradient @ c / jnp.linalg.norm(gradient) / jnp.linalg.norm(c)\n"
            "    return jnp.degrees(jnp.arccos(jnp.clip(cosine, -1, 1)))",
            "one factor",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef turn_by_value(gradient, cap):\n    c = jnp.clip(gradient, -cap, cap)\n"
            "    return jnp.degrees(jnp.arccos(gradient @ c / jnp.linalg.norm(gradient) ** 2))",
            "both lengths",
        ),
    ),
)


# Exercise 2: where clipped descent ends on a parabola.


def _jump(curvature, rate, threshold):
    return rate * threshold if rate * curvature > 2 else 0.0


def _jump_cases(rng):
    # Rate times curvature stays away from 1 and from 2, and the threshold from 1.
    for low, high in ((2.5, 6), (0.3, 0.8), (1.2, 1.8), (6, 12)):
        rate = round(float(rng.uniform(0.05, 0.4)), 3)
        yield (
            round(float(rng.uniform(low, high)) / rate, 3),
            rate,
            round(float(rng.choice([0.5, 2.0, 3.0]) * rng.uniform(0.9, 1.1)), 3),
        )


def _only_where_unstable(number):
    """What a formula for the endless jump gives, 0 where the descent settles."""
    return lambda curvature, rate, threshold: (
        number(curvature, rate, threshold) if rate * curvature > 2 else 0.0
    )


last_jump = Exercise(
    id="clipping-2",
    name="last_jump",
    title="Clipped, but not calm",
    level="medium",
    skills=("clipping threshold", "learning rate", "stability of descent"),
    hints=(
        "Try it first: fifty steps of clipped descent in a loop, for one rate that is small and one that is far too large.",
        "Near the minimum nothing is clipped. There a step multiplies x by 1 − ηk: for which ηk does that shrink?",
        "Where unclipped descent would leave the minimum, it soon reaches the clipped region on either side. How long is every step there?",
    ),
    cases=_jump_cases,
    verdict=equals(
        _jump,
        {
            "unclipped descent would fly off; how far can a clipped step go?": _only_where_unstable(
                lambda *_: np.inf
            ),
            "this point is right where descent settles; a rate that is too large keeps it moving": lambda *_: (
                0.0
            ),
            "a step is the rate times a gradient: where is the rate?": _only_where_unstable(
                lambda k, rate, c: c
            ),
            "that is the distance to the minimum; two successive points lie on opposite sides of it": (
                _only_where_unstable(lambda k, rate, c: rate * c / 2)
            ),
            "that is where clipping begins, not how far a step goes": _only_where_unstable(
                lambda k, rate, c: c / k
            ),
            "that is the width of the region without clipping; a clipped step is rate times threshold": (
                _only_where_unstable(lambda k, rate, c: 2 * c / k)
            ),
            "here the descent settles; it overshoots each time, and still comes nearer": (
                lambda k, rate, c: rate * c if rate * k > 1 else 0.0
            ),
            "here the descent settles in the end: does your rule ask for rate times curvature, or does your loop need more steps?": (
                lambda k, rate, c: rate * c
            ),
        },
        atol=1e-4,
    ),
    mistakes=(
        Mistake("def last_jump(curvature, rate, threshold):\n    return 0.0", "keeps it moving"),
        Mistake(
            "def last_jump(curvature, rate, threshold):\n    return rate * threshold",
            "settles in the end",
        ),
        Mistake(
            "def last_jump(curvature, rate, threshold):\n    return rate * threshold if rate * curvature > 1 else 0.0",
            "overshoots",
        ),
        Mistake(
            "def last_jump(curvature, rate, threshold):\n    return float('inf') if rate * curvature > 2 else 0.0",
            "fly off",
        ),
        Mistake(
            "def last_jump(curvature, rate, threshold):\n    return rate * threshold / 2 if rate * curvature > 2 else 0.0",
            "opposite sides",
        ),
        Mistake(
            "def last_jump(curvature, rate, threshold):\n    return threshold if rate * curvature > 2 else 0.0",
            "where is the rate",
        ),
    ),
)


# Exercise 3: clipping by global norm that survives overflow, zero and NaN.


def _clip(gradients, threshold):
    if not all(np.isfinite(g).all() for g in gradients):
        return [np.zeros_like(g) for g in gradients]
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * min(1.0, threshold / norm) if norm else g for g in gradients]


def _clip_cases(rng):
    draw = lambda size: [np.float32(rng.normal(0, size, shape)) for shape in ((3, 4), (4, 4), (4, 2))]
    threshold = round(float(rng.uniform(1.5, 3)), 2)
    yield draw(2), threshold
    yield draw(0.05), threshold
    huge = draw(2)
    huge[1] = np.float32(huge[1] * 1e25)
    yield huge, threshold
    yield [0 * g for g in draw(1)], threshold
    for bad in (np.nan, np.inf, -np.inf):
        broken = draw(0.05)
        broken[int(rng.integers(3))][1, 1] = bad
        yield broken, threshold


def _tells_of_clipping(answer, gradients, threshold):
    """What a wrong clip shows, told by the kind of gradient that it meets."""
    if form_of(answer, gradients):
        return None
    answer = [np.asarray(g, float) for g in answer]
    whole = lambda gs: np.sqrt(sum((g**2).sum() for g in gs))
    holds_nan = any(not np.isfinite(g).all() for g in answer)
    if any(not np.isfinite(g).all() for g in gradients):
        if holds_nan:
            return "the gradient holds a NaN or an inf, and so does your answer"
        if whole(answer):
            return "the NaN or inf is gone, and the step still moves the rest: a step with a broken gradient must not be taken"
        return None
    if whole(gradients) == 0:
        return "a gradient of zeros becomes NaN: what is divided by what?" if holds_nan else None
    if np.abs(gradients[1]).max() > 1e20:
        if holds_nan:
            return "with entries of 10²⁵ you get NaN or inf: which of your numbers leaves float32's range?"
        if whole(answer) == 0:
            return "with entries of 10²⁵ the step is zero: which of your numbers leaves float32's range?"
    if whole(gradients) < threshold and whole(answer) > 1.001 * whole(gradients):
        return "a gradient below the threshold has become longer: a cap never makes anything larger"
    return None


def _per_layer(gradients, threshold):
    return [g * min(1.0, threshold / max(np.linalg.norm(g), 1e-300)) for g in gradients]


clip_safely = Exercise(
    id="clipping-3",
    name="clip_safely",
    title="A clip that survives 10²⁵",
    level="medium",
    skills=("global norm", "overflow in float32", "guard against NaN"),
    hints=(
        "Try the chapter's `clip_by_hand` on a list with entries of 1e25, then look at its sum of squares.",
        "Divide all entries by the largest first. How do you get the norm of the original back from the norm of the rest?",
        "And if the largest is zero? And if it is not finite? One look at it answers both questions.",
    ),
    cases=_clip_cases,
    verdict=first_of(
        _tells_of_clipping,
        equals(
            _clip,
            {
                "each layer has a factor of its own; clipping by global norm has one for all": _per_layer,
                "each layer has a factor of its own, its largest entry; one factor must do for all": lambda gradients, threshold: [
                    g * min(1.0, threshold / max(np.abs(g).max(), 1e-300)) for g in gradients
                ],
                "the largest entry is at the threshold: it is the norm that must be": lambda gradients, threshold: [
                    g * min(1.0, threshold / max(np.abs(h).max() for h in gradients)) for g in gradients
                ],
                "each entry is capped; clipping by global norm has one factor for all": lambda gradients, threshold: [
                    np.clip(g, -threshold, threshold) for g in gradients
                ],
                "the threshold is divided by the squared norm": lambda gradients, threshold: [
                    g * min(1.0, threshold / sum((h**2).sum() for h in gradients)) for g in gradients
                ],
                "the norm of your answer is one, not the threshold": lambda gradients, threshold: [
                    g / np.sqrt(sum((h**2).sum() for h in gradients)) for g in gradients
                ],
                "this gradient is longer than the threshold, and passes unchanged": lambda gradients, threshold: (
                    gradients
                ),
            },
            atol=0,
        ),
    ),
    mistakes=(
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n"
            "    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in gradients))\n"
            "    return [g * jnp.minimum(1, threshold / norm) for g in gradients]",
            "the step is zero",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n    m = max(jnp.abs(g).max() for g in gradients)\n"
            "    norm = m * jnp.sqrt(sum(jnp.sum((g / m)**2) for g in gradients))\n"
            "    return [g * jnp.minimum(1, threshold / norm) for g in gradients]",
            "a gradient of zeros becomes NaN",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n    m = max(jnp.abs(g).max() for g in gradients) + 1e-30\n"
            "    norm = m * jnp.sqrt(sum(jnp.sum((g / m)**2) for g in gradients))\n"
            "    return [g * jnp.minimum(1, threshold / norm) for g in gradients]",
            "so does your answer",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n"
            "    gradients = [jnp.nan_to_num(g, posinf=0, neginf=0) for g in gradients]\n"
            "    m = max(jnp.abs(g).max() for g in gradients) + 1e-30\n"
            "    norm = m * jnp.sqrt(sum(jnp.sum((g / m)**2) for g in gradients))\n"
            "    return [g * jnp.minimum(1, threshold / norm) for g in gradients]",
            "must not be taken",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n    m = max(jnp.abs(g).max() for g in gradients) + 1e-30\n"
            "    norm = m * jnp.sqrt(sum(jnp.sum((g / m)**2) for g in gradients))\n"
            "    return [g * (threshold / norm) for g in gradients]",
            "never makes anything larger",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n"
            "    return [g * jnp.minimum(1, threshold / (jnp.linalg.norm(g) + 1e-30)) for g in gradients]",
            "a factor of its own",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef clip_safely(gradients, threshold):\n    m = max(jnp.abs(g).max() for g in gradients)\n"
            "    return [g * jnp.minimum(1, threshold / (m + 1e-30)) for g in gradients]",
            "it is the norm that must be",
        ),
    ),
)


# Exercise 4: a threshold that follows the run.

_CALM, _STEPS, _FORK = 20, 240, 167


def _one_run(rng, level):
    """The norms of a run around its healthy level, with bursts of spikes."""
    norms = level * np.exp(0.15 * rng.standard_normal(_STEPS))
    for number, start in enumerate(range(_CALM + 4, _STEPS - 20, 30)):
        first, length = start + int(rng.integers(0, 12)), int(rng.integers(1, 5))
        norms[first : first + length] *= 10 ** rng.uniform(1.2, 4, length)
        if number in (2, 5):
            norms[first] = np.nan if number == 2 else np.inf
    # A spike at the last step that runs 1 and 3 share shows a look at what comes later.
    norms[_FORK - 1] = 50 * level[_FORK - 1]
    return norms


def _memory_cases(rng):
    # One run rises, one falls, and the third forks off the first.
    steps = np.arange(_STEPS)
    for _ in range(2):
        rise = np.exp(0.02 * steps + 0.1 * np.sin(steps / 15))
        turn = np.where(steps < _FORK, rise, rise[_FORK - 1] * np.exp(-0.02 * (steps - _FORK)))
        size = 10 ** rng.uniform(-2, 2)
        norms = np.array([_one_run(rng, size * level) for level in (rise, 100 / rise, turn)])
        norms[2, :_FORK] = norms[0, :_FORK]
        yield (norms.astype(np.float32),)


def _healthy_level(run):
    """A run's healthy level, and which steps are spikes: a median over 15 steps to either side, twice."""
    used = np.where(np.isfinite(run), run, np.nan)
    for _ in range(2):
        level = np.array([np.nanmedian(used[max(0, t - 15) : t + 16]) for t in range(len(run))])
        spike = ~(run < 6 * level)
        used = np.where(spike, np.nan, run)
    return level, spike


def _judge_memory(answer, norms):
    form = form_of(answer, norms)
    if form:
        return form
    factors, broken, judged = np.asarray(answer, float), ~np.isfinite(norms), np.arange(_STEPS) >= _CALM
    if not np.isfinite(factors).all():
        run, step = np.argwhere(~np.isfinite(factors))[0]
        if broken[run, step]:
            return "where the norm is NaN or inf the factor must be 0, and yours is not finite"
        return f"in run {run + 1} the factor at step {step + 1} is not finite: did a NaN or inf reach your memory?"
    if (factors > 1.0001).any() or (factors < 0).any():
        return "a factor lies from 0 to 1: a cap never makes a gradient larger, and never turns it around"
    if factors[broken].any():
        return "where the norm is NaN or inf the step must be skipped: the factor must be 0"
    if not np.allclose(factors[0, :_FORK], factors[2, :_FORK], rtol=1e-3):
        return "two runs that begin alike get different factors before they part: your rule knows what comes later"
    for run, (norm, factor) in enumerate(zip(norms, factors, strict=True)):
        level, spike = _healthy_level(norm)
        after = np.where(broken[run], 1, factor * np.where(broken[run], 0, norm) / level)
        left, short = (
            np.flatnonzero(spike & ~broken[run] & judged & wrong) for wrong in (after > 5, after < 0.2)
        )
        touched = float((factor < 0.999)[judged & ~spike].mean())
        if touched > 0.05:
            return f"in run {run + 1} you shorten {touched:.0%} of the healthy steps: does your threshold follow when the level changes?"
        if left.size:
            return (
                f"in run {run + 1} the spike at step {left[0] + 1} stays {after[left[0]]:.2g} times the healthy level: "
                "what did your memory keep of earlier spikes, or of an earlier level?"
            )
        if short.size:
            return f"in run {run + 1} the spike at step {short[0] + 1} is cut far below the healthy level: cap it, do not drop it"
    return None


def _memory_mistake(
    threshold, factor="min(1.0, threshold / norm) if np.isfinite(norm) else 0.0", keep="np.isfinite(norm)"
):
    return (
        "import numpy as np\ndef capping_factors(norms):\n    rows = []\n    for run in np.asarray(norms, float):\n"
        "        seen, row = [], []\n        for t, norm in enumerate(run):\n"
        f"            threshold = {threshold} if seen else np.inf\n            row.append({factor})\n"
        f"            if {keep}:\n                seen.append(norm)\n        rows.append(row)\n    return np.array(rows)"
    )


capping_factors = Exercise(
    id="clipping-4",
    name="capping_factors",
    title="A threshold with a memory",
    level="hard",
    skills=("choice of a threshold", "global norm", "guard against NaN", "design of a rule"),
    hints=(
        "Draw one run on a log axis first. Which two things must a threshold tell apart?",
        "Take a multiple of what was usual in the last steps. Does the mean say what is usual after a spike of a thousand?",
        "Decide what enters the memory: the raw norm or the clipped one, and what of a step that was skipped?",
        "A short memory follows a drift, a long one is not fooled by a burst. Bursts here last at most five steps or so.",
    ),
    cases=_memory_cases,
    verdict=_judge_memory,
    mistakes=(
        Mistake(_memory_mistake("2 * np.median(seen[:20])"), "does your threshold follow"),
        Mistake(_memory_mistake("2 * np.median(seen)"), "does your threshold follow"),
        Mistake(_memory_mistake("2 * np.mean(seen[-20:])"), "what did your memory keep"),
        Mistake(_memory_mistake("2 * np.nanmedian(run[max(0, t - 10):t + 10])"), "knows what comes later"),
        Mistake(_memory_mistake("np.nanpercentile(run[np.isfinite(run)], 90)"), "knows what comes later"),
        Mistake(
            _memory_mistake(
                "2 * np.median(seen[-20:])", factor="np.minimum(1.0, threshold / norm)", keep="True"
            ),
            "the factor must be 0",
        ),
        Mistake(
            _memory_mistake(
                "2 * np.median(seen[-20:])", factor="threshold / norm if np.isfinite(norm) and t > 0 else 0.0"
            ),
            "from 0 to 1",
        ),
        Mistake(
            _memory_mistake("2 * np.median(seen[-20:])", factor="float(norm <= threshold)"),
            "cap it, do not drop it",
        ),
    ),
)


EXERCISES = (turn_by_value, last_jump, clip_safely, capping_factors)
