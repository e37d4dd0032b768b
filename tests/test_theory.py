import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_utils import (
    ACTIVATIONS,
    critical_weight_scale,
    depth_scale,
    fixed_point_variance,
    gradient_growth_factor,
    theory,
    variance_map,
)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float64_activations_and_slopes_equal_jax(name):
    phi, slope = theory._ACTIVATIONS[name]
    z = np.concatenate([np.linspace(-6, 6, 41), [-40.0, 40.0]]) + 1e-3
    np.testing.assert_allclose(phi(z), ACTIVATIONS[name](jnp.asarray(z)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        slope(z), jax.vmap(jax.grad(ACTIVATIONS[name]))(jnp.asarray(z, dtype=float)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "softplus"])
def test_quadrature_equals_gauss_hermite_where_that_is_right(name):
    x, w = np.polynomial.hermite_e.hermegauss(120)
    phi, _ = theory._ACTIVATIONS[name]
    expected = w @ phi(np.sqrt(0.7) * x) ** 2 / math.sqrt(2 * math.pi)
    assert variance_map(0.7, name, 1.0) == pytest.approx(expected, rel=1e-7)


def test_closed_forms():
    assert gradient_growth_factor("linear", 1.1) == pytest.approx(1.21)
    assert gradient_growth_factor("relu", 1.6) == pytest.approx(1.28)
    assert gradient_growth_factor("tanh", 0.8) == pytest.approx(0.64)
    assert fixed_point_variance("relu", 1.0, 0.5) == pytest.approx(0.25 / 0.5, rel=1e-8)
    assert fixed_point_variance("linear", 1.0) == pytest.approx(1.0)
    assert critical_weight_scale("relu") == pytest.approx(math.sqrt(2))
    assert critical_weight_scale("linear") == pytest.approx(1.0)
    assert critical_weight_scale("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 0.01**2)))
    assert gradient_growth_factor("selu", 1.0) == pytest.approx(1.0716, abs=2e-4)
    assert fixed_point_variance("selu", 1.0) == pytest.approx(1.0, rel=1e-6)  # Klambauer et al. (2017)
    assert gradient_growth_factor("gelu", 1.0) == pytest.approx(0.25) and critical_weight_scale(
        "sigmoid"
    ) == pytest.approx(10.15, abs=0.01)


def test_depth_scale_is_where_the_signal_changes_by_e():
    assert gradient_growth_factor("tanh", 0.9) ** depth_scale("tanh", 0.9) == pytest.approx(math.exp(-1))
    assert gradient_growth_factor("tanh", 1.5) ** depth_scale("tanh", 1.5) == pytest.approx(math.e)
    assert depth_scale("linear", 1.0) == math.inf


def test_fixed_point_is_one():
    q = fixed_point_variance("tanh", 1.7, 0.2)
    assert variance_map(q, "tanh", 1.7, 0.2) == pytest.approx(q, rel=1e-9)


def test_wide_scale_quadrature_sees_a_saturated_sigmoid():
    # For huge variance E[σ'(z)²] → density at 0 · ∫σ'² dz = (1 / √(2πq)) / 6.
    q = 1e8
    assert theory._mean_square(theory._ACTIVATIONS["sigmoid"][1], q) == pytest.approx(
        1 / (6 * math.sqrt(2 * math.pi * q)), rel=1e-3
    )


@pytest.mark.parametrize(
    ("call", "named"),
    [(lambda: variance_map(-1.0, "tanh", 1.0), "variance"), (lambda: gradient_growth_factor("sine", 1.0), "activation"),
     (lambda: gradient_growth_factor("tanh", 0.0), "weight_scale"), (lambda: critical_weight_scale("tanh", -1.0), "bias_scale"),
     (lambda: critical_weight_scale("tanh", 1e9), "no critical weight_scale")],
)  # fmt: skip
@pytest.mark.usefixtures("as_a_reader")
def test_wrong_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
