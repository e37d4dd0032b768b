"""Two exercises of an instructor's own: a recurrent network uses the same weights at every step."""

import math

import numpy as np

from course_utils.exercises import Exercise, Mistake, equals

# 1: how far back?


def _radius(w):
    return np.abs(np.linalg.eigvals(w)).max()


def _steps_until_lost(factor):
    return math.ceil(math.log(1e-3) / math.log(factor)) if factor < 1 else math.inf


_WRONG_REACH = {
    "you follow the largest singular value: it bounds one step, and the product of many is smaller": lambda w: (
        _steps_until_lost(np.linalg.norm(w, 2))
    ),
    "your eigenvalue has lost its imaginary part: its size is a modulus": lambda w: _steps_until_lost(
        np.abs(np.linalg.eigvals(w).real).max()
    ),
    "you follow the weakest mode: the strongest one lasts longest": lambda w: _steps_until_lost(
        np.abs(np.linalg.eigvals(w)).min()
    ),
    "one step fewer than it takes: the signal is still above a thousandth": lambda w: (
        _steps_until_lost(_radius(w)) - 1
    ),
}


def _matrix(rng, radius):
    """A matrix whose strongest mode is a complex pair, and whose norm is above its spectral radius."""
    angle = rng.uniform(0.6, 1.2)
    form = np.diag(radius * np.array([math.cos(angle), math.cos(angle), 0.5, -0.4]))
    form[0, 1], form[1, 0] = radius * math.sin(angle), -radius * math.sin(angle)
    form[:2, 2:] = rng.uniform(0.3, 0.8, (2, 2))
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    return rotation @ form @ rotation.T


def _reach_cases(rng):
    for low, high in ((0.75, 0.8), (0.82, 0.9), (0.92, 0.96)):
        radius = rng.uniform(low, high)
        # Far from a whole number of steps, so that single precision cannot tip it over.
        while not 0.3 < math.log(1e-3) / math.log(radius) % 1 < 0.7:
            radius = rng.uniform(low, high)
        yield (_matrix(rng, radius),)


reach = Exercise(
    id="own-1",
    name="reach",
    title="How far back?",
    level="easy",
    skills=("weight sharing over time", "spectral radius"),
    hints=(
        "One factor a step, as with depth. But here each step has the same matrix: what does a power of a matrix do to its eigenvectors?",
        "The eigenvalue of the largest modulus lasts longest. `jnp.linalg.eigvals` gives all of them, as complex numbers.",
    ),
    cases=_reach_cases,
    verdict=equals(lambda w: _steps_until_lost(_radius(w)), _WRONG_REACH, rtol=0),
    mistakes=(
        Mistake(
            "import math\nimport jax.numpy as jnp\ndef reach(w):\n"
            "    size = float(jnp.linalg.norm(w, 2))\n    return math.ceil(math.log(1e-3) / math.log(size)) if size < 1 else math.inf",
            "singular value",
        ),
        Mistake(
            "import math\nimport jax.numpy as jnp\ndef reach(w):\n"
            "    size = float(jnp.abs(jnp.linalg.eigvals(w).real).max())\n    return math.ceil(math.log(1e-3) / math.log(size))",
            "imaginary part",
        ),
        Mistake(
            "import math\nimport jax.numpy as jnp\ndef reach(w):\n"
            "    size = float(jnp.abs(jnp.linalg.eigvals(w)).max())\n    return int(math.log(1e-3) / math.log(size))",
            "one step fewer",
        ),
    ),
)


# 2: a matrix that forgets nothing


def _nearest(answer, w):
    """What is wrong with a matrix that should keep all lengths and lie nearest to w."""
    q = np.asarray(answer, float)
    if q.shape != w.shape:
        return f"your answer has shape {q.shape}; it must have the shape of w, {w.shape}"
    if not np.isfinite(q).all():
        return "your answer holds infinite numbers or NaN"
    row = np.random.default_rng(1).standard_normal(len(w))
    after = np.linalg.norm(row @ np.linalg.matrix_power(q.T, 50)) / np.linalg.norm(row)
    if not 0.99 < after < 1.01:
        way = "vanishes" if after < 1 else "explodes"
        return f"a backward signal still {way}: after 50 steps it is {after:.2g} times as large"
    if np.abs(q.T @ q - np.eye(len(w))).max() > 1e-3:
        return "one signal keeps its length, others do not"
    nearest = math.sqrt(((np.linalg.svd(w, compute_uv=False) - 1) ** 2).sum())
    if np.linalg.norm(q - w) > 1.001 * nearest + 1e-4:
        return "your matrix keeps all lengths, and yet another such matrix lies nearer to w"
    return None


def _tame_cases(rng):
    for size in (6, 6):
        yield (rng.standard_normal((size, size)) / size**0.5 * rng.uniform(0.7, 1.4),)


_TAME = "import jax.numpy as jnp\ndef tame(w):\n    return "

tame = Exercise(
    id="own-2",
    name="tame",
    title="A matrix that forgets nothing",
    level="medium",
    skills=("orthogonal matrices", "singular values"),
    hints=(
        "Dividing by one number treats all directions alike. Which directions does w stretch, and which does it shrink?",
        "A matrix keeps every length exactly if all its singular values have one certain value.",
        "`jnp.linalg.svd` takes w apart. Put it together again with other singular values in the middle.",
    ),
    cases=_tame_cases,
    verdict=_nearest,
    mistakes=(
        Mistake(_TAME + "w / jnp.linalg.norm(w, 2)", "still vanishes"),
        Mistake(_TAME + "w / jnp.linalg.norm(w)", "still vanishes"),
        Mistake(_TAME + "jnp.linalg.qr(w)[0]", "nearer to w"),
        Mistake(_TAME + "jnp.eye(len(w))", "nearer to w"),
    ),
)


EXERCISES = (reach, tame)
