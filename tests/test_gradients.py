import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import (
    NetworkConfig,
    backward_signal_norms,
    forward_signal_std,
    gradient_growth_factor,
    init_params,
    layer_gradient_norms,
    log10_layer_gradient_norms,
    loss,
    norm_engine,
    sweep_gradient_norms,
    unstack_layers,
)

X = np.random.default_rng(0).standard_normal((32, 64)).astype("f4")
Y = np.arange(32) % 10


def test_weight_gradient_agrees_with_finite_differences(x64):
    config = NetworkConfig(depth=3, width=6, input_size=4, output_size=3)
    params = init_params(config, key=jax.random.key(0))
    x, y = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 1, 2, 0, 1])
    norms = layer_gradient_norms(params, x, y, config)
    squares = 0.0
    for i in range(6):
        for j in range(6):
            step = jnp.zeros((2, 6, 6)).at[1, i, j].set(1e-5)
            moved = [
                params._replace(hidden=params.hidden._replace(weight=params.hidden.weight + s * step))
                for s in (1, -1)
            ]
            squares += float((loss(moved[0], x, y, config) - loss(moved[1], x, y, config)) / 2e-5) ** 2
    assert float(norms[2]) == pytest.approx(squares**0.5, rel=1e-6)


def test_orthogonal_linear_network_keeps_the_signal_exactly(x64):
    config = NetworkConfig(depth=60, activation="linear", initializer="orthogonal")
    params = init_params(config, key=jax.random.key(0))
    norms = np.asarray(backward_signal_norms(params, X.astype(float), Y, config))
    np.testing.assert_allclose(norms / norms[-1], 1, rtol=1e-10)


# Tolerance: 3 √(c / (N · L · seeds)) + c / 2N, with c the activation's fluctuation constant.
@pytest.mark.parametrize(
    ("activation", "scale", "c"),
    [("linear", 0.9, 2), ("linear", 1.1, 2), ("relu", 2**0.5, 5), ("relu", 1.0, 5), ("tanh", 0.8, 6), ("tanh", 1.5, 6),
     ("sigmoid", 1.0, 5), ("selu", 1.0, 6)],
)  # fmt: skip
def test_backward_signal_grows_as_theory_says(activation, scale, c):
    width, depth, seeds = 256, 50 if activation != "sigmoid" else 20, 4
    config = NetworkConfig(depth, width=width, activation=activation, weight_scale=scale)
    sweep = sweep_gradient_norms(
        config, X, Y, depths=[depth], weight_scales=[scale], seeds=range(seeds), progress=False
    )
    signal = sweep.backward_signal[0, 0]
    skip = 10 if activation in ("tanh", "selu") else 3  # the forward variance must settle first
    growth = 2 * np.mean(signal[:, skip] - signal[:, -1]) / (depth - 1 - skip)
    tolerance = 3 * np.sqrt(c / (width * (depth - skip) * seeds)) + c / (2 * width)
    assert 10**growth == pytest.approx(gradient_growth_factor(activation, scale), rel=tolerance)


@settings(max_examples=12, deadline=None)
@given(
    depth=st.integers(1, 9), scale=st.floats(0.3, 2.5), seed=st.integers(0, 5),
    activation=st.sampled_from(["tanh", "relu", "sigmoid", "gelu", "selu"]),
    normalization=st.sampled_from(["none", "batch", "layer", "rms"]), skip=st.sampled_from(["none", "residual"]),
)  # fmt: skip
def test_engine_equals_the_readable_path(depth, scale, seed, activation, normalization, skip):
    config = NetworkConfig(
        depth,
        activation=activation,
        weight_scale=scale,
        normalization=normalization,
        skip=skip,
        branch_scale=0.5,
    )
    params = init_params(config, key=jax.random.key(seed))
    sweep = sweep_gradient_norms(
        config, X, Y, depths=[depth], weight_scales=[scale], seeds=[seed], progress=False
    )
    weight, signal = layer_gradient_norms(params, X, Y, config), backward_signal_norms(params, X, Y, config)
    np.testing.assert_allclose(sweep.weight_gradient[0, 0, 0], np.log10(weight), atol=2e-4)
    np.testing.assert_allclose(sweep.backward_signal[0, 0, 0], np.log10(signal), atol=2e-4)
    np.testing.assert_allclose(log10_layer_gradient_norms(params, X, Y, config), np.log10(weight), atol=2e-4)


@pytest.mark.parametrize(
    ("activation", "scale"), [("tanh", 0.5), ("linear", 3.0), ("sigmoid", 1.0), ("relu", 4.0)]
)
def test_engine_is_right_far_beyond_float32(activation, scale):
    """Against a float64 reverse sweep whose signal is rescaled at every layer."""
    depth = 1000 if activation != "relu" else 400
    config = NetworkConfig(depth, width=16, input_size=16, activation=activation, weight_scale=scale)
    params = init_params(config, key=jax.random.key(0))
    x = X[:8, :16]
    measured = log10_layer_gradient_norms(params, x, Y[:8], config)
    assert np.isfinite(measured).all()
    np.testing.assert_allclose(measured, reference_log10_norms(params, x, Y[:8], activation), atol=2e-2)


def reference_log10_norms(params, x, y, activation):
    function = {
        "tanh": np.tanh,
        "linear": lambda z: z,
        "relu": lambda z: np.maximum(z, 0),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }[activation]
    slope = {
        "tanh": lambda z: 1 - np.tanh(z) ** 2, "linear": np.ones_like, "relu": lambda z: (z > 0).astype(float),
        "sigmoid": lambda z: function(z) * (1 - function(z)),
    }[activation]  # fmt: skip
    *hidden, (readout, bias) = [
        (np.asarray(w, float), np.asarray(b, float)) for w, b in unstack_layers(params)
    ]
    hs, zs, exponents, h, k = [], [], [], x.astype(float), 0.0
    homogeneous = activation in ("linear", "relu")
    for w, b in hidden:
        hs.append(h)
        exponents.append(k)
        z = h @ w + b
        zs.append(z)
        h = function(z)
        if homogeneous:  # no biases here: a factor passes through unchanged
            size = np.abs(h).max()
            h, k = h / size, k + np.log10(size)
    logits = (h @ readout) * (10**k if k < 300 else np.inf) + bias if not homogeneous or k < 300 else None
    if logits is None:  # the softmax is one-hot at the largest logit
        p = np.eye(10)[(h @ readout).argmax(1)]
    else:
        e = np.exp(logits - logits.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
    g, kg, out = (p - np.eye(10)[y]) @ readout.T / len(y), 0.0, []
    for (w, _), h, z, kh in zip(hidden[::-1], hs[::-1], zs[::-1], exponents[::-1], strict=True):
        dz = g * slope(z)
        product = h.T @ dz
        largest = np.abs(product).max()
        out.append(np.log10(np.linalg.norm(product / largest)) + np.log10(largest) + kg + kh)
        g = dz @ w.T
        size = np.abs(g).max()
        g, kg = g / size, kg + np.log10(size)
    return np.array(out[::-1])


def test_one_compilation_serves_all_depths_and_scales():
    norm_engine._sharded_curves.clear_cache()
    for depth in (5, 10, 20, 50, 100, 200, 500, 1000):
        sweep_gradient_norms(
            NetworkConfig(1),
            X,
            Y,
            depths=[depth],
            weight_scales=[0.9 + depth / 1e4],
            seeds=[0],
            progress=False,
        )
    assert norm_engine._sharded_curves._cache_size() == 1


def test_sweep_shards_over_devices_and_marks_what_lies_past_each_depth():
    assert len(jax.devices()) == 8
    depths, scales, seeds = [1, 4, 7], [0.5, 0.8, 1.0, 1.3, 2.0, 2.5, 3.0, 3.5, 4.0], [0, 3]
    sweep = sweep_gradient_norms(
        NetworkConfig(1), X, Y, depths=depths, weight_scales=scales, seeds=seeds, progress=False
    )
    assert sweep.weight_gradient.shape == (3, 9, 2, 7)
    for d, depth in enumerate(depths):
        assert np.isnan(sweep.weight_gradient[d, ..., depth:]).all()
        config = NetworkConfig(depth, weight_scale=scales[-1])
        params = init_params(config, key=jax.random.key(3))
        expected = np.log10(layer_gradient_norms(params, X, Y, config))
        np.testing.assert_allclose(sweep.weight_gradient[d, -1, 1, :depth], expected, atol=1e-4)


@pytest.mark.parametrize("room", [3, 5, 100])
def test_networks_side_by_side_are_the_same_as_one_by_one(monkeypatch, room):
    """As an accelerator takes them: as many draws and weight scales a call as fit."""
    networks = []
    grid = {
        "depths": [1, 4, 7],
        "weight_scales": np.geomspace(0.3, 3, 19),
        "seeds": [0, 3, 5, 6, 8],
        "progress": False,
    }
    for config in (NetworkConfig(1), NetworkConfig(1, input_size=64, width=32, skip="residual")):
        alone = sweep_gradient_norms(config, X, Y, **grid)
        with monkeypatch.context() as patch:
            patch.setattr(norm_engine, "networks_per_call", lambda *_: room)
            plain = norm_engine.log10_norms
            spied = lambda draws, *a, plain=plain, **k: networks.append(len(draws)) or plain(draws, *a, **k)
            patch.setattr(norm_engine, "log10_norms", spied)
            together = sweep_gradient_norms(config, X, Y, **grid)
        np.testing.assert_allclose(together.weight_gradient, alone.weight_gradient, atol=2e-5)
        np.testing.assert_allclose(together.backward_signal, alone.backward_signal, atol=2e-5)
    assert max(networks) == min(room, 5)


def test_relu_hides_vanishing_in_the_ratio_of_weight_gradients():
    config = NetworkConfig(10, activation="relu", weight_scale=0.5)
    params = init_params(config, key=jax.random.key(0))
    weight, signal = (f(params, X, Y, config) for f in (layer_gradient_norms, backward_signal_norms))
    assert 0.2 < float(weight[0] / weight[-1]) < 5 and float(weight.max()) < 1e-3
    assert float(signal[0] / signal[-1]) < 1e-3


def test_float32_underflow_reads_zero_and_the_engine_still_sees(digits):
    config = NetworkConfig(200, activation="sigmoid")
    params = init_params(config, key=jax.random.key(0))
    assert float(layer_gradient_norms(params, X, Y, config)[0]) == 0.0
    assert -200 < log10_layer_gradient_norms(params, X, Y, config)[0] < -100


def test_norm_of_entries_that_float32_cannot_square():
    from course_utils.gradients import frobenius_norms

    stack = jnp.stack([jnp.full((3, 3), 1e-30), jnp.full((3, 3), 1e30), jnp.zeros((3, 3))])
    np.testing.assert_allclose(frobenius_norms(stack), [3e-30, 3e30, 0], rtol=1e-6)


def test_forward_signal_std_of_a_linear_network():
    config = NetworkConfig(20, width=512, input_size=64, activation="linear", weight_scale=0.9)
    stds = np.asarray(forward_signal_std(init_params(config, key=jax.random.key(0)), X, config))
    assert (stds[-1] / stds[0]) ** (1 / 19) == pytest.approx(0.9, rel=0.03)


def test_same_seed_same_numbers():
    sweep = lambda: sweep_gradient_norms(
        NetworkConfig(1), X, Y, depths=[6], weight_scales=[1.0], seeds=[4], progress=False
    )
    np.testing.assert_array_equal(sweep().weight_gradient, sweep().weight_gradient)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"depths": []}, "depths"), ({"depths": [0]}, "depths"), ({"weight_scales": [0.0]}, "weight_scales"),
     ({"weight_scales": 1.0}, "weight_scales"), ({"seeds": [-1]}, "seeds"), ({"seeds": [1.5]}, "seeds")],
)  # fmt: skip
@pytest.mark.usefixtures("as_a_reader")
def test_a_wrong_grid_is_named(wrong, named):
    grid = {"depths": [2], "weight_scales": [1.0], "seeds": [0]} | wrong
    with pytest.raises(ValueError, match=named):
        sweep_gradient_norms(NetworkConfig(1), X, Y, **grid)


@pytest.mark.usefixtures("as_a_reader")
def test_a_wrong_batch_is_named():
    with pytest.raises(ValueError, match="inputs must have shape"):
        sweep_gradient_norms(NetworkConfig(1), X[:, :5], Y, depths=[1], weight_scales=[1.0], seeds=[0])
