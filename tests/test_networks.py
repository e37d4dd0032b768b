import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import (
    ACTIVATIONS,
    INITIALIZERS,
    NetworkConfig,
    apply,
    batch_statistics,
    init_params,
    loss,
    unstack_layers,
)


def reference_apply(params, inputs, activation):
    """A plain network in float64 NumPy, layer by layer."""
    *hidden, (readout, bias) = [
        (np.asarray(w, float), np.asarray(b, float)) for w, b in unstack_layers(params)
    ]
    h = np.asarray(inputs, float)
    for w, b in hidden:
        h = activation(h @ w + b)
    return h @ readout + bias


@settings(max_examples=10, deadline=None)
@given(
    depth=st.integers(1, 6), width=st.integers(1, 20), batch=st.integers(1, 5),
    scale=st.floats(0.1, 3), bias=st.floats(0, 1), activation=st.sampled_from([("tanh", np.tanh), ("linear", lambda z: z)]),
)  # fmt: skip
def test_apply_equals_a_numpy_network(depth, width, batch, scale, bias, activation):
    name, function = activation
    config = NetworkConfig(
        depth, width=width, input_size=7, output_size=3, activation=name, weight_scale=scale, bias_scale=bias
    )
    params = init_params(config, key=jax.random.key(depth))
    inputs = np.random.default_rng(batch).standard_normal((batch, 7)).astype("f4")
    expected = reference_apply(params, inputs, function)
    np.testing.assert_allclose(apply(params, inputs, config), expected, rtol=2e-4, atol=2e-4)


def test_loss_is_the_mean_cross_entropy(digits):
    config = NetworkConfig(depth=2)
    params = init_params(config, key=jax.random.key(0))
    logits = reference_apply(params, digits.inputs[:50], np.tanh)
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(50), digits.labels[:50]])
    assert float(loss(params, digits.inputs[:50], digits.labels[:50], config)) == pytest.approx(
        expected, rel=1e-5
    )


def test_a_shallow_network_is_the_beginning_of_a_deep_one_and_scale_multiplies():
    shallow, deep = NetworkConfig(depth=3), NetworkConfig(depth=9, weight_scale=2.0)
    a, b = (init_params(config, key=jax.random.key(5)) for config in (shallow, deep))
    np.testing.assert_allclose(2 * a.hidden.weight, b.hidden.weight[:2], rtol=1e-6)
    np.testing.assert_allclose(a.readout.weight, b.readout.weight)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_initializers_have_the_variance_they_promise(initializer):
    config = NetworkConfig(depth=30, width=100, input_size=100, initializer=initializer)
    weight = np.asarray(init_params(config, key=jax.random.key(0)).hidden.weight)
    expected = 2 / 100 if initializer == "he_normal" else 1 / 100
    assert weight.var() == pytest.approx(expected, rel=0.02)
    if initializer == "orthogonal":
        np.testing.assert_allclose(weight[3] @ weight[3].T, np.eye(100), atol=1e-5)


def test_residual_adds_the_scaled_branch():
    plain = NetworkConfig(depth=1, activation="relu")
    params = init_params(plain, key=jax.random.key(0))
    x = np.random.default_rng(0).standard_normal((4, 64)).astype("f4")
    (w, b), (readout, bias) = [(np.asarray(w), np.asarray(b)) for w, b in unstack_layers(params)]
    expected = (x + 0.3 * np.maximum(x @ w + b, 0)) @ readout + bias
    skip = plain.replace(skip="residual", branch_scale=0.3)
    np.testing.assert_allclose(apply(params, x, skip), expected, rtol=1e-4, atol=1e-5)


def test_rezero_starts_as_the_identity_and_its_scale_is_learned(digits):
    config = NetworkConfig(depth=20, skip="rezero")
    params = init_params(config, key=jax.random.key(0))
    readout, bias = map(np.asarray, unstack_layers(params)[-1])
    np.testing.assert_allclose(
        apply(params, digits.inputs[:3], config), digits.inputs[:3] @ readout + bias, atol=1e-5
    )
    gradient = jax.grad(loss)(params, digits.inputs[:32], digits.labels[:32], config)
    assert float(jnp.abs(gradient.hidden.branch_scale).min()) > 0


@pytest.mark.parametrize(("kind", "axis"), [("batch", 0), ("layer", -1)])
def test_normalization_centres_and_scales(kind, axis):
    config = NetworkConfig(depth=1, activation="linear", normalization=kind, output_size=64)
    params = init_params(config, key=jax.random.key(1))
    params = params._replace(readout=params.readout._replace(weight=jnp.eye(64), bias=jnp.zeros(64)))
    out = np.asarray(apply(params, np.random.default_rng(0).normal(3, 2, (50, 64)).astype("f4"), config))
    np.testing.assert_allclose(out.mean(axis), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis), 1, atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 0}, {"depth": 2.5}, {"depth": True}, {"width": -1}, {"activation": "swish2"}, {"initializer": "normal"},
        {"weight_scale": 0.0}, {"weight_scale": -1}, {"weight_scale": float("nan")}, {"bias_scale": -0.1},
        {"normalization": "group"}, {"skip": "dense"}, {"branch_scale": float("inf")},
    ],
)  # fmt: skip
@pytest.mark.usefixtures("as_a_reader")
def test_a_wrong_config_names_argument_and_value(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=name) as error:
        NetworkConfig(**({"depth": 2} | wrong))
    assert repr(value) in str(error.value)


@pytest.mark.usefixtures("as_a_reader")
def test_config_is_hashable_and_takes_numpy_numbers():
    assert hash(NetworkConfig(depth=np.int64(3), weight_scale=np.float32(1))) == hash(NetworkConfig(depth=3))


@pytest.mark.usefixtures("as_a_reader")
def test_wrong_shapes_and_labels_are_named(digits):
    config = NetworkConfig(depth=2)
    params = init_params(config, key=jax.random.key(0))
    with pytest.raises(ValueError, match="inputs must have shape"):
        apply(params, np.zeros((3, 5), "f4"), config)
    with pytest.raises(ValueError, match="labels must lie from 0 to 9"):
        loss(params, np.zeros((1, 64), "f4"), np.array([10]), config)
    with pytest.raises(ValueError, match="labels must have shape"):
        loss(params, np.zeros((2, 64), "f4"), np.array([1]), config)
    with pytest.raises(ValueError, match=r"params\.hidden"):
        apply(params, np.zeros((2, 64), "f4"), config.replace(depth=5))
    with pytest.raises(ValueError, match="key"):
        init_params(config, key="seed")


def test_every_activation_is_a_function_of_its_own():
    values = {
        name: tuple(np.asarray(f(jnp.array([-1.0, 0.5, 2.0]))).round(4)) for name, f in ACTIVATIONS.items()
    }
    assert len(set(values.values())) == len(ACTIVATIONS) == 10


def test_evaluation_mode_equals_the_formula_and_frees_samples_of_their_neighbours(digits):
    config = NetworkConfig(depth=3, normalization="batch", bias_scale=0.1)
    params = init_params(config, key=jax.random.key(0))
    statistics = batch_statistics(params, digits.inputs[:200], config)
    h = np.asarray(digits.inputs[:5], float)
    *hidden, (readout, bias) = [
        (np.asarray(w, float), np.asarray(b, float)) for w, b in unstack_layers(params)
    ]
    for (w, b), mean, variance in zip(hidden, *map(np.asarray, statistics), strict=True):
        h = np.tanh((h @ w + b - mean) / np.sqrt(variance + 1e-5))
    alone = [apply(params, digits.inputs[i : i + 1], config, statistics=statistics)[0] for i in range(5)]
    np.testing.assert_allclose(alone, h @ readout + bias, rtol=1e-3, atol=1e-4)
    train_mode = apply(params, digits.inputs[:5], config)
    assert np.abs(train_mode - np.array(alone)).max() > 0.1


@pytest.mark.usefixtures("as_a_reader")
def test_statistics_that_do_not_fit_are_named(digits):
    config = NetworkConfig(depth=2, normalization="batch")
    params = init_params(config, key=jax.random.key(0))
    statistics = batch_statistics(params, digits.inputs, config)
    with pytest.raises(ValueError, match=r"statistics\.mean must have shape"):
        apply(params, digits.inputs, config, statistics=jax.tree.map(lambda leaf: leaf[:1], statistics))
    plain = config.replace(normalization="none")
    with pytest.raises(ValueError, match="belong to normalization 'batch'"):
        apply(init_params(plain, key=jax.random.key(0)), digits.inputs, plain, statistics=statistics)
