"""Deep fully connected networks of one width, described by a `NetworkConfig`.

A hidden layer computes ``h_l = post(h_{l-1} @ W_l + b_l, h_{l-1})``, and `post` (normalize, activate, skip) is written once:
the readable `jax.grad` path, the norm engine in `gradients` and training all call it. Hidden layers 2 to ``depth`` share
one shape, so their parameters are stacked and `jax.lax.scan` walks them.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ._checks import finite_number, one_of, positive_int
from ._shapes import Float, Int
from .initializers import INITIALIZERS, numpy_generator

ACTIVATIONS = {
    "linear": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
}
NORMALIZATIONS = ("none", "batch", "layer", "rms")
SKIPS = ("none", "residual", "rezero")
_NORMALIZATION_EPSILON = 1e-5


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides what a network computes, but for the numbers drawn at random.

    Args:
        depth: number of hidden layers (the readout is not one of them).
        width: units of each hidden layer.
        input_size: features of one sample.
        output_size: classes.
        activation: a name in `ACTIVATIONS`.
        initializer: a name in `INITIALIZERS`.
        weight_scale: σ_w, multiplies the hidden layers' initial weights. With ``scaled_normal`` their standard
            deviation is ``weight_scale / √fan_in``. The readout is always drawn at ``1 / √width``.
        bias_scale: σ_b, standard deviation of the hidden layers' initial biases.
        normalization: ``none``, ``batch`` (statistics of the batch at hand), ``layer`` or ``rms``, before the activation.
        skip: ``none``; ``residual`` (``x + branch_scale · f(x)`` around each hidden layer whose input and output
            widths agree); ``rezero`` (the same, but the branch scale is learned and starts at 0).
        branch_scale: factor of the residual branch.

    Raises:
        ValueError: names the argument, its value and what is allowed.

    >>> NetworkConfig(depth=30, activation="relu", weight_scale=2**0.5).width
    64
    """

    depth: int
    width: int = 64
    input_size: int = 64
    output_size: int = 10
    activation: str = "tanh"
    initializer: str = "scaled_normal"
    weight_scale: float = 1.0
    bias_scale: float = 0.0
    normalization: str = "none"
    skip: str = "none"
    branch_scale: float = 1.0

    def __post_init__(self):
        checked = {
            name: positive_int(name, getattr(self, name))
            for name in ("depth", "width", "input_size", "output_size")
        }
        checked["weight_scale"] = finite_number("weight_scale", self.weight_scale, above=0.0)
        checked["bias_scale"] = finite_number("bias_scale", self.bias_scale, minimum=0.0)
        checked["branch_scale"] = finite_number("branch_scale", self.branch_scale)
        one_of("activation", self.activation, ACTIVATIONS)
        one_of("initializer", self.initializer, INITIALIZERS)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        one_of("skip", self.skip, SKIPS)
        for (
            name,
            value,
        ) in checked.items():  # NumPy's numbers become Python's, so that equal configs hash alike
            object.__setattr__(self, name, value)

    def replace(self, **changes) -> "NetworkConfig":
        """A copy with some fields changed, checked like a new one.

        >>> NetworkConfig(depth=5).replace(depth=10).depth
        10
        """
        return dataclasses.replace(self, **changes)


class Layer(NamedTuple):
    """Parameters of one layer, or of a stack of layers along a leading axis. What a layer lacks is None."""

    weight: Float[Array, "*stack fan_in fan_out"]
    bias: Float[Array, "*stack fan_out"]
    gain: Float[Array, "*stack fan_out"] | None = None
    """Learned scale after normalization, 1 at the start."""
    shift: Float[Array, "*stack fan_out"] | None = None
    """Learned shift after normalization, 0 at the start (RMS norm has none)."""
    branch_scale: Float[Array, "*stack"] | None = None
    """ReZero's learned factor of the branch, 0 at the start."""


class Params(NamedTuple):
    """A network's parameters, a pytree: any optax transformation takes it."""

    first: Layer
    """The first hidden layer, ``[input_size, width]``."""
    hidden: Layer
    """Hidden layers 2 to depth, stacked: ``[depth - 1, width, width]``."""
    readout: Layer
    """From the last hidden layer to the logits, ``[width, output_size]``."""


# Independent sequences of random numbers that one key gives.
_FIRST_STREAM, _HIDDEN_STREAM, _READOUT_STREAM, _FIRST_BIAS_STREAM, _HIDDEN_BIAS_STREAM = range(5)


def init_params(config: NetworkConfig, *, key) -> Params:
    """Draw a network's initial parameters.

    The same key gives the same base draw at any depth and scale: a shallower network is the beginning of a deeper
    one, and the weights are proportional to ``config.weight_scale``.

    Args:
        config: the network.
        key: a JAX key (a whole number stands for ``jax.random.key`` of it).

    Returns:
        `Params` in JAX's default float type.

    Raises:
        ValueError: where ``key`` is not one concrete key.

    >>> params = init_params(NetworkConfig(depth=3), key=jax.random.key(0))
    >>> params.hidden.weight.shape
    (2, 64, 64)
    """
    draw = INITIALIZERS[config.initializer]
    width, stack = config.width, config.depth - 1

    dtype = jnp.result_type(float)

    def layer(stack_shape, fan_in, weight_stream, bias_stream, has_skip):
        weight = draw(numpy_generator(key, weight_stream), (*stack_shape, fan_in, width), config.weight_scale)
        bias = config.bias_scale * numpy_generator(key, bias_stream).standard_normal((*stack_shape, width))
        normalized, shifted = config.normalization != "none", config.normalization in ("batch", "layer")
        return Layer(
            weight=weight,
            bias=bias.astype(dtype),
            gain=np.ones(bias.shape, dtype) if normalized else None,
            shift=np.zeros(bias.shape, dtype) if shifted else None,
            branch_scale=np.zeros(stack_shape, dtype) if config.skip == "rezero" and has_skip else None,
        )

    # LeCun's scale for the readout whatever the slider says: depth and weight scale are about hidden layers.
    readout = INITIALIZERS["lecun_normal"](
        numpy_generator(key, _READOUT_STREAM), (width, config.output_size), 1.0
    )
    params = Params(
        first=layer((), config.input_size, _FIRST_STREAM, _FIRST_BIAS_STREAM, _first_layer_has_skip(config)),
        hidden=layer((stack,), width, _HIDDEN_STREAM, _HIDDEN_BIAS_STREAM, True),
        readout=Layer(readout, np.zeros(config.output_size, dtype)),
    )
    return jax.device_put(params)  # to JAX at the end: each operation of JAX's compiles for each shape


def _first_layer_has_skip(config: NetworkConfig) -> bool:
    return config.skip != "none" and config.input_size == config.width


class BatchStatistics(NamedTuple):
    """What batch normalization subtracts and divides by: each unit's mean and variance over a batch."""

    mean: Float[Array, "*depth width"]
    variance: Float[Array, "*depth width"]


def _normalize(z, kind: str, statistics: BatchStatistics | None = None):
    """Subtract the mean and divide by the standard deviation: over the batch, or over the units of each sample."""
    if kind == "rms":
        return z * lax.rsqrt(jnp.mean(z**2, axis=-1, keepdims=True) + _NORMALIZATION_EPSILON)
    if statistics is not None:
        return (z - statistics.mean[None, :]) * lax.rsqrt(
            statistics.variance[None, :] + _NORMALIZATION_EPSILON
        )
    axis = 0 if kind == "batch" else -1
    centered = z - z.mean(axis, keepdims=True)
    return centered * lax.rsqrt(jnp.mean(centered**2, axis, keepdims=True) + _NORMALIZATION_EPSILON)


def post(layer: Layer, z, h, config: NetworkConfig, statistics: BatchStatistics | None = None):
    """What a hidden layer does after its matrix product: normalize, activate, add the skip connection.

    Args:
        layer: its parameters (weight and bias are not used here).
        z: ``h @ weight + bias``, ``[batch, width]``.
        h: the layer's input, ``[batch, fan_in]``; added to the result where ``fan_in`` equals ``width``.
        config: which normalization, activation and skip.
        statistics: for batch normalization in evaluation mode, ``[width]`` each; those of the batch at hand without them.

    Returns:
        The layer's output, ``[batch, width]``.
    """
    if config.normalization != "none":
        z = layer.gain[None, :] * _normalize(z, config.normalization, statistics)
        if layer.shift is not None:
            z = z + layer.shift[None, :]
    activated = ACTIVATIONS[config.activation](z)
    if config.skip == "none" or h.shape[-1] != z.shape[-1]:
        return activated
    return h + (config.branch_scale if config.skip == "residual" else layer.branch_scale) * activated


def affine(layer: Layer, h):
    """A layer's matrix product, ``h @ weight + bias``."""
    return h @ layer.weight + layer.bias[None, :]


def hidden_outputs(params: Params, inputs, config: NetworkConfig, nudges=None, statistics=None):
    """Every hidden layer's output, ``[depth, batch, width]``, by a scan over the stacked layers.

    ``nudges`` of the same shape are added to the outputs: the derivative of a loss with respect to a nudge of zero is the
    backward signal ∂loss/∂h at that layer. ``statistics`` as in `apply`.
    """
    if nudges is None:
        nudges = jnp.zeros((config.depth, inputs.shape[0], config.width), params.first.weight.dtype)
    first_statistics, other_statistics = (
        jax.tree.map(lambda leaf, part=part: leaf[part], statistics) for part in (0, slice(1, None))
    )
    first = post(params.first, affine(params.first, inputs), inputs, config, first_statistics) + nudges[0]

    def step(h, per_layer):
        layer, nudge, of_layer = per_layer
        h = post(layer, affine(layer, h), h, config, of_layer) + nudge
        return h, h

    _, rest = lax.scan(step, first, (params.hidden, nudges[1:], other_statistics))
    return jnp.concatenate([first[None], rest])


def batch_statistics(
    params: Params, inputs: Float[Array | np.ndarray, "batch input_size"], config: NetworkConfig
) -> BatchStatistics:
    """Mean and variance of each unit's pre-activation over a batch, what batch normalization uses in training mode.

    Average them over the batches of training, for example by ``optax.incremental_update(new, old, 0.1)``, and give the
    average to `apply`: that is evaluation mode, in which a sample's logits no longer depend on its neighbours.

    Args:
        params: the network's parameters.
        inputs: ``[batch, input_size]``.
        config: the network that ``params`` belong to.

    Returns:
        `BatchStatistics` of ``[depth, width]`` each.

    Raises:
        ValueError: where shapes and ``config`` do not agree.

    Source: Ioffe & Szegedy (2015), arXiv:1502.03167, algorithms 1 and 2.

    >>> config = NetworkConfig(depth=3, normalization="batch")
    >>> params, inputs = init_params(config, key=jax.random.key(0)), jnp.eye(64)
    >>> statistics = batch_statistics(params, inputs, config)
    >>> train_mode, eval_mode = apply(params, inputs, config), apply(params, inputs, config, statistics=statistics)
    >>> statistics.mean.shape, bool(jnp.allclose(train_mode, eval_mode, atol=1e-4))
    ((3, 64), True)
    """
    check_shapes(params, inputs, None, config)

    def step(h, layer):
        z = affine(layer, h)
        return post(layer, z, h, config), BatchStatistics(z.mean(0), z.var(0))

    h, first = step(inputs, params.first)
    _, rest = lax.scan(step, h, params.hidden)
    return jax.tree.map(lambda one, others: jnp.concatenate([one[None], others]), first, rest)


def apply(
    params: Params,
    inputs: Float[Array | np.ndarray, "batch input_size"],
    config: NetworkConfig,
    *,
    statistics: BatchStatistics | None = None,
) -> Float[Array, "batch output_size"]:
    """The network's logits.

    Args:
        params: from `init_params`, or trained.
        inputs: ``[batch, input_size]``.
        config: the network that ``params`` belong to.
        statistics: for batch normalization in evaluation mode, `BatchStatistics` of ``[depth, width]`` each; without
            them the batch's own are used, as in training.

    Returns:
        Logits ``[batch, output_size]``.

    Raises:
        ValueError: where shapes and ``config`` do not agree, or statistics come with a network that takes none.

    >>> config = NetworkConfig(depth=3)
    >>> apply(init_params(config, key=jax.random.key(0)), jnp.ones((5, 64)), config).shape
    (5, 10)
    """
    check_shapes(params, inputs, None, config)
    if statistics is not None:
        _check_statistics(statistics, config)
    return affine(params.readout, hidden_outputs(params, inputs, config, statistics=statistics)[-1])


def _check_statistics(statistics: BatchStatistics, config: NetworkConfig) -> None:
    if config.normalization != "batch":
        raise ValueError(
            f"statistics belong to normalization 'batch', and config has {config.normalization!r}"
        )
    for name, values in statistics._asdict().items():
        if np.shape(values) != (config.depth, config.width):
            raise ValueError(
                f"statistics.{name} must have shape [{config.depth}, {config.width}], got {list(np.shape(values))}"
            )


def cross_entropy(logits, labels):
    """Mean softmax cross-entropy of ``[batch, classes]`` logits, in nats."""
    import optax  # most uses of a network need no loss, and this import is slow

    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def loss(
    params: Params,
    inputs: Float[Array | np.ndarray, "batch input_size"],
    labels: Int[Array | np.ndarray, " batch"],
    config: NetworkConfig,
) -> Float[Array, ""]:
    """Mean softmax cross-entropy of the network's logits, in nats: log(classes) for one that guesses.

    Arguments as in `apply`, with ``labels`` ``[batch]`` from 0 to ``output_size - 1``. Differentiate it with respect to
    its first argument.

    >>> config = NetworkConfig(depth=3)
    >>> params = init_params(config, key=jax.random.key(0))
    >>> bool(loss(params, jnp.zeros((4, 64)), jnp.arange(4), config).round(4) == jnp.log(10.0).round(4))
    True
    """
    check_shapes(params, inputs, labels, config)
    return cross_entropy(affine(params.readout, hidden_outputs(params, inputs, config)[-1]), labels)


def unstack_layers(params: Params) -> list[tuple[Float[Array, "fan_in fan_out"], Float[Array, " fan_out"]]]:
    """The layers one by one, ``[(weight, bias), …]`` from the input side to the readout.

    >>> params = init_params(NetworkConfig(depth=2, width=32), key=jax.random.key(0))
    >>> [weight.shape for weight, bias in unstack_layers(params)]
    [(64, 32), (32, 32), (32, 10)]
    """

    def split(stack):
        if isinstance(
            stack, jax.core.Tracer
        ):  # inside jit or grad: one split, whose gradient is one concatenation
            return [part[0] for part in lax.split(stack, (1,) * stack.shape[0])] if stack.shape[0] else []
        return [jnp.asarray(part) for part in np.asarray(stack)]  # NumPy compiles nothing

    hidden = zip(split(params.hidden.weight), split(params.hidden.bias), strict=True)
    return [
        (params.first.weight, params.first.bias),
        *hidden,
        (params.readout.weight, params.readout.bias),
    ]


def check_shapes(params: Params, inputs, labels, config: NetworkConfig) -> None:
    """Raise ``ValueError`` where ``params``, ``inputs`` or ``labels`` do not fit ``config``."""
    if np.ndim(inputs) != 2 or np.shape(inputs)[1] != config.input_size or np.shape(inputs)[0] < 1:
        raise ValueError(f"inputs must have shape [batch, {config.input_size}], got {list(np.shape(inputs))}")
    if labels is not None:
        check_labels(labels, np.shape(inputs)[0], config)
    expected = {
        "first": (config.input_size, config.width),
        "hidden": (config.depth - 1, config.width, config.width),
        "readout": (config.width, config.output_size),
    }
    for name, shape in expected.items():
        actual = getattr(params, name).weight.shape
        if actual != shape:
            raise ValueError(
                f"params.{name}.weight must have shape {list(shape)} for {config}, got {list(actual)}"
            )


def check_labels(labels, batch: int, config: NetworkConfig) -> None:
    """Raise ``ValueError`` where ``labels`` are not ``batch`` class numbers that ``config`` has an output for."""
    if np.shape(labels) != (batch,):
        raise ValueError(
            f"labels must have shape [{batch}], one for each input, got {list(np.shape(labels))}"
        )
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise ValueError(f"labels must be whole numbers, got {jnp.result_type(labels)}")
    if isinstance(labels, jax.core.Tracer):
        return  # values are unknown while tracing; shapes are not
    values = np.asarray(labels)
    if values.min() < 0 or values.max() >= config.output_size:
        raise ValueError(
            f"labels must lie from 0 to {config.output_size - 1}, got values from {values.min()} to {values.max()}"
        )
