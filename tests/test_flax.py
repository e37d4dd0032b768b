"""Flax as an independent reference, and as a network that is not ours."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from course_utils import (
    Layer,
    NetworkConfig,
    batch_statistics,
    diagnose,
    init_params,
    record_gradient_norms,
    recorded_history,
)
from course_utils.networks import post

EPSILON = 1e-5
MODULES = {
    "batch": linen.BatchNorm(use_running_average=False, epsilon=EPSILON),
    "layer": linen.LayerNorm(epsilon=EPSILON),
    "rms": linen.RMSNorm(epsilon=EPSILON),
}


@pytest.mark.parametrize("kind", MODULES)
def test_normalizations_and_their_gradients_equal_flax(kind):
    generator = np.random.default_rng(0)
    z, upstream = (jnp.asarray(3 * generator.standard_normal((32, 16)) + 1, float) for _ in range(2))
    gain, shift = (jnp.asarray(generator.standard_normal(16), float) for _ in range(2))
    config = NetworkConfig(depth=1, width=16, input_size=16, activation="linear", normalization=kind)

    def ours(z, gain, shift):
        layer = Layer(jnp.eye(16), jnp.zeros(16), gain, None if kind == "rms" else shift)
        return (post(layer, z, z, config) * upstream).sum()

    def theirs(z, gain, shift):
        params = {"scale": gain} if kind == "rms" else {"scale": gain, "bias": shift}
        variables = {"params": params, "batch_stats": {"mean": jnp.zeros(16), "var": jnp.ones(16)}}
        out, _ = MODULES[kind].apply(variables, z, mutable=["batch_stats"])
        return (out * upstream).sum()

    for mine, flax in zip(*(jax.grad(f, (0, 1, 2))(z, gain, shift) for f in (ours, theirs)), strict=True):
        np.testing.assert_allclose(mine, flax, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(ours(z, gain, shift), theirs(z, gain, shift), rtol=1e-4)


def test_batch_statistics_equal_flax(digits):
    config = NetworkConfig(depth=1, normalization="batch")
    params = init_params(config, key=jax.random.key(0))
    ours = batch_statistics(params, digits.inputs, config)
    z = digits.inputs @ params.first.weight
    module = linen.BatchNorm(use_running_average=False, momentum=0.0)
    _, updated = module.init_with_output(jax.random.key(0), z)
    variables = module.apply(updated, z, mutable=["batch_stats"])[1]["batch_stats"]
    np.testing.assert_allclose(ours.mean[0], variables["mean"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.variance[0], variables["var"], rtol=1e-4)


class Linen(linen.Module):
    """Eleven layers of sigmoid."""

    @linen.compact
    def __call__(self, x):
        for _ in range(10):
            x = linen.sigmoid(linen.Dense(64)(x))
        return linen.Dense(10)(x)


class Nnx(nnx.Module):
    """The same, in Flax's newer style."""

    def __init__(self, rngs):
        for i in range(11):
            setattr(self, f"dense_{i}", nnx.Linear(64, 64 if i < 10 else 10, rngs=rngs))

    def __call__(self, x):
        for i in range(10):
            x = nnx.sigmoid(getattr(self, f"dense_{i}")(x))
        return self.dense_10(x)


def linen_network(inputs):
    module = Linen()
    return module.init(jax.random.key(0), inputs), module.apply


def nnx_network(inputs):
    graph, params = nnx.split(Nnx(nnx.Rngs(0)))
    return params, lambda params, x: nnx.merge(graph, params)(x)


@pytest.mark.parametrize("make", [linen_network, nnx_network])
def test_a_flax_network_is_watched_without_a_change_to_its_loop(digits, make):
    x, y = digits.inputs[:128], digits.labels[:128]

    def trained(optimizer):
        params, apply = make(x)
        loss = lambda params: optax.softmax_cross_entropy_with_integer_labels(apply(params, x), y).mean()

        @jax.jit
        def step(params, state):
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state

        state = optimizer.init(params)
        for _ in range(25):
            params, state = step(params, state)
        return params, state

    plain, _ = trained(optax.adam(1e-3))
    watched, state = trained(optax.chain(record_gradient_norms(), optax.adam(1e-3)))
    jax.tree.map(np.testing.assert_array_equal, plain, watched)
    history = recorded_history(state)
    assert history.gradient_norm.shape == (25, 11)
    layers = [int("".join(filter(str.isdigit, name))) for name in history.layers]
    assert layers == list(range(11))  # from the input side on, and not 0, 1, 10, 2
    assert any(symptom.kind == "vanishing" and symptom.number == 2 for symptom in diagnose(history))
