"""Weight initialization: how wide each weight is drawn.

Every initializer here is a place on one slider. `scaled_normal` draws ``W_ij ~ N(0, weight_scale² / fan_in)``; LeCun's
rule is ``weight_scale = 1``, Glorot's (Xavier's) is 1 too where a layer is as wide as the one before, He's is √2.

Numbers are drawn by NumPy from a generator seeded by the JAX key: each new shape of `jax.random.normal` costs more than half a
second of compilation, which a slider over depth would pay at every move. The draws for one key are a
sequence: the first matrices of a longer stack are those of a shorter one.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ._checks import finite_number, positive_int
from ._shapes import Float


def numpy_generator(key, stream: int = 0) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key (or by a whole number, which stands for ``jax.random.key`` of it).

    ``stream`` separates independent sequences drawn from the same key.
    """
    if isinstance(key, jax.core.Tracer):
        raise ValueError(
            "key must be a concrete JAX key, got a traced one: draw the parameters outside jit, vmap and grad, "
            "and pass them in"
        )
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if key < 0:
            raise ValueError(f"key must be a JAX key or a whole number of at least 0, got {key!r}")
        if key < 2**31 and jax.config.jax_default_prng_impl == "threefry2x32":
            # The words of jax.random.key(key), without the compilation.
            return _generator_of((0, int(key)), stream)
        key = jax.random.key(int(key))
    if not isinstance(key, jax.Array):
        raise ValueError(f"key must be a JAX key such as jax.random.key(0), got {key!r}")
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    if data.ndim != 1:
        raise ValueError(f"key must be a single JAX key, got an array of keys of shape {key.shape}")
    return _generator_of([int(word) for word in np.asarray(data)], stream)


def _generator_of(words: Sequence[int], stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(words, spawn_key=(stream,)))


def _normal(generator: np.random.Generator, shape: Sequence[int], std: float) -> np.ndarray:
    weights = np.empty(tuple(shape), jnp.result_type(float))
    for matrix in weights.reshape(-1, *shape[-2:]):  # one at a time: a stack of a thousand doubles is large
        matrix[...] = std * generator.standard_normal(matrix.shape)
    return weights


def _orthogonal(generator: np.random.Generator, shape: Sequence[int], scale: float) -> np.ndarray:
    *stack, fan_in, fan_out = shape
    tall = generator.standard_normal((*stack, max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    # Without the signs of R's diagonal the matrices are not uniform over the orthogonal group (Mezzadri 2007).
    q = scale * q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return (q if fan_in >= fan_out else np.swapaxes(q, -1, -2)).astype(jnp.result_type(float))


# name -> draw(generator, shape, weight_scale) of NumPy weights ``[..., fan_in, fan_out]`` in JAX's default float type.
INITIALIZERS: dict[str, Callable[[np.random.Generator, Sequence[int], float], np.ndarray]] = {
    "scaled_normal": lambda generator, shape, scale: _normal(generator, shape, scale / math.sqrt(shape[-2])),
    "xavier_normal": lambda generator, shape, scale: _normal(
        generator, shape, scale * math.sqrt(2 / sum(shape[-2:]))
    ),
    "he_normal": lambda generator, shape, scale: _normal(generator, shape, scale * math.sqrt(2 / shape[-2])),
    "lecun_normal": lambda generator, shape, scale: _normal(generator, shape, scale / math.sqrt(shape[-2])),
    "orthogonal": _orthogonal,
}


def _draw(name: str, shape: Sequence[int], weight_scale: float, key) -> Float[Array, "..."]:
    if not isinstance(shape, Sequence) or len(shape) < 2:
        raise ValueError(f"shape must hold at least [fan_in, fan_out], got {shape!r}")
    for size in shape[-2:]:
        positive_int("shape", size)
    weight_scale = finite_number("weight_scale", weight_scale, above=0.0)
    return jnp.asarray(INITIALIZERS[name](numpy_generator(key), tuple(shape), weight_scale))


def scaled_normal(shape: Sequence[int], weight_scale: float = 1.0, *, key) -> Float[Array, "..."]:
    """Normal weights of standard deviation ``weight_scale / √fan_in``: the slider itself.

    Args:
        shape: ``[fan_in, fan_out]``, after any number of axes that stack layers.
        weight_scale: σ_w, greater than 0.
        key: a JAX key.

    Returns:
        Weights of that shape, in JAX's default float type.

    Raises:
        ValueError: where ``shape`` has fewer than two axes, ``weight_scale`` is not positive or ``key`` is no key.

    Source: Poole et al. (2016), arXiv:1606.05340, section 2.

    >>> round(float(scaled_normal((400, 400), 2.0, key=jax.random.key(0)).std()), 3)
    0.1
    """
    return _draw("scaled_normal", shape, weight_scale, key)


def xavier_normal(shape: Sequence[int], *, key) -> Float[Array, "..."]:
    """Normal weights of variance ``2 / (fan_in + fan_out)``, a compromise between the forward and the backward signal.

    Arguments, result and errors as in `scaled_normal`. Source: Glorot & Bengio (2010), equation 12.

    >>> round(float(xavier_normal((300, 500), key=jax.random.key(0)).std()), 3)
    0.05
    """
    return _draw("xavier_normal", shape, 1.0, key)


def he_normal(shape: Sequence[int], *, key) -> Float[Array, "..."]:
    """Normal weights of variance ``2 / fan_in``: the 2 makes up for the half that ReLU sets to zero.

    Arguments, result and errors as in `scaled_normal`. Source: He et al. (2015), arXiv:1502.01852, equation 10.

    >>> round(float(he_normal((800, 100), key=jax.random.key(0)).std()), 3)
    0.05
    """
    return _draw("he_normal", shape, 1.0, key)


def lecun_normal(shape: Sequence[int], *, key) -> Float[Array, "..."]:
    """Normal weights of variance ``1 / fan_in``, which keeps the forward signal of a linear layer.

    Arguments, result and errors as in `scaled_normal`. Source: LeCun et al. (1998), Efficient BackProp, section 4.6.

    >>> round(float(lecun_normal((400, 100), key=jax.random.key(0)).std()), 3)
    0.05
    """
    return _draw("lecun_normal", shape, 1.0, key)


def orthogonal(shape: Sequence[int], *, key) -> Float[Array, "..."]:
    """Matrices whose rows or columns (the fewer of the two) are orthonormal: a square one keeps every length.

    Arguments, result and errors as in `scaled_normal`. Source: Saxe et al. (2014), arXiv:1312.6120.

    >>> w = orthogonal((3, 3), key=jax.random.key(0))
    >>> bool(jnp.allclose(w @ w.T, jnp.eye(3), atol=1e-5))
    True
    """
    return _draw("orthogonal", shape, 1.0, key)
