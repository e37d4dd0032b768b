"""The exercises of chapter 10, diagnosis."""

import numpy as np

from .exercise import Exercise, Mistake
from .reference import fresh, gradient_norms, gradients_of, logits_of, loss_of, matrices, params_of, stepped
from .verdicts import equals

# 1: when will it be NaN?


def _first_draw(bad, batches):
    return int(np.flatnonzero(bad[batches].any(axis=1))[0])


def _nan_steps(inputs, batches):
    step = _first_draw(~np.isfinite(inputs).all(axis=1), batches)
    return [step, step + 1]


def _lowest_image(inputs, batches):
    image = int(np.flatnonzero(~np.isfinite(inputs).all(axis=1))[0])
    return int(np.flatnonzero((batches == image).any(axis=1))[0])


def _nan_cases(rng):
    # The bad image drawn first holds inf; the one that comes first in the data is drawn last.
    for _ in range(3):
        inputs = rng.standard_normal((40, 6)).round(3)
        batches = rng.permutation(40).reshape(10, 4)
        steps = np.sort(rng.choice(np.arange(1, 9), 3, replace=False))
        while np.diff(steps).min() < 2:
            steps = np.sort(rng.choice(np.arange(1, 9), 3, replace=False))
        images = np.sort([batches[step, rng.integers(4)] for step in steps])[::-1]
        for step, image, value in zip(steps, images, (np.inf, np.nan, np.nan), strict=True):
            row, column = np.argwhere(batches == image)[0]
            batches[row, column], batches[step, 0] = batches[step, 0], image
            inputs[image, rng.integers(6)] = value * rng.choice([-1, 1])
        yield inputs, batches


when_nan = Exercise(
    id="diagnosis-1",
    name="when_nan",
    title="When will it be NaN?",
    level="easy",
    skills=("NaN in the data", "order of events in a training step"),
    hints=(
        "A batch's loss is a mean over its images. One bad image is enough.",
        "A pixel can be bad in two ways. `jnp.isfinite` knows both.",
        "Find the first step whose batch holds a bad image. When does the update of that step show in the record of the weights?",
    ),
    cases=_nan_cases,
    verdict=equals(
        _nan_steps,
        {
            "an infinite pixel spoils the loss as well: which images do you count as bad?": lambda x, b: [
                (step := _first_draw(np.isnan(x).any(axis=1), b)), step + 1],
            "you follow the bad image with the lowest number; another one is drawn before it": lambda x, b: [
                (step := _lowest_image(x, b)), step + 1],
            "the weights of a step are recorded before its update: does E4 show so early?": lambda x, b: [
                (step := _nan_steps(x, b)[0]), step],
            "the first step is step 0": lambda x, b: [(step := _nan_steps(x, b)[0]) + 1, step + 2],
            "this is the image's number, not the step that draws it": lambda x, b: [
                (image := int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])), image + 1],
        },
    ),
    mistakes=(
        Mistake(
            "import jax.numpy as jnp\ndef when_nan(inputs, batches):\n"
            "    bad = jnp.isnan(inputs).any(axis=1)\n    step = int(jnp.argmax(bad[batches].any(axis=1)))\n    return [step, step + 1]",
            "an infinite pixel",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef when_nan(inputs, batches):\n"
            "    bad = ~jnp.isfinite(inputs).all(axis=1)\n    step = int(jnp.argmax(bad[batches].any(axis=1)))\n    return [step, step]",
            "before its update",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef when_nan(inputs, batches):\n"
            "    image = int(jnp.argmax(~jnp.isfinite(inputs).all(axis=1)))\n"
            "    step = int(jnp.argmax((batches == image).any(axis=1)))\n    return [step, step + 1]",
            "another one is drawn before it",
        ),
        Mistake(
            "import jax.numpy as jnp\ndef when_nan(inputs, batches):\n"
            "    bad = ~jnp.isfinite(inputs).all(axis=1)\n    step = 1 + int(jnp.argmax(bad[batches].any(axis=1)))\n    return [step, step + 1]",
            "step 0",
        ),
    ),
)  # fmt: skip


# 2: the step or the sample?


def _split(params, x, y, next_x, next_y, rate):
    old = matrices(params)
    new = stepped(old, gradients_of(old, x, y, "tanh")[0], rate)
    on = lambda layers, x, y: loss_of(layers, x, y, "tanh")
    return np.array([on(new, x, y) - on(old, x, y), on(new, next_x, next_y) - on(new, x, y)])


def _split_old(params, x, y, next_x, next_y, rate):
    whole, old = _split(params, x, y, next_x, next_y, rate), matrices(params)
    return np.array([whole[0], loss_of(old, next_x, next_y, "tanh") - loss_of(old, x, y, "tanh")])


def _split_next(params, x, y, next_x, next_y, rate):
    case = params, x, y, next_x, next_y, rate
    sample = _split_old(*case)[1]
    return np.array([_split(*case).sum() - sample, sample])


def _split_weights(params, x, y, next_x, next_y, rate):
    old = matrices(params)
    gradient = [(w, 0 * b) for w, b in gradients_of(old, x, y, "tanh")[0]]
    new = stepped(old, gradient, rate)
    on = lambda x, y: loss_of(new, x, y, "tanh")
    return np.array([on(x, y) - loss_of(old, x, y, "tanh"), on(next_x, next_y) - on(x, y)])


def _wrong_gradient(params, x, y, next_x, next_y, rate):
    old = matrices(params)
    new = stepped(old, gradients_of(old, next_x, next_y, "tanh")[0], rate)
    on = lambda x, y: loss_of(new, x, y, "tanh")
    return np.array([on(x, y) - loss_of(old, x, y, "tanh"), on(next_x, next_y) - on(x, y)])


_WRONG_SPLITS = {
    "your signs are reversed: a loss that falls has a negative change": lambda *a: -_split(*a),
    "your step climbs: gradient descent goes against the gradient": lambda p, x, y, u, v, r: _split(
        p, x, y, u, v, -r
    ),
    "your first number mixes both causes: it compares different batches": lambda *a: np.array(
        [_split(*a).sum(), _split(*a)[1]]
    ),
    "the second number mixes both causes: it compares different weights": lambda *a: np.array(
        [_split(*a)[0], _split(*a).sum()]
    ),
    "your two parts do not add up to the change in the log: under which weights do you compare the batches?": _split_old,
    "your step is judged on the next batch, which it has never seen: judge it on its own": _split_next,
    "your step follows the gradient of the wrong batch": lambda p, x, y, u, v, r: _wrong_gradient(
        p, x, y, u, v, r
    ),
    "your step leaves the biases where they are": _split_weights,
    "the two numbers stand in the wrong order": lambda *a: _split(*a)[::-1],
}


def _all_differ(answers) -> bool:
    return not any(
        np.allclose(a, b, rtol=0.02, atol=1e-3) for i, a in enumerate(answers) for b in answers[:i]
    )


def _split_cases(rng):
    # First a log that rises although the step is good, then a step that is too long.
    for slow in (True, False):
        while True:
            teacher = rng.standard_normal((8, 4))
            params = params_of(fresh(rng, 4, 16, 8, 4, 1.2, 0.3))
            x, next_x = rng.standard_normal((2, 16, 8)).round(3)
            y, next_y = (x @ teacher).argmax(1), (next_x @ teacher).argmax(1)
            rate = round(rng.uniform(0.04, 0.06) if slow else rng.uniform(5, 10), 3)
            case = params, x, y, next_x, next_y, rate
            from_step, from_sample = _split(*case)
            telling = (
                from_step < -0.02 and from_sample > 0.1
                if slow
                else 0.2 < from_step < 5 and abs(from_sample) > 0.05
            )
            if telling and _all_differ([answer(*case) for answer in (_split, *_WRONG_SPLITS.values())]):
                break
        yield case


_SPLIT = """\
import jax
from course_utils import NetworkConfig, loss as plain_loss
config = NetworkConfig(depth=4, width=16, input_size=8, output_size=4, activation="tanh")
both = jax.jit(jax.value_and_grad(plain_loss), static_argnums=3)
loss = lambda *arguments: both(*arguments)[0]
def split_swing(params, x, y, next_x, next_y, rate):
    gradient = both(params, {of}, config)[1]
    new = jax.tree.map(lambda w, g: w {sign} rate * g, params, gradient)
    before, after = loss(params, x, y, config), loss(new, x, y, config)
    return {result}
"""
_RIGHT_SPLIT = "[after - before, loss(new, next_x, next_y, config) - after]"

split_swing = Exercise(
    id="diagnosis-2",
    name="split_swing",
    title="The step or the sample?",
    level="medium",
    skills=("false alarms", "gradient descent by hand", "a loss curve has two causes"),
    hints=(
        "The log compares two batches under two sets of weights. Change one thing at a time.",
        "There are four losses: old and new weights, this batch and the next. You need three of them.",
        "First keep the batch and change the weights, then keep the new weights and change the batch. "
        "`jax.tree.map` makes a step on a whole tree of parameters.",
    ),
    cases=_split_cases,
    verdict=equals(
        _split,
        _WRONG_SPLITS,
        rtol=5e-3,
        atol=1e-5,
    ),
    mistakes=(
        Mistake(_SPLIT.format(of="x, y", sign="-", result="[after - before, loss(params, next_x, next_y, config) - before]"), "do not add up"),
        Mistake(
            _SPLIT.format(of="x, y", sign="-", result="[loss(new, next_x, next_y, config) - before, loss(new, next_x, next_y, config) - after]"),
            "mixes both causes",
        ),
        Mistake(
            _SPLIT.format(
                of="x, y", sign="-",
                result="[loss(new, next_x, next_y, config) - loss(params, next_x, next_y, config), loss(params, next_x, next_y, config) - before]",
            ),
            "judge it on its own",
        ),
        Mistake(_SPLIT.format(of="next_x, next_y", sign="-", result=_RIGHT_SPLIT), "wrong batch"),
        Mistake(_SPLIT.format(of="x, y", sign="+", result=_RIGHT_SPLIT), "climbs"),
        Mistake(_SPLIT.format(of="x, y", sign="-", result="[before - after, after - loss(new, next_x, next_y, config)]"), "reversed"),
    ),
)  # fmt: skip


# 3: the same network, a false alarm


def _disguise_cases(rng):
    for _ in range(2):
        yield (params_of(fresh(rng, 6, 16, 8, 4, 2**0.5)),)


def _disguise_verdict(answer, params):
    old = matrices(params)
    try:
        new = matrices(answer)
    except (TypeError, KeyError, ValueError, AttributeError):
        return "your answer must be `Params` like those you were given"
    if [(w.shape, b.shape) for w, b in new] != [(w.shape, b.shape) for w, b in old]:
        return "your layers must keep their shapes"
    if not all(np.isfinite(w).all() and np.isfinite(b).all() for w, b in new):
        return "your weights are not all finite"
    draw = np.random.default_rng(7)
    x, y = draw.standard_normal((64, 8)), draw.integers(0, 4, 64)
    before, after = (logits_of(layers, x, "relu") for layers in (old, new))
    size = np.abs(after).max() / np.abs(before).max()
    if not 0.99 < size < 1.01:
        return f"your network is another function: its logits are {size:.2g} times as large. A factor passes through ReLU: who takes it back?"
    if np.abs(after - before).max() > 1e-3 * np.abs(before).max():
        return "your network is another function: its logits are as large as before, but not the same"
    norms = gradient_norms(new, x, y, "relu")
    share = norms[0] / norms.max()
    if share == 1:
        return "layer 1 now has the largest gradient of all: V2 needs the opposite"
    if share >= 1e-3:
        return f"V2 stays silent: layer 1's gradient is still {share:.2g} of the largest"
    return None


_DISGUISE = """\
def disguise(params):
    first = params.first._replace(weight=params.first.weight * {first})
    hidden = params.hidden._replace(weight={hidden})
    return params._replace(first=first, hidden=hidden)
"""

disguise = Exercise(
    id="diagnosis-3",
    name="disguise",
    title="The same network, a false alarm",
    level="medium",
    skills=("what a detector really measures", "rescaling of ReLU layers", "the chain rule across layers"),
    hints=(
        "ReLU(c z) = c ReLU(z) for c > 0. So a factor in one layer's weights passes on to the next layers.",
        "Multiply one layer by c and divide another by c: the function stays. What happens to the gradient of each?",
        "If W = c V, then ∂loss/∂V = c ∂loss/∂W. Choose which layer's weights should grow, then compute the c that V2 needs.",
    ),
    cases=_disguise_cases,
    verdict=_disguise_verdict,
    mistakes=(
        Mistake(_DISGUISE.format(first=1e-3, hidden="params.hidden.weight"), "another function"),
        Mistake(_DISGUISE.format(first=100, hidden="params.hidden.weight / 100"), "another function"),
        Mistake(
            _DISGUISE.format(first="(1 / 100)", hidden="params.hidden.weight.at[0].multiply(100)"),
            "needs the opposite",
        ),
        Mistake(_DISGUISE.format(first=4, hidden="params.hidden.weight.at[0].divide(4)"), "stays silent"),
        Mistake("def disguise(params):\n    return params", "stays silent"),
    ),
)


# 4: a diagnosis before the first step

_NAMES = (
    "bad data",
    "weights too large",
    "weights too small",
    "rate too large",
    "weight decay",
    "rate too small",
    "healthy",
)
_BATCH, _HORIZON = 128, 200


class _Measured:
    """What a patient's first batch tells, in units of the mean loss."""

    def __init__(self, layers, x, y, rate, decay):
        gradient = gradients_of(layers, x, y, "relu")[0]
        self.loss = loss_of(layers, x, y, "relu")
        norm = np.linalg.norm
        self.shares = np.array(
            [norm(g) / norm(w) for (g, _), (w, _) in zip(gradient[:-1], layers[:-1], strict=True)]
        )
        self.square = sum((g**2).sum() for pair in gradient for g in pair)
        self.after = loss_of(stepped(layers, gradient, rate), x, y, "relu")
        decayed = [(w * (1 - rate * decay), b) for w, b in layers]
        self.after_both = loss_of(stepped(decayed, gradient, rate), x, y, "relu")
        self.shrunk, self.pace = _HORIZON * rate * decay, _HORIZON * rate * self.square / self.loss

    def clearly(self, name) -> bool:
        """Whether a fault shows far from every border, and no other one does."""
        if name in ("weights too large", "weights too small"):
            return (
                self.loss > 30 if name == "weights too large" else self.loss < 5 and self.shares.max() < 2e-4
            )
        if not (1 < self.loss < 5 and self.shares.min() > 5e-3):
            return False
        if name == "rate too large":
            return self.after > 2 * self.loss and self.after_both > 2 * self.loss
        falls = max(self.after, self.after_both) < self.loss - 1e-5
        if name == "weight decay":
            return falls and self.shrunk > 1.5 and self.pace > 0.5
        pace = 0.004 < self.pace < 0.03 if name == "rate too small" else self.pace > 0.5
        return falls and pace and self.shrunk < 0.1


def _patient(rng, name, summed):
    scale = {"weights too large": rng.uniform(3, 4), "weights too small": rng.uniform(0.3, 0.45)}.get(
        name, 2**0.5
    )
    while True:
        layers = fresh(rng, 10, 24, 16, 4, scale)
        x = rng.standard_normal((_BATCH, 16)).round(3)
        y = (x @ rng.standard_normal((16, 4))).argmax(1)
        rate = rng.uniform(2, 5) if name == "rate too large" else rng.uniform(0.005, 0.02)
        if name == "rate too small":  # and yet a step shows in single precision
            rate = rng.uniform(0.005, 0.02) / _Measured(layers, x, y, 1.0, 0.0).pace
        decay = {"weight decay": rng.uniform(2, 4) / (_HORIZON * rate), "healthy": 5e-3}.get(name, 0.0)
        if name == "bad data" or _Measured(layers, x, y, rate, decay).clearly(name):
            break
    if name == "bad data":
        x[rng.integers(_BATCH), rng.integers(16)] = rng.choice([np.nan, np.inf])
    unit = _BATCH if summed else 1
    return params_of(layers), x, y, rate / unit, decay * unit, bool(summed)


def _patients(rng):
    both = [
        (name, summed)
        for name in ("healthy", "rate too large", "weight decay", "rate too small")
        for summed in (False, True)
    ]
    one = [(name, rng.random() < 0.5) for name in ("bad data", "weights too large", "weights too small")]
    for i in rng.permutation(len(both + one)):
        yield _patient(rng, *(both + one)[i])


def _name_of(params, x, y, rate, decay, summed):
    unit = _BATCH if summed else 1
    if not np.isfinite(x).all():
        return "bad data"
    with np.errstate(over="ignore"):
        m = _Measured(matrices(params), x, y, rate * unit, decay / unit)
    rules = (m.loss > 10, m.shares.max() < 1e-3, m.after > m.loss, m.shrunk > 0.69, m.pace < 0.1)
    return next((name for name, holds in zip(_NAMES[1:], rules, strict=False) if holds), "healthy")


_OVERLOOKED = {
    "bad data": "one patient's images hold a number that is not finite, and you call it {!r}. Every comparison with NaN is false",
    "weights too large": "one patient's loss starts far above that of guessing, and you call it {!r}. Which sign should you read first?",
    "weights too small": "in one patient every layer's gradient is tiny beside its weights, and you call it {!r}. "
    "A slow rate looks the same in the loss: which of the two has healthy gradients?",
    "rate too large": "one patient's first step makes its own batch worse, and you call it {!r}. Can you try a step before you take it?",
    "weight decay": "one patient's weights would shrink away even without a gradient, and you call it {!r}",
    "rate too small": "one patient's loss would hardly move in 200 steps, and you call it {!r}. How much does one step gain, to first order?",
    "healthy": "a healthy patient gets {!r} from you. Which of your measures is out of its range, and in which unit is it?",
}  # fmt: skip


def _triage_verdict(answer, params, x, y, rate, decay, summed):
    if answer is None:
        return "your function returned nothing for one patient: does every path end with a `return`?"
    if answer not in _NAMES:
        return f"answer with one of the seven names, not {str(answer)[:40]!r}"
    truth = _name_of(params, x, y, rate, decay, summed)
    if answer == truth:
        return None
    if (
        summed
        and truth != "bad data"
        and answer in (_name_of(params, x, y, rate, decay, False), "weights too large")
    ):
        return f"a patient whose loss is a sum gets {answer!r} from you: bring its loss, rate and decay to one unit first"
    return _OVERLOOKED[truth].format(answer)


_TRIAGE = """\
import jax
import jax.numpy as jnp
from course_utils import NetworkConfig, layer_gradient_norms, loss, unstack_layers
config = NetworkConfig(depth=10, width=24, input_size=16, output_size=4, activation="relu")
step = jax.jit(jax.value_and_grad(loss), static_argnums=3)
def triage(params, x, y, rate, decay, summed):
    unit = {unit}
    rate, decay = rate * unit, decay / unit
    {bad}
    value, gradient = step(params, x, y, config)
    if value * {times} > 10:
        return "weights too large"
    size = jnp.stack([jnp.linalg.norm(w) for w, _ in unstack_layers(params)[:-1]])
    small = (layer_gradient_norms(params, x, y, config) / size).max() < {small}
    after, _ = step(jax.tree.map(lambda w, g: w - rate * g, params, gradient), x, y, config)
    square = sum((g**2).sum() for g in jax.tree.leaves(gradient))
    if small:
        return "weights too small"
    if after > value:
        return "rate too large"
    if {decay}:
        return "weight decay"
    if 200 * rate * square < 0.1 * value:
        return "rate too small"
    return "healthy"
"""
_GOOD_TRIAGE = {
    "unit": "len(x) if summed else 1", "bad": "if not jnp.isfinite(x).all(): return 'bad data'", "times": "1", "small": "1e-3",
    "decay": "200 * rate * decay > 0.7",
}  # fmt: skip


def _triage_mistake(told, **change):
    return Mistake(_TRIAGE.format(**_GOOD_TRIAGE | change), told)


triage = Exercise(
    id="diagnosis-4",
    name="triage",
    title="A diagnosis before the first step",
    level="hard",
    skills=("differential diagnosis", "units of a gradient", "first-order prediction of a step"),
    hints=(
        'Begin with what spoils every other number, as the chapter\'s `cause` does. End with "healthy".',
        "Bring all patients to one unit. If the loss becomes a mean, its gradient shrinks by the batch size: what must rate and decay do?",
        "You can take a step on a copy of the weights and look at the loss of the same batch.",
        "To first order a step lowers the loss by the rate times the squared norm of the whole gradient. "
        "Decay multiplies the weights by 1 − rate · decay at each step.",
    ),
    cases=_patients,
    verdict=_triage_verdict,
    mistakes=(
        _triage_mistake("bring its loss, rate and decay to one unit", unit="1"),
        _triage_mistake("bring its loss, rate and decay to one unit", times="(len(x) if summed else 1)"),
        _triage_mistake("not finite", bad=""),
        _triage_mistake("which of the two has healthy gradients", small="0"),
        _triage_mistake("a healthy patient gets 'weight decay'", decay="decay > 0"),
        _triage_mistake("shrink away even without a gradient", decay="rate * decay > 0.7"),
    ),
)


EXERCISES = (when_nan, split_swing, disguise, triage)
