"""The norm engine: layer-wise gradient norms of any depth and any weight scale from one compilation.

`gradients.layer_gradient_norms` is the readable path: `jax.grad` of a loss, then a norm for each layer. It compiles
anew for each depth, and in float32 it loses the layers whose gradients lie below 1e-38 or above 1e38. Sliders and maps
need every depth and every scale, now. Four ideas give them that.

**Depth is data.** A network of depth d is the first d layers of a stack of fixed capacity. The forward sweep is a loop whose
length is a traced number, so the compiled program does not depend on d and costs what d costs. JAX
cannot differentiate such a loop in reverse, so the reverse sweep is written out here. For layer l with input h, pre-activation
z = h @ W + b and output h' = post(z, h), and with g = ∂loss/∂h' at hand:

    dz, dh = the vector-Jacobian product of post at (z, h), applied to g      (JAX derives it)
    ∂loss/∂W = hᵀ @ dz              only its norm is kept, never the matrix
    ∂loss/∂h = dz @ Wᵀ + dh             the next g, and its norm is the backward signal

**Weight scale is data.** Weights are ``scale · W0`` with one base draw W0 a seed.

**Powers of two are carried apart.** h and z are stored as h · 2^-k with one whole number k a layer, g likewise. k is 0 while the largest
entry lies within 2^-24 and 2^24, so ordinary networks are computed bit for bit as always. Beyond that window every
activation here is homogeneous to float32's precision (tanh(z) = z for tiny z, gelu(z) = max(z, 0) for huge z): post(2^-k z) =
2^-k post(z), and its derivative does not change. Multiplying by a power of two rounds nothing. Where layers normalize, the
forward signal stays of order one by itself, and only g needs its k.

**The store is reused.** The sweep keeps h and z of every layer. A fresh array of 134 MB costs 66 ms of page faults a call; this
one is donated to each call and comes back.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .networks import Layer, NetworkConfig, Params, post

_WINDOW = 24
_LOG10_OF_2 = float(np.log10(2.0))
DEPTHS_PER_CALL = 32
_CAPACITY = 1024
_CAPACITY_BYTES = 256 * 2**20


class Store(NamedTuple):
    """What the forward sweep keeps of hidden layers 2 and up; layer 1's part is recomputed from the inputs."""

    h: jax.Array
    """Inputs of the layers, ``[configurations, capacity, batch, width]``, times ``2^-exponent``; item 0 is not used."""
    z: jax.Array
    """Pre-activations, the same shape and factor."""


def capacity_for(depth: int, batch: int, width: int, itemsize: int = 4) -> int:
    """Length of the store for networks of this depth: 1024 while that fits in 256 MB, so that depths share a compilation."""
    capacity = _CAPACITY
    while capacity > 16 and capacity * width * (2 * batch + width) * itemsize > _CAPACITY_BYTES:
        capacity //= 2
    while capacity <= depth:  # one place more than layers: the last one's output
        capacity *= 2
    return capacity


def _bits_type(dtype):
    return jnp.int32 if jnp.finfo(dtype).bits == 32 else jnp.int64


def _power_of_two(k, dtype):
    """2^k, exactly, written into the exponent's bits; past the float type's normal range, the nearest in it."""
    info, bits = jnp.finfo(dtype), _bits_type(dtype)
    exponent = jnp.clip(k, info.minexp, info.maxexp - 1) - (info.minexp - 1)
    return lax.bitcast_convert_type(exponent.astype(bits) << info.nmant, dtype)


def _excess(x, k):
    """The exponent that brings ``x · 2^k`` into the window: 0 where its largest entry lies inside."""
    info, largest = jnp.finfo(x.dtype), jnp.max(jnp.abs(x))
    bits = lax.bitcast_convert_type(largest, _bits_type(x.dtype))
    exponent = (bits >> info.nmant).astype(jnp.int32) + info.minexp + k
    beyond = jnp.where(exponent > _WINDOW, exponent - _WINDOW, jnp.minimum(exponent + _WINDOW, 0))
    return jnp.where((largest > 0) & jnp.isfinite(largest), beyond, k)


def _log10_norm(x, k):
    """log10 of the Frobenius norm of ``x · 2^k``, without squaring anything out of range."""
    largest = jnp.max(jnp.abs(x))
    safe = jnp.where(largest > 0, largest, 1)
    log10 = jnp.log10(safe) + 0.5 * jnp.log10(jnp.sum((x / safe) ** 2))
    return jnp.where(largest > 0, log10 + k * _LOG10_OF_2, jnp.where(largest == 0, -jnp.inf, jnp.nan))


def _log10_norm_in_window(x, k):
    """`_log10_norm` of what `_excess` has brought into the window, whose squares float32 can hold."""
    return 0.5 * jnp.log10(jnp.sum(x * x)) + k * _LOG10_OF_2


def _scaled(layer: Layer, scale) -> Layer:
    return layer._replace(weight=scale * layer.weight)


def _layer_at(stack: Layer, i, scale) -> Layer:
    return _scaled(
        jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, i, 0, keepdims=False), stack), scale
    )


def _pre_activation(layer: Layer, h, k, config: NetworkConfig):
    """z and the exponent it needs: ``(z · 2^-new, new)`` from ``h · 2^-k``."""
    z = h @ layer.weight + layer.bias[None, :] * _power_of_two(-k, h.dtype)
    # Normalization undoes any factor of z, so its output is no multiple of 2^-k: leave such layers alone.
    new = _excess(z, k) if config.normalization == "none" else k
    return z * _power_of_two(k - new, z.dtype), new


def _logit_cotangent(readout: Layer, h, k, labels):
    """∂loss/∂h of the mean softmax cross-entropy, from ``h · 2^-k``."""
    logits = h @ readout.weight + readout.bias[None, :] * _power_of_two(-k, h.dtype)
    # Subtracting the largest logit first keeps the difference right even where the logits themselves overflow.
    shifted = (logits - logits.max(-1, keepdims=True)) * _power_of_two(k, h.dtype)
    error = jax.nn.softmax(shifted) - jax.nn.one_hot(labels, logits.shape[-1], dtype=h.dtype)
    return error @ readout.weight.T / h.shape[0]


def _curves(store: Store, params: Params, inputs, labels, scale, depths, depth_count, config: NetworkConfig):
    """log10 norms of one network at several depths, and the store back.

    ``depths`` is ``[DEPTHS_PER_CALL]``, of which the first ``depth_count`` count. Returns weight gradients and
    backward signals, each ``[DEPTHS_PER_CALL, capacity]`` with NaN past each depth.
    """
    capacity = store.h.shape[0]
    dtype = store.h.dtype
    vjp_of_post = lambda layer, z, h, g: jax.vjp(partial(post, layer, config=config), z, h)[1](g)
    put = lambda array, value, i: lax.dynamic_update_index_in_dim(array, value, i, 0)

    z_first, k_first = _pre_activation(_scaled(params.first, scale), inputs, jnp.int32(0), config)
    h_first = inputs * _power_of_two(-k_first, dtype)

    def forward(i, carry):
        h, k, store_h, store_z, exponents = carry
        layer = _layer_at(params.hidden, i - 1, scale)
        z, new = _pre_activation(layer, h, k, config)
        h = h * _power_of_two(k - new, dtype)
        carry = put(store_h, h, i), put(store_z, z, i), put(exponents, new, i)
        return post(layer, z, h, config), new, *carry

    start = post(params.first, z_first, h_first, config), k_first, *store, jnp.zeros(capacity, jnp.int32)
    deepest = jnp.max(depths)
    # What goes into layer i + 1 is what comes out of layer i. One turn more than there are layers stores the deepest
    # network's output too (a write after the loop would copy the whole store).
    _, _, store_h, store_z, exponents = lax.fori_loop(1, deepest + 1, forward, start)

    def curve(depth):
        g = _logit_cotangent(params.readout, store_h[depth], exponents[depth], labels)
        empty = jnp.full(capacity, jnp.nan, dtype)

        def backward(step, carry):
            g, k_g, weight, signal = carry
            i = depth - 1 - step
            layer, h, z = _layer_at(params.hidden, i - 1, scale), store_h[i], store_z[i]
            new = _excess(g, k_g)
            g, k_g = g * _power_of_two(k_g - new, dtype), new
            signal = put(signal, _log10_norm_in_window(g, k_g), i)
            dz, dh = vjp_of_post(layer, z, h, g)
            weight = put(weight, _log10_norm(h.T @ dz, k_g + exponents[i]), i)
            return dz @ layer.weight.T + dh, k_g, weight, signal

        g, k_g, weight, signal = lax.fori_loop(0, depth - 1, backward, (g, jnp.int32(0), empty, empty))
        new = _excess(g, k_g)
        g, k_g = g * _power_of_two(k_g - new, dtype), new
        dz, _ = vjp_of_post(params.first, z_first, h_first, g)
        weight = put(weight, _log10_norm(h_first.T @ dz, k_g + k_first), 0)
        return weight, put(signal, _log10_norm_in_window(g, k_g), 0)

    def fill(j, tables):
        return tuple(put(table, row, j) for table, row in zip(tables, curve(depths[j]), strict=True))

    empty_table = jnp.full((DEPTHS_PER_CALL, capacity), jnp.nan, dtype)
    weight, signal = lax.fori_loop(0, depth_count, fill, (empty_table, empty_table))
    return Store(store_h, store_z), weight, signal


# One step of optimization less halves the time to compile, and the matrix products, which are library calls, run as before.
@partial(
    jax.jit,
    static_argnames=("config", "mesh"),
    donate_argnames="store",
    compiler_options={"xla_backend_optimization_level": 1},
)
def _sharded_curves(store, params, inputs, labels, scales, depths, depth_count, *, config, mesh):
    """`_curves` for one weight scale a device: ``scales`` and the store's first axis are split over the mesh."""
    split, whole = PartitionSpec(mesh.axis_names[0]), PartitionSpec()

    def on_one_device(store, params, inputs, labels, scales, depths, depth_count):
        store = jax.tree.map(lambda array: array[0], store)
        result = _curves(store, params, inputs, labels, scales[0], depths, depth_count, config)
        return jax.tree.map(lambda array: array[None], result)

    return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(split, whole, whole, whole, split, whole, whole),
        out_specs=split,
        check_vma=False,  # loops whose lengths are data confuse the check of what varies over the mesh
    )(store, params, inputs, labels, scales, depths, depth_count)


_stores: dict = {}  # the last call's store, by shape; popped while in use, so that no two calls share one


def _take_store(shape, dtype, mesh) -> Store:
    store = _stores.pop((shape, dtype, mesh), None)
    _stores.clear()  # one store at a time bounds memory
    if store is None:
        sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
        store = Store(*(jnp.zeros(shape, dtype, device=sharding) for _ in Store._fields))
    return store


def pad_hidden(params: Params, capacity: int) -> Params:
    """The same network with its stack of hidden layers filled up with zeros to ``capacity`` layers."""

    def pad(leaf):
        padded = np.zeros((capacity, *leaf.shape[1:]), leaf.dtype)
        padded[: leaf.shape[0]] = leaf
        return jnp.asarray(padded)

    return params._replace(hidden=jax.tree.map(pad, params.hidden))


def default_mesh() -> Mesh:
    """All of JAX's devices in a row."""
    return Mesh(np.array(jax.devices()), ("configurations",))


def log10_norms(
    padded: Params,
    inputs,
    labels,
    *,
    depths,
    weight_scales,
    config: NetworkConfig,
    mesh: Mesh,
    on_step=lambda: None,
):
    """log10 norms of weight gradients and backward signals, each ``[weight_scales, depths, capacity]``.

    Args:
        padded: parameters from `pad_hidden`, drawn at weight scale 1.
        inputs: ``[batch, input_size]``.
        labels: ``[batch]``.
        depths: whole numbers up to the capacity.
        weight_scales: σ_w, multiplies the hidden layers' weights.
        config: its depth, weight_scale and bias_scale are not read.
        mesh: the devices that share the weight scales.
        on_step: called after each step, of which `step_count` tells the number.
    """
    # What is data must not be part of the compilation's key.
    config = config.replace(depth=1, weight_scale=1.0, bias_scale=0.0, initializer="scaled_normal")
    capacity, devices = padded.hidden.weight.shape[0], mesh.size
    batch, dtype = inputs.shape[0], padded.first.weight.dtype
    inputs, labels = jnp.asarray(inputs, dtype), jnp.asarray(labels)
    shape = (devices, capacity, batch, config.width)
    tables = np.empty((2, len(weight_scales), len(depths), capacity), dtype)
    for d in range(0, len(depths), DEPTHS_PER_CALL):
        some_depths = np.ones(DEPTHS_PER_CALL, np.int32)
        count = len(depths[d : d + DEPTHS_PER_CALL])
        some_depths[:count] = depths[d : d + DEPTHS_PER_CALL]
        for s in range(0, len(weight_scales), devices):
            scales = np.ones(devices, dtype)
            used = len(weight_scales[s : s + devices])
            scales[:used] = weight_scales[s : s + devices]
            store, *curves = _sharded_curves(
                _take_store(shape, dtype, mesh),
                padded,
                inputs,
                labels,
                scales,
                some_depths,
                np.int32(count),
                config=config,
                mesh=mesh,
            )
            _stores[shape, dtype, mesh] = store
            for table, curve in zip(tables, curves, strict=True):
                table[s : s + used, d : d + count] = np.asarray(curve)[:used, :count]
            on_step()
    return tables[0], tables[1]


def step_count(depths, weight_scales, mesh: Mesh) -> int:
    """How many steps `log10_norms` takes."""
    return -(-len(depths) // DEPTHS_PER_CALL) * -(-len(weight_scales) // mesh.size)
