"""How large the gradient is in each layer: the quantities that the course is about.

Two norms describe a layer's gradient, and they behave differently.

* The *weight gradient* ∂loss/∂W_l decides the layer's update.
* The *backward signal* ∂loss/∂h_l is what backpropagation multiplies, and what theory's χ predicts.

For ReLU networks without biases the weight gradient is about the same in every layer at any weight scale: what the backward signal loses on its
way, the forward signal gains. So look at both, and at absolute norms, not only at the ratio of first to last layer.

`layer_gradient_norms` and `backward_signal_norms` are the readable path. `log10_layer_gradient_norms` and `sweep_gradient_norms` run on the
norm engine, which is right far beyond float32's range and compiles once for all depths and scales.
"""

import functools
import hashlib
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from tqdm.auto import tqdm

from . import norm_engine
from ._build import in_build
from ._checks import finite_number, non_empty, nonnegative_int, positive_int
from ._partial import resumable
from ._shapes import Float, Float32, Int
from .networks import (
    NetworkConfig,
    Params,
    affine,
    check_labels,
    check_shapes,
    cross_entropy,
    hidden_outputs,
    init_params,
)

_log = logging.getLogger(__name__)

Inputs = Float[Array | np.ndarray, "batch input_size"]
Labels = Int[Array | np.ndarray, " batch"]


def frobenius_norms(stack) -> Float[Array, " layers"]:
    """Norm of each item along the first axis, without squaring entries that float32 cannot square."""
    axes = tuple(range(1, stack.ndim))
    largest = jnp.max(jnp.abs(stack), axis=axes, initial=0.0)
    safe = jnp.where(largest > 0, largest, 1)
    return largest * jnp.sqrt(jnp.sum((stack / safe.reshape(-1, *[1] * len(axes))) ** 2, axis=axes))


def hidden_weight_norms(params: Params) -> Float[Array, " depth"]:
    """Frobenius norm of each hidden layer's weight matrix (or of its gradient), nearest the input first."""
    return jnp.concatenate(
        [frobenius_norms(params.first.weight[None]), frobenius_norms(params.hidden.weight)]
    )


def _loss_at_nudges(params, nudges, inputs, labels, config):
    return cross_entropy(affine(params.readout, hidden_outputs(params, inputs, config, nudges)[-1]), labels)


@functools.partial(jax.jit, static_argnames="config")
def _norms(params, inputs, labels, config):
    """Weight-gradient and backward-signal norms of every layer, by one call of `jax.grad`."""
    nudges = jnp.zeros((config.depth, inputs.shape[0], config.width), params.first.weight.dtype)
    weight, signal = jax.grad(_loss_at_nudges, argnums=(0, 1))(params, nudges, inputs, labels, config)
    return hidden_weight_norms(weight), frobenius_norms(signal)


def layer_gradient_norms(
    params: Params, inputs: Inputs, labels: Labels, config: NetworkConfig
) -> Float[Array, " depth"]:
    """Frobenius norm of ∂loss/∂W for each hidden layer, nearest the input first.

    Args:
        params: the network's parameters.
        inputs: ``[batch, input_size]``.
        labels: ``[batch]``, from 0 to ``output_size - 1``.
        config: the network that ``params`` belong to.

    Returns:
        ``[depth]``. Layers below 1e-38 read 0 and layers above 1e38 inf: `log10_layer_gradient_norms` sees further.

    Raises:
        ValueError: where shapes, labels and ``config`` do not agree.

    Source: Glorot & Bengio (2010), figure 7 draws the same quantity.

    >>> from course_utils import NetworkConfig, init_params, load_digits
    >>> config, digits = NetworkConfig(depth=10, activation="sigmoid"), load_digits()
    >>> norms = layer_gradient_norms(init_params(config, key=jax.random.key(0)), digits.inputs, digits.labels, config)
    >>> bool(norms[0] < 1e-4 * norms[-1])
    True
    """
    check_shapes(params, inputs, labels, config)
    return _norms(params, inputs, labels, config)[0]


def backward_signal_norms(
    params: Params, inputs: Inputs, labels: Labels, config: NetworkConfig
) -> Float[Array, " depth"]:
    """Frobenius norm of ∂loss/∂h over the batch, for each hidden layer's output h, nearest the input first.

    Arguments, range and errors as in `layer_gradient_norms`. In theory its square grows by χ a layer towards the input
    (`theory.gradient_growth_factor`). Source: Schoenholz et al. (2017), arXiv:1611.01232, section 4.

    >>> from course_utils import NetworkConfig, init_params
    >>> config = NetworkConfig(depth=4, activation="linear", initializer="orthogonal")
    >>> params = init_params(config, key=jax.random.key(0))
    >>> norms = backward_signal_norms(params, jnp.ones((2, 64)), jnp.array([0, 1]), config)
    >>> bool(jnp.allclose(norms, norms[0]))
    True
    """
    check_shapes(params, inputs, labels, config)
    return _norms(params, inputs, labels, config)[1]


@functools.partial(jax.jit, static_argnames="config")
def _signal_std(params, inputs, config):
    return hidden_outputs(params, inputs, config).std(axis=(1, 2))


def forward_signal_std(params: Params, inputs: Inputs, config: NetworkConfig) -> Float[Array, " depth"]:
    """Standard deviation of each hidden layer's outputs, over batch and units, nearest the input first.

    Arguments and errors as in `layer_gradient_norms`, without labels.

    >>> from course_utils import NetworkConfig, init_params
    >>> config = NetworkConfig(depth=6, weight_scale=0.5)
    >>> stds = forward_signal_std(init_params(config, key=jax.random.key(0)), jnp.eye(64), config)
    >>> bool((stds[1:] < stds[:-1]).all())
    True
    """
    check_shapes(params, inputs, None, config)
    return _signal_std(params, inputs, config)


def log10_layer_gradient_norms(
    params: Params, inputs: Inputs, labels: Labels, config: NetworkConfig
) -> Float[np.ndarray, " depth"]:
    """log10 of `layer_gradient_norms`, right far beyond float32's range, at any depth from one compilation.

    Arguments and errors as in `layer_gradient_norms`. An exact zero gives -inf.

    >>> from course_utils import NetworkConfig, init_params
    >>> config = NetworkConfig(depth=200, activation="sigmoid")
    >>> params = init_params(config, key=jax.random.key(0))
    >>> bool(log10_layer_gradient_norms(params, jnp.ones((2, 64)), jnp.array([0, 1]), config)[0] < -120)
    True
    """
    check_shapes(params, inputs, labels, config)
    mesh = norm_engine.Mesh(np.array(jax.local_devices()[:1]), ("configurations",))
    capacity = norm_engine.capacity_for(config.depth, np.shape(inputs)[0], config.width)
    weight, _ = norm_engine.log10_norms(
        [norm_engine.stack_layers(params, capacity)], inputs, labels,
        depths=[config.depth], weight_scales=[1.0], config=config, mesh=mesh,
    )  # fmt: skip
    return weight[0, 0, 0, : config.depth]


class GradientSweep(NamedTuple):
    """log10 norms over a grid of depths, weight scales and seeds; from `sweep_gradient_norms`."""

    depths: tuple[int, ...]
    weight_scales: tuple[float, ...]
    seeds: tuple[int, ...]
    weight_gradient: Float32[np.ndarray, "depths weight_scales seeds max_depth"]
    """log10 ‖∂loss/∂W_l‖, NaN past each depth, -inf where it is exactly 0."""
    backward_signal: Float32[np.ndarray, "depths weight_scales seeds max_depth"]
    """log10 ‖∂loss/∂h_l‖, likewise."""


_CACHED_NETWORKS = 6  # an explorer with three seeds and a comparison


@functools.lru_cache(maxsize=_CACHED_NETWORKS)
def _base_draw(config: NetworkConfig, seed: int, capacity: int, x64: bool) -> Params:
    """One seed's stacked parameters at weight scale 1. Cached: a slider asks for the same ones at every move."""
    return norm_engine.stack_layers(init_params(config, key=seed), capacity)


def _digest(array) -> str:
    array = np.asarray(array)
    return hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()


def _tell_size(networks: int, numbers: int, together: int, mesh) -> None:
    """Refuse a sweep whose result is larger than the memory; say so where an accelerator takes it in parts."""
    each = 2 * 2 * 4 * numbers  # two float32 norms, held twice: as finished parts and in the result
    needed, available = networks * each, norm_engine.computers_memory()
    if needed > available:
        raise ValueError(
            f"depths, weight_scales and seeds must give a result that fits the memory: {networks} networks take "
            f"{needed / 1e9:.3g} GB, and there are {available / 1e9:.3g} GB. At most {int(available // each)} "
            "networks fit"
        )
    if networks > together and mesh.devices.flat[0].platform != "cpu" and not in_build():
        _log.warning("%d networks are more than fit side by side: taking %d at a time.", networks, together)


def sweep_gradient_norms(
    config: NetworkConfig,
    inputs: Inputs,
    labels: Labels,
    *,
    depths,
    weight_scales,
    seeds,
    progress: bool = True,
) -> GradientSweep:
    """Gradient norms of every layer of freshly initialized networks, over depths × weight scales × seeds.

    One compilation serves all depths and scales, and later calls with other ones too. The networks are those of `init_params` with
    ``key=jax.random.key(seed)``. With several JAX devices the weight scales are shared among them.

    Args:
        config: everything but depth and weight_scale, which the grid replaces.
        inputs: ``[batch, input_size]``.
        labels: ``[batch]``, from 0 to ``output_size - 1``.
        depths: numbers of hidden layers, each at least 1.
        weight_scales: values of σ_w, each greater than 0.
        seeds: whole numbers of at least 0.
        progress: show a bar where the sweep takes longer than a second.

    Returns:
        `GradientSweep`, its arrays of shape ``[depths, weight_scales, seeds, max(depths)]``.

    Raises:
        ValueError: where an argument is empty, out of range or of the wrong shape, or the memory is too small.

    Interrupted by Ctrl-C, it keeps what is finished: the same call goes on from there.

    A new process compiles anew, unless JAX has a cache on disk: with ``JAX_COMPILATION_CACHE_DIR=folder`` and
    ``JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0``, the compiled sweep is kept there, ready to run.

    >>> from course_utils import NetworkConfig
    >>> sweep = sweep_gradient_norms(NetworkConfig(depth=1), jnp.eye(64), jnp.zeros(64, int), depths=[2, 20],
    ...     weight_scales=[0.5, 1.0], seeds=[0], progress=False)
    >>> sweep.weight_gradient.shape
    (2, 2, 1, 20)
    """
    depths = non_empty("depths", depths, positive_int)
    weight_scales = non_empty("weight_scales", weight_scales, functools.partial(finite_number, above=0.0))
    seeds = non_empty("seeds", seeds, nonnegative_int)
    if np.ndim(inputs) != 2 or np.shape(inputs)[1] != config.input_size:
        raise ValueError(f"inputs must have shape [batch, {config.input_size}], got {list(np.shape(inputs))}")
    check_labels(labels, np.shape(inputs)[0], config)

    mesh = norm_engine.default_mesh()
    deepest = max(depths)
    capacity = norm_engine.capacity_for(deepest, np.shape(inputs)[0], config.width)
    drawn = min(
        capacity, next((tier for tier in (64, 256) if deepest <= tier), capacity)
    )  # nearby depths share a draw
    base = config.replace(depth=drawn, weight_scale=1.0)
    together = norm_engine.networks_per_call(mesh, capacity, np.shape(inputs)[0], config.width)
    total = len(seeds) * len(weight_scales)
    _tell_size(total, len(depths) * deepest, together * mesh.size, mesh)
    grids = np.empty((2, len(depths), len(weight_scales), len(seeds), deepest), np.float32)
    call = lambda: (config, depths, weight_scales, seeds, _digest(inputs), _digest(labels), together)
    networks = lambda finished: sum(
        part.shape[1] * part.shape[2] for of in finished.values() for part in of.values()
    )
    with (
        resumable("gradient norms", call, lambda finished: f"{networks(finished)} of {total} networks") as finished,
        tqdm(
            total=total, desc="gradient norms", unit="network", delay=1.0, leave=False,
            disable=not progress or in_build(),
        ) as bar,
    ):  # fmt: skip
        # More seeds than the cache holds would only push one another out of it.
        draw = _base_draw if len(seeds) <= _CACHED_NETWORKS else _base_draw.__wrapped__
        for start in range(0, len(seeds), together):
            part = seeds[start : start + together]
            curves = norm_engine.log10_norms(
                [draw(base, seed, capacity, jax.config.jax_enable_x64) for seed in part], inputs, labels,
                depths=depths, weight_scales=weight_scales, config=config, mesh=mesh,
                finished=finished.setdefault(start, {}), on_step=bar.update,
            )  # fmt: skip
            for grid, curve in zip(grids, curves, strict=True):
                grid[:, :, start : start + len(part)] = curve.transpose(2, 1, 0, 3)
    return GradientSweep(depths, weight_scales, seeds, *grids)
