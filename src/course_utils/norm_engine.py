"""The norm engine: layer-wise gradient norms of any depth and any weight scale from one compilation.

`gradients.layer_gradient_norms` is the readable path: `jax.grad` of a loss, then a norm for each layer. It compiles
anew for each depth, and in float32 it loses the layers whose gradients lie below 1e-38 or above 1e38. Sliders and
maps need every depth and every scale, now. Seven ideas give them that.

**Depth is data.** A network of depth d is the first d layers of a stack of fixed capacity. The forward sweep is a
loop whose length is a traced number, so the compiled program does not depend on d and costs what d costs. JAX cannot
differentiate such a loop in reverse, so the reverse sweep is written out here. For layer l with input h,
pre-activation z = h @ W + b and output h' = post(z, h), and with g = ∂loss/∂h' at hand:

    dz, dh = the vector-Jacobian product of post at (z, h), applied to g      (JAX derives it)
    ∂loss/∂W = hᵀ @ dz              only its norm is kept, never the matrix
    ∂loss/∂h = dz @ Wᵀ + dh         the next g, and its norm is the backward signal

**Depths share a sweep.** Every shallower network is the beginning of the deepest one, so one forward sweep serves
all. The reverse sweep visits each layer once too, and takes the g of every network that has the layer through it:
the derivatives of post are computed once for all of them.

**Weight scale is data.** Weights are ``scale · W0`` with one base draw W0 a seed.

**Powers of two are carried apart.** h and z are kept as h · 2^-k with one whole number k a layer, g likewise.
Multiplying by a power of two rounds nothing. g may be scaled freely, since everything after it is linear in g. For h
and z, k is 0 while they lie within 2^-24 and 2^24, so ordinary networks are computed as always. Beyond that window an
activation is homogeneous to float32's precision (tanh(z) = z for tiny z, gelu(z) = max(z, 0) for huge z):
post(2^-k z) = 2^-k post(z), and its derivative does not change. Or it is constant (tanh(z) = 1 for huge z,
sigmoid(z) = 1/2 for tiny z), and k stays 0 there. Where layers normalize, the forward signal stays of order one by
itself, and only g needs its k.

**Layers come in blocks.** The forward sweep keeps h and z of a layer, so that the reverse sweep repeats no product; but
only of one block of 128 layers, so that the store stays small at any depth. A deeper network goes up through all blocks,
keeping what goes into each. On its way back it goes up through a block once more before it comes down.

**The store is reused.** A fresh array costs a page fault for each 4 kB. The store is donated to each call and comes back.

**A CPU takes one network a call, an accelerator as many as fit.** One network's layers stay in a CPU's cache, and
several side by side do not. An accelerator waits for the launch of each small product, so it takes all draws and weight
scales in one sweep, as far as a quarter of its memory reaches.
"""

import logging
import math
import os
from collections.abc import Sequence
from functools import cache, partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ._ahead_of_time import call_compiled
from ._build import in_build
from ._hosts import on_this_host
from ._shapes import Float
from .networks import Layer, NetworkConfig, Params, post

_WINDOW = 24
_SQUARES = 80  # sums of squares within 2^-80 and 2^80 are right to float32's precision
_CONSTANT_FOR_HUGE_Z = ("sigmoid", "tanh")
_CONSTANT_FOR_TINY_Z = ("sigmoid", "softplus")
_LOG10_OF_2 = float(np.log10(2.0))
DEPTHS_PER_CALL = 32
_CAPACITY = 1024
_CAPACITY_BYTES = 256 * 2**20  # of weights
_BLOCK = 128
_BLOCK_BYTES = 32 * 2**20
_UNKNOWN_MEMORY = 4 * 2**30  # of an accelerator that does not tell
_grown: set = set()  # stores beyond the usual capacity that have been told of
_log = logging.getLogger(__name__)


def capacity_for(depth: int, batch: int, width: int, itemsize: int = 4) -> int:
    """How many layers a compiled sweep takes: 1024 while their weights fit in 256 MB, so that depths share a compilation.

    Raises:
        ValueError: where such networks are larger than the memory.
    """
    capacity = _CAPACITY
    while capacity > 16 and capacity * width * width * itemsize > _CAPACITY_BYTES:
        capacity //= 2
    usual = capacity
    while capacity < depth:
        capacity *= 2
    _check_memory(depth, _bytes_of(capacity, batch, width, itemsize), batch, width)
    if capacity > usual and (capacity, batch, width) not in _grown and not in_build():
        _log.warning(
            "Depth %d is beyond the usual %d: compiling once for depths up to %d.", depth, usual, capacity
        )
        _grown.add((capacity, batch, width))
    return capacity


def _check_memory(depth: int, needed: int, batch: int, width: int) -> None:
    available = memory_of(jax.devices()[0])
    if needed > available:
        raise ValueError(
            f"depths must be small enough for the memory: depth {depth} at width {width} and batch {batch} takes "
            f"{needed / 1e9:.3g} GB, and there are {available / 1e9:.3g} GB. Take fewer inputs or a smaller depth"
        )


def memory_of(device) -> float:
    """Bytes that a device has; a CPU has the computer's."""
    if device.platform == "cpu":
        return computers_memory()
    return (device.memory_stats() or {}).get("bytes_limit", _UNKNOWN_MEMORY)


def computers_memory() -> float:
    """Bytes of the computer's memory; infinite where that is unknown."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError):  # Windows
        return math.inf


class Store(NamedTuple):
    """Memory for a sweep, written before it is read. Calls hand it on, with leading axes as in `_sharded_curves`."""

    h: Float[Array, "*calls block width batch"]
    """What goes into each layer of a block, times ``2^-exponent``, transposed as the weight gradients need it."""
    z: Float[Array, "*calls block batch width"]
    """Its pre-activation, likewise."""
    starts: Float[Array, "*calls blocks batch width"]
    """What goes into each block, likewise."""
    g: Float[Array, "*calls depths batch width"]
    """∂loss/∂h of each network, at the layer that the reverse sweep has reached."""


def _store_shapes(capacity: int, batch: int, width: int, itemsize: int = 4) -> Store:
    """Shape of each part of one network's store."""
    block = min(_BLOCK, capacity)
    while block > 16 and 2 * block * batch * width * itemsize > _BLOCK_BYTES:
        block //= 2
    return Store(
        h=(block, width, batch),
        z=(block, batch, width),
        starts=(-(-capacity // block), batch, width),
        g=(DEPTHS_PER_CALL, batch, width),
    )


def _bytes_of(capacity: int, batch: int, width: int, itemsize: int = 4) -> int:
    """Memory that one network takes: its weights and its store."""
    store = sum(math.prod(shape) for shape in _store_shapes(capacity, batch, width, itemsize))
    return itemsize * (capacity * width * width + store)


def _bits_type(dtype):
    return jnp.int32 if jnp.finfo(dtype).bits == 32 else jnp.int64


def _power_of_two(k, dtype):
    """2^k, exactly, written into the exponent's bits; past the float type's normal range, the nearest in it."""
    info, bits = jnp.finfo(dtype), _bits_type(dtype)
    exponent = jnp.clip(k, info.minexp, info.maxexp - 1) - (info.minexp - 1)
    return lax.bitcast_convert_type(exponent.astype(bits) << info.nmant, dtype)


def _exponent(x):
    """A power of two near the size of x's entries, 0 where all are zero. (Sums vectorize on a CPU, maxima do not.)"""
    info, total = jnp.finfo(x.dtype), jnp.sum(jnp.abs(x))
    bits = lax.bitcast_convert_type(total, _bits_type(x.dtype))
    return jnp.where(
        (total > 0) & jnp.isfinite(total), (bits >> info.nmant).astype(jnp.int32) + info.minexp - 1, 0
    )


def _unit(x):
    """x as (entries of order one, exponent)."""
    exponent = _exponent(x)
    return x * _power_of_two(-exponent, x.dtype), exponent


def _squares(*arrays):
    """Of each array x the sum of squares of ``x · 2^-exponent``, and that exponent: 0 unless the sum would lose digits.

    To scale each array first would cost a pass over it and its sum another. Few need it, and one branch asks for all.
    """
    sums = tuple(jnp.sum(x * x) for x in arrays)
    fine = [(total > 2.0**-_SQUARES) & (total < 2.0**_SQUARES) for total in sums]

    def scaled():
        units, exponents = zip(*map(_unit, arrays), strict=True)
        return tuple(jnp.sum(unit * unit) for unit in units), exponents

    as_they_are = sums, (jnp.int32(0),) * len(sums)
    return lax.cond(reduce(jnp.logical_and, fine), lambda: as_they_are, scaled)


def _log10_norm(squares, k):
    """log10 of the Frobenius norm, from the sum of squares of its ``2^-k``-fold."""
    return 0.5 * jnp.log10(squares) + k * _LOG10_OF_2


# No index in this module is negative: XLA need not look.
_at = partial(lax.dynamic_index_in_dim, axis=0, keepdims=False, allow_negative_indices=False)


def _put(array, value, *place):
    """``array`` with ``value`` at this place of its first axes."""
    value = lax.expand_dims(value, range(len(place)))
    start = (*place, *[0] * (array.ndim - len(place)))
    return lax.dynamic_update_slice(array, value, start, allow_negative_indices=False)


def _scaled(layer: Layer, scale) -> Layer:
    return layer._replace(weight=scale * layer.weight)


def _pre_activation(layer: Layer, h, k):
    """``z · 2^-k`` from ``h · 2^-k``."""
    return h @ layer.weight + layer.bias[None, :] * _power_of_two(-k, h.dtype)


def _into_window(z, h, k, config: NetworkConfig):
    """``z · 2^-k`` and ``h · 2^-k`` with the k that brings z into the window, and that k."""
    if config.normalization != "none":  # it undoes any factor of z, so the output is no multiple of 2^-k
        return z, h, k
    exponent = _exponent(z) + k
    above = 0 if config.activation in _CONSTANT_FOR_HUGE_Z else jnp.maximum(exponent - _WINDOW, 0)
    below = 0 if config.activation in _CONSTANT_FOR_TINY_Z else jnp.minimum(exponent + _WINDOW, 0)
    new = jnp.int32(above + below)
    factor = _power_of_two(k - new, z.dtype)
    return z * factor, h * factor, new


def _logit_cotangent(readout: Layer, h, k, labels):
    """∂loss/∂h of the mean softmax cross-entropy, from ``h · 2^-k``."""
    logits = _pre_activation(readout, h, k)
    # Subtracting the largest logit first keeps the difference right even where the logits themselves overflow.
    shifted = (logits - logits.max(-1, keepdims=True)) * _power_of_two(k, h.dtype)
    exponentials = jnp.exp(shifted)  # `jax.nn.softmax` would look for the largest once more
    softmax = exponentials / exponentials.sum(-1, keepdims=True)
    error = softmax - jax.nn.one_hot(labels, logits.shape[-1], dtype=h.dtype)
    return error @ readout.weight.T / h.shape[0]


class _Up(NamedTuple):
    """The forward sweep of one network: what goes into the next layer, and what is kept of those below."""

    h: Array
    k: Array
    starts: Array
    exponents_of_starts: Array
    hs: Array
    zs: Array
    exponents: Array


class _Down(NamedTuple):
    """The reverse sweep of a network at all depths: ∂loss/∂h · 2^-exponent of each, and the norms so far."""

    g: Array
    exponents: Array
    weight: Array
    signal: Array


def _forward_through(layer: Layer, h, k, config: NetworkConfig):
    """The layer's input and pre-activation in the window, their exponent, and the output."""
    z, h, k = _into_window(_pre_activation(layer, h, k), h, k, config)
    return h, z, k, post(layer, z, h, config)


def _backward_through(
    layer: Layer, i, h_transposed, z, k_h, depths, down: _Down, config: NetworkConfig
) -> _Down:
    """The norms of layer i in every network that has it, and their g taken to the layer below."""
    _, vjp_of_post = jax.vjp(lambda z, h: post(layer, z, h, config), z, h_transposed.T)

    def one_network(j, down):
        g, exponents, weight, signal = down
        k = _at(exponents, j)
        dz, dh = vjp_of_post(_at(g, j))
        of_weight = h_transposed @ dz
        if layer.weight.shape[0] != g.shape[-1]:  # what lies below is the inputs
            (squares,), (change,) = _squares(of_weight)
            return down._replace(weight=_put(weight, _log10_norm(squares, k + k_h + change), j, i))
        below = dz @ layer.weight.T + dh
        (squares, squares_below), (change, change_below) = _squares(of_weight, below)
        return _Down(
            _put(g, below * _power_of_two(-change_below, g.dtype), j),
            _put(exponents, k + change_below, j),
            _put(weight, _log10_norm(squares, k + k_h + change), j, i),
            _put(signal, _log10_norm(squares_below, k + change_below), j, i),
        )

    return lax.fori_loop(0, jnp.sum(depths > i), one_network, down)


def _curves(store, params: Params, inputs, labels, scale, depths, config: NetworkConfig):
    """log10 norms of one network at several depths, and the store back.

    ``depths`` is ``[DEPTHS_PER_CALL]``, deepest first, filled up with zeros. Returns weight gradients
    ``[DEPTHS_PER_CALL, capacity]`` and backward signals ``[DEPTHS_PER_CALL, capacity + 1]``, that of the inputs first;
    NaN past each depth.
    """
    block, capacity = store.z.shape[0], params.hidden.weight.shape[0]
    blocks = (depths[0] + block - 1) // block
    lowest = 0 if params.first is None else 1  # number of the layer that is the stack's first
    layer_at = lambda i: _scaled(jax.tree.map(lambda leaf: _at(leaf, i - lowest), params.hidden), scale)

    def through_block(step, carry):
        """Up through a block, and on the way back also down."""
        up, down = carry
        b, back = jnp.minimum(step, 2 * (blocks - 1) - step), step >= blocks - 1
        bottom, top = b * block, jnp.minimum((b + 1) * block, depths[0])
        lowest_here = jnp.maximum(bottom, lowest)
        h = jnp.where(step < blocks, up.h, _at(up.starts, b))
        k = jnp.where(step < blocks, up.k, _at(up.exponents_of_starts, b))
        starts, exponents_of_starts = _put(up.starts, h, b), _put(up.exponents_of_starts, k, b)

        def forward(i, carry):
            h, k, hs, zs, exponents = carry
            h, z, k, output = _forward_through(layer_at(i), h, k, config)
            # Transposed, since a CPU's library is slower to multiply what it must transpose for each network.
            hs, zs, exponents = (
                _put(kept, new, i - bottom) for kept, new in ((hs, h.T), (zs, z), (exponents, k))
            )
            return output, k, hs, zs, exponents

        h, k, hs, zs, exponents = lax.fori_loop(lowest_here, top, forward, (h, k, up.hs, up.zs, up.exponents))

        def cotangent(j, down):
            depth = _at(depths, j)
            # What comes out of a network's last layer goes into the next one, which the store has unless the block ends.
            own_h = jnp.where(depth == top, h, _at(hs, depth - bottom).T)
            own_k = jnp.where(depth == top, k, _at(exponents, depth - bottom))
            unit, exponent = _unit(_logit_cotangent(params.readout, own_h, own_k, labels))
            return down._replace(
                g=_put(down.g, unit, j),
                exponents=_put(down.exponents, exponent, j),
                signal=_put(down.signal, _log10_norm(jnp.sum(unit * unit), exponent), j, depth),
            )

        def backward(n, down):
            i = top - 1 - n
            kept = (_at(array, i - bottom) for array in (hs, zs, exponents))
            return _backward_through(layer_at(i), i, *kept, depths, down, config)

        deeper, at_least = jnp.sum(depths > top), jnp.sum(depths > bottom)
        down = lax.fori_loop(deeper, jnp.where(back, at_least, deeper), cotangent, down)
        down = lax.fori_loop(0, jnp.where(back, top - lowest_here, 0), backward, down)
        return _Up(h, k, starts, exponents_of_starts, hs, zs, exponents), down

    h, k = inputs, jnp.int32(0)
    if params.first is not None:
        first = _scaled(params.first, scale)
        *at_first, h = _forward_through(first, h, k, config)
        k = at_first[-1]
    zeros = lambda length: jnp.zeros(length, jnp.int32)
    no_norms = lambda layers: jnp.full((DEPTHS_PER_CALL, layers), jnp.nan, h.dtype)
    up = _Up(h, k, store.starts, zeros(store.starts.shape[0]), store.h, store.z, zeros(block))
    down = _Down(store.g, zeros(DEPTHS_PER_CALL), no_norms(capacity), no_norms(capacity + 1))
    up, down = lax.fori_loop(0, 2 * blocks - 1, through_block, (up, down))
    if params.first is not None:
        h, z, k = at_first
        down = _backward_through(first, 0, h.T, z, k, depths, down, config)
    return Store(up.hs, up.zs, up.starts, down.g), down.weight, down.signal


def _curves_of_all(store, draws, inputs, labels, scales, depths, config: NetworkConfig):
    """`_curves` of each draw at each scale: every array gets the leading axes ``[draws, scales]``."""
    if len(draws) == len(scales) == 1:  # without a batch axis, a product of matrices is a plain library call
        own = jax.tree.map(lambda array: array[0, 0], store)
        result = _curves(own, draws[0], inputs, labels, scales[0], depths, config)
        return jax.tree.map(lambda array: array[None, None], result)
    one = lambda store, params, scale: _curves(store, params, inputs, labels, scale, depths, config)
    each_scale = jax.vmap(one, in_axes=(0, None, 0))
    each_draw = jax.vmap(each_scale, in_axes=(0, 0, None))
    return each_draw(store, jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws), scales)


# The matrix products are library calls. For the rest, one step of optimization less halves the time to compile, and so
# does one module of code instead of one for each loop; only normalized networks run slower for it, by a tenth.
_COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}
if jax.__version_info__ < (0, 11):  # an XLA that no longer knows an option refuses it
    _COMPILER_OPTIONS["xla_cpu_use_fusion_emitters"] = False


@partial(
    jax.jit,
    static_argnames=("config", "mesh"),
    donate_argnames="store",
    compiler_options=_COMPILER_OPTIONS,
)
def _sharded_curves(store, draws, inputs, labels, scales, depths, *, config, mesh):
    """`_curves` with ``scales``, and the store's first axis, split over the mesh's devices.

    ``store`` has the leading axes ``[devices, draws, scales a device]``. So have the results.
    """
    split, whole = PartitionSpec(mesh.axis_names[0]), PartitionSpec()

    def on_one_device(store, draws, inputs, labels, scales, depths):
        # An accelerator's own default rounds the factors of a product to 10 bits: at depth 100 that is 0.2 decades.
        with jax.default_matmul_precision("float32"):
            own = jax.tree.map(lambda array: array[0], store)
            result = _curves_of_all(own, draws, inputs, labels, scales, depths, config)
        return jax.tree.map(lambda array: array[None], result)

    return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(split, whole, whole, whole, split, whole),
        out_specs=split,
        check_vma=False,  # loops whose lengths are data confuse the check of what varies over the mesh
    )(store, draws, inputs, labels, scales, depths)


_stores: dict = {}  # the last call's store, by shape; popped while in use, so that no two calls share one


def _take_store(calls, capacity, batch, width, dtype, mesh) -> Store:
    store = _stores.pop((calls, capacity, batch, width, dtype, mesh), None)
    _stores.clear()  # one store at a time bounds memory
    if store is None:
        sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
        of_one = _store_shapes(capacity, batch, width, np.dtype(dtype).itemsize)
        shapes = [(*calls, *shape) for shape in of_one]
        if mesh.devices.flat[0].platform == "cpu":  # NumPy compiles nothing
            store = Store(*(jax.device_put(np.zeros(shape, dtype), sharding) for shape in shapes))
        else:  # NumPy's zeros would have to cross the bus
            store = Store(*(jnp.zeros(shape, dtype, device=sharding) for shape in shapes))
    return store


def _lazy_zeros(shape, dtype) -> np.ndarray:
    """Zeros of which only the pages written to take memory, aligned as XLA needs it to adopt an array uncopied."""
    dtype, alignment = np.dtype(dtype), 64
    raw = np.zeros(math.prod(shape) * dtype.itemsize + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def stack_layers(params: Params, capacity: int) -> Params:
    """The same network with its stack of hidden layers filled up with zeros to ``capacity`` layers.

    The first hidden layer joins the stack where it has the others' shape; ``first`` is None then.
    """
    joins = params.first.weight.shape == params.hidden.weight.shape[1:]

    def fill(first, rest):
        stack = _lazy_zeros((capacity, *rest.shape[1:]), rest.dtype)
        if joins:
            stack[0] = first
        stack[joins : joins + len(rest)] = rest
        return jax.device_put(stack, may_alias=True)

    stack = jax.tree.map(fill, params.first if joins else params.hidden, params.hidden)
    return params._replace(first=None if joins else params.first, hidden=stack)


@cache
def default_mesh() -> Mesh:
    """All of JAX's devices in a row."""
    return Mesh(np.array(jax.devices()), ("configurations",))


def networks_per_call(mesh: Mesh, capacity: int, batch: int, width: int, itemsize: int = 4) -> int:
    """How many networks one device takes through a sweep side by side."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return 1
    return int(max(1, memory_of(device) // 4 // _bytes_of(capacity, batch, width, itemsize)))


@cache
def without_data(config: NetworkConfig) -> NetworkConfig:
    """What the compiled program depends on, and nothing that it takes as data."""
    return config.replace(depth=1, weight_scale=1.0, bias_scale=0.0, initializer="scaled_normal")


def log10_norms(
    draws: Sequence[Params],
    inputs,
    labels,
    *,
    depths,
    weight_scales,
    config: NetworkConfig,
    mesh: Mesh,
    finished: dict | None = None,
    on_step=lambda networks: None,
):
    """log10 norms of weight gradients and backward signals, each ``[draws, weight_scales, depths, max(depths)]``.

    Args:
        draws: parameters from `stack_layers`, drawn at weight scale 1; they go side by side, so no more than
            `networks_per_call` says.
        inputs: ``[batch, input_size]``.
        labels: ``[batch]``.
        depths: whole numbers up to the capacity.
        weight_scales: σ_w, multiplies the hidden layers' weights.
        config: its depth, weight_scale and bias_scale are not read.
        mesh: the devices that share the weight scales.
        finished: what steps of an earlier call gave; what this call adds is kept there at once.
        on_step: called after each step with the number of networks that it took, draws × weight scales.
    """
    config = without_data(config)
    draws, (capacity, *_), dtype = tuple(draws), draws[0].hidden.weight.shape, draws[0].hidden.weight.dtype
    batch, deepest = inputs.shape[0], max(depths)
    inputs, labels = np.asarray(inputs, dtype), np.asarray(labels)
    room = networks_per_call(mesh, capacity, batch, config.width, dtype.itemsize) // len(draws)
    scales_a_device = max(1, min(room, -(-len(weight_scales) // mesh.size)))
    together = scales_a_device * mesh.size
    shape = ((mesh.size, len(draws), scales_a_device), capacity, batch, config.width, dtype, mesh)
    finished = {} if finished is None else finished
    deepest_first = np.argsort(depths)[::-1]
    steps = range(0, len(weight_scales), together)
    for s in steps:
        used = len(weight_scales[s : s + together])
        if s in finished:
            on_step(len(draws) * used)
            continue
        scales = np.ones(together, dtype)
        scales[:used] = weight_scales[s : s + together]
        tables = np.empty((2, len(draws), used, len(depths), deepest), dtype)
        for d in range(0, len(depths), DEPTHS_PER_CALL):
            places = deepest_first[d : d + DEPTHS_PER_CALL]
            some_depths = np.zeros(DEPTHS_PER_CALL, np.int32)
            some_depths[: len(places)] = np.asarray(depths)[places]
            store, *curves = call_compiled(
                _sharded_curves,
                _take_store(*shape),
                draws,
                inputs,
                labels,
                scales,
                some_depths,
                config=config,
                mesh=mesh,
            )
            _stores[shape] = store
            for table, curve, below in zip(tables, curves, (0, 1), strict=True):
                # [devices, draws, scales a device, …] to [draws, scales, …]
                by_draw = on_this_host(curve)[..., : len(places), below : below + deepest].swapaxes(0, 1)
                by_draw = by_draw.reshape(len(draws), together, len(places), deepest)
                table[:, :, places] = by_draw[:, :used]
        finished[s] = tables
        on_step(len(draws) * used)
    return tuple(np.concatenate([finished[s] for s in steps], axis=2))
