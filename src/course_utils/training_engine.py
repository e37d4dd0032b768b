"""The training engine: trainings of any depth, weight scale and learning rate from one compilation.

`train` compiles anew for each depth. Here **depth is data**, as in the norm engine: a network of depth d is the first d
layers of a stack, and a loop of traced length walks them. JAX cannot differentiate such a loop in reverse, so
`_hidden_layers` brings its own derivative: the forward loop keeps each layer's h and z, and the backward loop takes the
cotangent through the same layer function `post`, from the last layer to the first.

**Weight scale is data**, a factor of the drawn weights, and so are the optimizer's numbers (`_programs`).

**A CPU trains one network a call, an accelerator as many as fit.** One network's layers stay in a CPU's cache; an
accelerator waits for the launch of each small product, so it takes many side by side. Runs are split over all devices.
Each call hands its curves back, so memory stays bounded and a caller may stop between calls.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from .networks import Layer, NetworkConfig, Params, affine, cross_entropy, post
from .norm_engine import memory_of


def _at(stack, i):
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, i, 0, keepdims=False), stack)


def _put(stack, values, i):
    put = lambda array, value: lax.dynamic_update_index_in_dim(array, value, i, 0)
    return jax.tree.map(put, stack, values)


def _first_joins(first: Layer, rest: Layer) -> bool:
    """Whether the first layer has the others' shape, so that one loop serves it too: half the program to compile."""
    return first.weight.shape == rest.weight.shape[1:]


def _numbered(first: Layer, rest: Layer, i) -> Layer:
    """Layer i, from 0; the first one only where it joins the others."""
    layer = _at(rest, jnp.maximum(i - 1, 0))
    if not _first_joins(first, rest):
        return layer
    return jax.tree.map(lambda a, b: jnp.where(i == 0, a, b), first, layer)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _hidden_layers(first: Layer, rest: Layer, inputs, depth, config: NetworkConfig):
    """``inputs`` taken through the first ``depth`` hidden layers; ``depth`` is data."""
    return _forward(first, rest, inputs, depth, config)[0]


def _forward(first, rest, inputs, depth, config):
    capacity = 1 + rest.weight.shape[0]
    h, lowest = inputs, 0
    if not _first_joins(first, rest):
        h, lowest = post(first, affine(first, h), h, config), 1

    def step(i, carry):
        h, *stores = carry
        layer = _numbered(first, rest, i)
        z = affine(layer, h)
        return post(layer, z, h, config), *_put(stores, [h, z], i)

    store = jnp.zeros((capacity, len(inputs), config.width), inputs.dtype)
    h, h_store, z_store = lax.fori_loop(lowest, depth, step, (h, store, store))
    return h, (first, rest, inputs, depth, h_store, z_store)


def _backward(config, kept, g):
    first, rest, inputs, depth, h_store, z_store = kept
    lowest = 0 if _first_joins(first, rest) else 1

    def through(layer, z, h, g):
        """The layer's gradient, and ∂loss/∂h of its input."""
        _, vjp_of_post = jax.vjp(lambda layer, z, h: post(layer, z, h, config), layer, z, h)
        of_layer, dz, dh = vjp_of_post(g)
        of_layer = of_layer._replace(weight=h.T @ dz, bias=dz.sum(0))
        return of_layer, dz @ layer.weight.T + dh

    def step(j, carry):
        g, gradient = carry
        i = depth - 1 - j
        of_layer, g = through(_numbered(first, rest, i), _at(z_store, i), _at(h_store, i), g)
        return g, _put(gradient, of_layer, i - lowest)

    layers = rest.weight.shape[0] + 1 - lowest
    zeros = jax.tree.map(lambda leaf: jnp.zeros((layers, *leaf.shape[1:]), leaf.dtype), rest)
    g, gradient = lax.fori_loop(0, depth - lowest, step, (g, zeros))
    if lowest == 0:
        of_first, gradient = _at(gradient, 0), jax.tree.map(lambda leaf: leaf[1:], gradient)
    else:
        of_first, g = through(first, affine(first, inputs), inputs, g)
    return of_first, gradient, g, np.zeros((), jax.dtypes.float0)


_hidden_layers.defvjp(_forward, _backward)


def _loss_and_accuracy(params, inputs, labels, depth, config):
    h = _hidden_layers(params.first, params.hidden, inputs, depth, config)
    logits = affine(params.readout, h)
    return cross_entropy(logits, labels), (logits.argmax(-1) == labels).mean()


# As in the norm engine, one step of optimization less: 0.2 s less to compile, and no slower to run.
@partial(
    jax.jit,
    static_argnames=("steps", "config", "programs", "mesh"),
    compiler_options={"xla_backend_optimization_level": 1},
)
def train_runs(draws, scales, batches, inputs, labels, depth, numbers, *, steps, config, programs, mesh):
    """Loss and accuracy, ``[runs, steps]`` each, of trainings at one depth, split over the mesh's devices.

    Args:
        draws: `Params` with a leading axis of runs, drawn at weight scale 1, at least as deep as ``depth``.
        scales: ``[runs]``, each run's weight scale.
        batches: each step's samples, ``[runs, steps, batch]``; None for all samples at every step.
        inputs: ``[samples, input_size]``.
        labels: ``[samples]``.
        depth: a number, which is data.
        numbers: those of the programs, which are data.
        steps: updates a run.
        config: its depth, weight_scale and initializer are not read.
        programs: the optimizer's ``init`` and ``update``, from `optimizer_programs`.
        mesh: the devices that share the runs; it divides their number.
    """
    init, update = (partial(*pair) for pair in zip(programs, numbers, strict=True))
    value_and_grad = jax.value_and_grad(_loss_and_accuracy, has_aux=True)

    def run(params, scale, batches, inputs, labels, depth):
        scaled = lambda layer: layer._replace(weight=scale * layer.weight)
        params = params._replace(first=scaled(params.first), hidden=scaled(params.hidden))

        def step(carry, batch):
            params, state = carry
            some = (inputs, labels) if batch is None else (inputs[batch], labels[batch])
            result, gradient = value_and_grad(params, *some, depth, config)
            updates, state = update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), result

        return lax.scan(step, (params, init(params)), batches, length=steps)[1]

    def on_one_device(draws, scales, batches, *common):
        if len(scales) > 1:
            return jax.vmap(lambda *own: run(*own, *common))(draws, scales, batches)
        # Without an axis of runs, a write into a stack is one layer's; with it, XLA's CPU writes the stack anew.
        own = jax.tree.map(lambda leaf: leaf[0], (draws, scales, batches))
        return jax.tree.map(lambda leaf: leaf[None], run(*own, *common))

    split, whole = PartitionSpec(mesh.axis_names[0]), PartitionSpec()
    return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(split, split, split, whole, whole, whole),
        out_specs=split,
        check_vma=False,  # loops whose lengths are data confuse the check of what varies over the mesh
    )(draws, scales, batches, inputs, labels, depth)


def bytes_of_a_run(draw: Params, batches, state, batch: int) -> int:
    """Memory of one training: its parameters drawn, now and next, the gradient, the optimizer's state, layers' h and z, batches."""
    size = lambda tree: sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    capacity, _, width = draw.hidden.weight.shape
    stores = 2 * (capacity + 1) * batch * width * draw.hidden.weight.dtype.itemsize
    return 4 * size(draw) + size(state) + stores + size(batches)


def runs_a_device(runs: int, of_one: int, mesh: Mesh) -> int:
    """How many of ``runs`` trainings of ``of_one`` bytes a device takes side by side; an even share of each call's."""
    device = mesh.devices.flat[0]
    most = 1 if device.platform == "cpu" else int(max(1, memory_of(device) // 4 // of_one))
    calls = -(-runs // (most * mesh.size))
    return -(-runs // (calls * mesh.size))
