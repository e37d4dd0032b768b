"""Each detector finds its sign in a run that has it, and none finds anything in a healthy run."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from course_utils import NetworkConfig, diagnose, load_digits, record_gradient_norms, recorded_history, train

SEEDS = range(20)


def signs(history):
    return {f"{symptom.kind} {symptom.number}" for symptom in diagnose(history)}


def run(seed, *, optimizer, steps=120, batch_size=128, **config):
    config = NetworkConfig(**({"depth": 10} | config))
    return train(config, load_digits(), optimizer=optimizer, steps=steps, batch_size=batch_size, seed=seed)[1]


def decayed(rate, decay):
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))


RELU, SIGMOID = {"activation": "relu"}, {"activation": "sigmoid"}
HE = {"weight_scale": 2**0.5, **RELU}
# name: (optimizer, what else the run is); an optimizer is made once, so that the seeds share a compilation.
HEALTHY = {
    "tanh": (optax.sgd(0.1), {}),
    "relu": (optax.sgd(0.05), {"depth": 5, **HE}),
    "adam and batch norm": (optax.adam(2e-3), {"depth": 5, "normalization": "batch", **HE}),
    "residual": (optax.sgd(0.1), {"skip": "residual", "branch_scale": 0.3}),
}
BROKEN = {
    "vanishing 1": (optax.sgd(0.1), SIGMOID),
    "vanishing 2": (optax.sgd(0.1), {"steps": 20, **SIGMOID}),
    "vanishing 3": (decayed(0.1, 0.02), SIGMOID),
    "vanishing 4": (decayed(0.1, 0.3), SIGMOID),
    "exploding 1": (optax.sgd(1e-3), {"weight_scale": 2.5, **RELU}),
    "exploding 2": (optax.sgd(3.0), {"depth": 5, "batch_size": None}),
    "exploding 3": (optax.sgd(1.0), {"weight_scale": 3.0, **RELU}),
    "exploding 4": (optax.sgd(1.0), {"weight_scale": 3.0, **RELU}),
    "exploding 5": (optax.sgd(1.0), {"weight_scale": 3.0, **RELU}),
}


def history_of(recipe, seed):
    optimizer, options = recipe
    return run(seed, optimizer=optimizer, **options)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_shows_no_sign(name):
    reports = {seed: diagnose(history_of(HEALTHY[name], seed)) for seed in SEEDS}
    assert {seed: repr(report) for seed, report in reports.items() if report} == {}


@pytest.mark.parametrize("sign", BROKEN)
def test_a_run_that_has_a_sign_shows_it(sign):
    missed = [seed for seed in SEEDS if sign not in signs(history_of(BROKEN[sign], seed))]
    assert missed == []


def test_a_report_names_evidence_condition_and_chapter():
    (symptom,) = [s for s in diagnose(history_of(BROKEN["vanishing 2"], 0)) if s.number == 2]
    assert "layer 1" in symptom.evidence and "layer 10" in symptom.evidence
    assert symptom.chapter == "02_vanishing_gradients" and symptom.chapter in str(symptom)
    assert repr(diagnose(history_of(HEALTHY["tanh"], 0))) == "No sign of unstable gradients."


@pytest.mark.usefixtures("as_a_reader")
def test_what_is_no_history_is_named():
    with pytest.raises(ValueError, match="history must be a History"):
        diagnose([1.0, 2.0])


# ---- a network that is not ours ------------------------------------------------------------------------------


def foreign_loss(params, x, y):
    h = x
    for name in sorted(params, key=lambda name: int(name.split("_")[1]))[:-1]:
        h = jax.nn.sigmoid(h @ params[name]["kernel"] + params[name]["bias"][None, :])
    last = params[f"Dense_{len(params) - 1}"]
    return optax.softmax_cross_entropy_with_integer_labels(h @ last["kernel"] + last["bias"][None, :], y).mean()


def foreign_params(depth, generator):
    sizes = [64] * (depth + 1) + [10]
    return {
        f"Dense_{i}": {"kernel": jnp.asarray(generator.standard_normal((a, b)) / a**0.5, float), "bias": jnp.zeros(b)}
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    }


@pytest.mark.parametrize("given", [{}, {"value": True}])
def test_any_optax_loop_can_be_watched_without_a_change(digits, given):
    params = foreign_params(11, np.random.default_rng(0))
    watched, plain = optax.chain(record_gradient_norms(25), optax.adam(1e-3)), optax.adam(1e-3)
    x, y = digits.inputs[:128], digits.labels[:128]

    @jax.jit
    def step(params, state, other_state):
        loss, gradient = jax.value_and_grad(foreign_loss)(params, x, y)
        extra = {"value": loss} if given else {}
        updates, state = watched.update(gradient, state, params, **extra)
        expected, other_state = plain.update(gradient, other_state, params)
        norms = jnp.array([jnp.linalg.norm(gradient[f"Dense_{i}"]["kernel"]) for i in range(12)])
        return optax.apply_updates(params, updates), state, other_state, (updates, expected, norms, loss)

    state, other_state, norms, losses = watched.init(params), plain.init(params), [], []
    for _ in range(40):
        params, state, other_state, (updates, expected, norm, loss) = step(params, state, other_state)
        jax.tree.map(np.testing.assert_array_equal, updates, expected)
        norms.append(norm), losses.append(loss)
    history = recorded_history(state)
    assert history.layers[2] == "['Dense_2']['kernel']" and len(history.layers) == 12  # not Dense_10
    np.testing.assert_allclose(history.gradient_norm, np.array(norms)[-25:], rtol=1e-5)
    assert history.weight_norm.shape == (25, 12) and history.first_nonfinite_step is None
    assert (history.loss is None) == (not given)
    if given:
        np.testing.assert_allclose(history.loss, np.array(losses)[-25:], rtol=1e-6)
    assert "vanishing 2" in signs(history)


def test_our_own_networks_can_be_watched_too(digits):
    optimizer = optax.chain(record_gradient_norms(), optax.sgd(0.1))
    config = NetworkConfig(depth=3)
    from course_utils import init_params, loss

    params = init_params(config, key=jax.random.key(0))
    state = optimizer.init(params)
    gradient = jax.grad(loss)(params, digits.inputs[:50], digits.labels[:50], config)
    _, state = optimizer.update(gradient, state, params)
    history = recorded_history(state)
    assert history.layers == ("layer 1", "layer 2", "layer 3") and history.gradient_norm.shape == (1, 3)


@pytest.mark.usefixtures("as_a_reader")
def test_a_state_without_records_and_a_tree_without_weights_are_named():
    with pytest.raises(ValueError, match="got 0 of them"):
        recorded_history(optax.sgd(0.1).init({"w": jnp.ones((2, 2))}))
    with pytest.raises(ValueError, match="no weight to watch"):
        record_gradient_norms().init({"bias": jnp.ones(3)})
    with pytest.raises(ValueError, match="no step yet"):
        recorded_history(record_gradient_norms().init({"w": jnp.ones((2, 2))}))
    with pytest.raises(ValueError, match="steps"):
        record_gradient_norms(0)
