"""What mean-field theory predicts for wide networks: two numbers that decide the fate of signals and gradients.

In a wide layer the pre-activations z are Gaussian. Their variance q goes from layer to layer by the *variance map*
``q → σ_w² E[φ(√q·u)²] + σ_b²`` with u standard normal, and settles at a fixed point q*. There, backpropagation multiplies
the squared backward signal by ``χ = σ_w² E[φ'(√q*·u)²]`` in each layer: below 1 gradients vanish, above 1 they explode.

Expectations are integrals by Gauss–Legendre quadrature on panels that shrink towards 0. Plain Gauss–Hermite nodes lie too
far apart for ReLU's kink at 0, and for φ' of a saturated sigmoid, which is a spike near 0 when q is large.
"""

import itertools
import math

import numpy as np

from ._checks import finite_number, one_of

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _sigmoid(z):
    return np.exp(-np.logaddexp(0.0, -z))


def _normal_cdf(z):
    return 0.5 * np.vectorize(math.erfc)(-z / math.sqrt(2))


def _normal_density(z):
    return np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)


def _elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def _elu_slope(z):
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0)))


def _selu(z):
    return _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * _elu(z))


def _selu_slope(z):
    return _SELU_SCALE * np.where(z > 0, 1.0, _SELU_ALPHA * _elu_slope(z))


# name -> (φ, φ'), in float64 and apart from networks.ACTIVATIONS, so that a test can hold one against the other.
_ACTIVATIONS = {
    "linear": (lambda z: z, np.ones_like),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (np.tanh, lambda z: 4 * _sigmoid(2 * z) * _sigmoid(-2 * z)),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(float)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": (_elu, _elu_slope),
    "selu": (_selu, _selu_slope),
    "gelu": (lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_density(z)),
    "silu": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "softplus": (lambda z: np.logaddexp(0.0, z), _sigmoid),
}

_NEXT_TO_ZERO, _NEXT_TO_INFINITY = 1e-30, 1e24  # variances that stand for the fixed points 0 and inf


def _half_line_rule(nodes_a_panel: int = 16):
    """Nodes u > 0 and weights (density included) for E over the positive half of a standard normal."""
    edges = np.concatenate([[0.0], 2.0 ** np.arange(-40, 3), [6.0, 8.5, 12.0]])
    x, w = np.polynomial.legendre.leggauss(nodes_a_panel)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    u = (middle[:, None] + half[:, None] * x).ravel()
    return u, (half[:, None] * w).ravel() * _normal_density(u)


_NODES, _WEIGHTS = _half_line_rule()


def _mean_square(function, variance: float) -> float:
    """E[function(√variance·u)²] for a standard normal u."""
    z = math.sqrt(variance) * _NODES
    return float(_WEIGHTS @ (function(z) ** 2 + function(-z) ** 2))


def _checked(activation, weight_scale, bias_scale):
    one_of("activation", activation, _ACTIVATIONS)
    weight_scale = finite_number("weight_scale", weight_scale, above=0.0)
    return *_ACTIVATIONS[activation], weight_scale, finite_number("bias_scale", bias_scale, minimum=0.0)


def variance_map(variance: float, activation: str, weight_scale: float, bias_scale: float = 0.0) -> float:
    """Variance of the next layer's pre-activations, ``σ_w² E[φ(√variance·u)²] + σ_b²``.

    Args:
        variance: of this layer's pre-activations, at least 0.
        activation: a name in `ACTIVATIONS`.
        weight_scale: σ_w, greater than 0.
        bias_scale: σ_b, at least 0.

    Returns:
        The next variance.

    Raises:
        ValueError: where an argument is unknown or out of range.

    Source: Poole et al. (2016), arXiv:1606.05340, equation 3.

    >>> round(variance_map(3.0, "relu", 2**0.5), 9)
    3.0
    """
    phi, _, weight_scale, bias_scale = _checked(activation, weight_scale, bias_scale)
    return (
        weight_scale**2 * _mean_square(phi, finite_number("variance", variance, minimum=0.0)) + bias_scale**2
    )


def fixed_point_variance(activation: str, weight_scale: float, bias_scale: float = 0.0) -> float:
    """Where the variance of the pre-activations settles in a deep network: q*.

    The input has variance 1, so the first layer starts at ``σ_w² + σ_b²``. From there the variance map leads to the next
    fixed point above or below. Where every variance is a fixed point (linear at σ_w = 1, ReLU at √2), it stays.

    Arguments and errors as in `variance_map`. Returns 0 where the signal dies out and inf where it grows without bound.

    Source: Poole et al. (2016), arXiv:1606.05340, section 2.

    >>> fixed_point_variance("tanh", 0.9), fixed_point_variance("linear", 1.1)
    (0.0, inf)
    >>> round(fixed_point_variance("tanh", 1.5), 3)
    0.793
    """
    phi, _, weight_scale, bias_scale = _checked(activation, weight_scale, bias_scale)

    def growth(log_variance):
        variance = math.exp(log_variance)
        return math.log((weight_scale**2 * _mean_square(phi, variance) + bias_scale**2) / variance)

    here = math.log(weight_scale**2 + bias_scale**2)
    if abs(growth(here)) < 1e-12:
        return math.exp(here)
    direction = math.copysign(0.25, growth(here))
    limit = math.log(_NEXT_TO_INFINITY if direction > 0 else 1e-9)
    while (limit - here) * direction > 0:
        there = here + direction
        if growth(there) * direction <= 0:
            return math.exp(_bisect(growth, min(here, there), max(here, there)))
        here = there
    return math.inf if direction > 0 else 0.0


def gradient_growth_factor(activation: str, weight_scale: float, bias_scale: float = 0.0) -> float:
    """χ: the factor by which one layer, passed from output to input, multiplies the squared backward signal ‖∂loss/∂h‖².

    Arguments and errors as in `variance_map`. Holds for plain wide networks (no normalization, no skip) once the forward
    variance has settled; it says nothing about the weight gradient ∂loss/∂W.

    Source: Schoenholz et al. (2017), arXiv:1611.01232, equation 4 and section 4.

    >>> round(gradient_growth_factor("relu", 1.0), 6), round(gradient_growth_factor("sigmoid", 1.0), 4)
    (0.5, 0.0557)
    """
    _, slope, weight_scale, bias_scale = _checked(activation, weight_scale, bias_scale)
    variance = fixed_point_variance(activation, weight_scale, bias_scale)
    return weight_scale**2 * _mean_square(slope, min(max(variance, _NEXT_TO_ZERO), _NEXT_TO_INFINITY))


def depth_scale(activation: str, weight_scale: float, bias_scale: float = 0.0) -> float:
    """ξ = 1 / |ln χ|: the number of layers over which the squared backward signal changes by a factor of e.

    Networks much deeper than a few ξ do not train by plain gradient descent: Schoenholz et al. measured 6 ξ. Arguments and
    errors as in `gradient_growth_factor`. Returns inf at χ = 1, where depth does no harm.

    Source: Schoenholz et al. (2017), arXiv:1611.01232, sections 4 and 5.

    >>> round(depth_scale("tanh", 0.9), 2), round(depth_scale("relu", 1.0), 2)
    (4.75, 1.44)
    """
    rate = abs(math.log(gradient_growth_factor(activation, weight_scale, bias_scale)))
    return 1 / rate if rate > 1e-12 else math.inf


def critical_weight_scale(activation: str, bias_scale: float = 0.0) -> float:
    """The smallest σ_w at which χ reaches 1: below it gradients vanish.

    Where χ jumps past 1 (GELU and SiLU, whose signal switches from dying out to growing without bound), it is the place
    of the jump.

    Args:
        activation: a name in `ACTIVATIONS`.
        bias_scale: σ_b, at least 0.

    Returns:
        σ_w, to a relative 1e-9.

    Raises:
        ValueError: where an argument is unknown or out of range, or no σ_w from 0.01 to 100 is critical.

    Source: Schoenholz et al. (2017), arXiv:1611.01232, section 3 ("edge of chaos").

    >>> round(critical_weight_scale("relu"), 6), round(critical_weight_scale("tanh", 0.05), 3)
    (1.414214, 1.123)
    """
    _checked(activation, 1.0, bias_scale)

    def excess(log_scale):
        return math.log(max(gradient_growth_factor(activation, math.exp(log_scale), bias_scale), 1e-300))

    grid = np.log(np.geomspace(0.01, 100, 81))
    for low, high in itertools.pairwise(grid):
        if excess(high) >= 0:
            return math.exp(_bisect(excess, low, high))
    raise ValueError(
        f"activation {activation!r} has no critical weight_scale between 0.01 and 100 at bias_scale {bias_scale}"
    )


def _bisect(function, low: float, high: float) -> float:
    """Where ``function`` changes sign between ``low`` and ``high``, be it by a jump."""
    rising = function(high) > function(low)
    while high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        middle = (low + high) / 2
        if (function(middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return (low + high) / 2
