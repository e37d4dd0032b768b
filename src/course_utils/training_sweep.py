"""Short trainings over a grid of depths × weight scales × seeds, from one compilation.

`train` compiles anew for each depth. Here depth is data, as in the norm engine: a network of depth d is the first d
layers of a stack, and a loop of traced length walks them. JAX cannot differentiate such a loop in reverse, so
`_hidden_stack` brings its own derivative: the forward loop keeps each layer's input, and the backward loop takes the
cotangent through the same layer function, from the last layer to the first.

Results are kept on disk by content: the same networks, data, optimizer and code are not trained twice.
"""

import functools
import hashlib
import os
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from tqdm.auto import tqdm

from ._build import cache_folder, in_build
from ._checks import finite_number, non_empty, nonnegative_int, positive_int
from ._shapes import Float
from .datasets import Dataset
from .networks import Layer, NetworkConfig, affine, cross_entropy, init_params, post
from .training import batch_indices, check_fit

_SOURCES = ("datasets", "initializers", "networks", "training", "training_sweep")


class TrainingSweep(NamedTuple):
    """Loss and accuracy of every run of a grid; from `sweep_training`."""

    depths: tuple[int, ...]
    weight_scales: tuple[float, ...]
    seeds: tuple[int, ...]
    loss: Float[np.ndarray, "depths weight_scales seeds steps"]
    """Mean softmax cross-entropy on each step's batch, in nats; NaN or inf from where a run overflowed."""
    accuracy: Float[np.ndarray, "depths weight_scales seeds steps"]
    """Share of the batch classified rightly, 0 to 1."""

    @property
    def final_accuracy(self) -> Float[np.ndarray, "depths weight_scales seeds"]:
        """Mean accuracy over the last tenth of the steps."""
        return self.accuracy[..., -max(1, self.accuracy.shape[-1] // 10) :].mean(-1)


def _layer(layer: Layer, h, config: NetworkConfig):
    return post(layer, affine(layer, h), h, config)


def _at(stack: Layer, i) -> Layer:
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, i, 0, keepdims=False), stack)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _hidden_stack(stack: Layer, h, count, config: NetworkConfig):
    """``h`` taken through the first ``count`` layers of ``stack``; ``count`` is data."""
    return _forward(stack, h, count, config)[0]


def _forward(stack, h, count, config):
    capacity = stack.weight.shape[0]

    def step(i, carry):
        h, store = carry
        return _layer(_at(stack, i), h, config), lax.dynamic_update_index_in_dim(store, h, i, 0)

    h, store = lax.fori_loop(0, count, step, (h, jnp.zeros((capacity, *h.shape), h.dtype)))
    return h, (stack, store, count)


def _backward(config, kept, g):
    stack, store, count = kept

    def step(j, carry):
        g, gradient = carry
        i = count - 1 - j
        _, pull_back = jax.vjp(lambda layer, h: _layer(layer, h, config), _at(stack, i), store[i])
        of_layer, g = pull_back(g)
        put = lambda array, value: lax.dynamic_update_index_in_dim(array, value, i, 0)
        return g, jax.tree.map(put, gradient, of_layer)

    g, gradient = lax.fori_loop(0, count, step, (g, jax.tree.map(jnp.zeros_like, stack)))
    return gradient, g, np.zeros((), jax.dtypes.float0)


_hidden_stack.defvjp(_forward, _backward)


def _loss_and_accuracy(params, inputs, labels, depth, config):
    h = _hidden_stack(params.hidden, _layer(params.first, inputs, config), depth - 1, config)
    logits = affine(params.readout, h)
    return cross_entropy(logits, labels), (logits.argmax(-1) == labels).mean()


@functools.partial(jax.jit, static_argnames=("config", "optimizer", "together"))
def _run_grid(params, inputs, labels, batches, depth, scales, *, config, optimizer, together):
    """Loss and accuracy ``[seeds, weight_scales, steps]`` of trainings at one depth, which is data.

    ``params`` has a leading axis of seeds, drawn at weight scale 1. ``batches`` is ``[seeds, steps, batch]``. So many
    runs as ``together`` says go side by side.
    """
    value_and_grad = jax.value_and_grad(_loss_and_accuracy, has_aux=True)

    def run(seed_and_scale):
        seed, scale = seed_and_scale
        own = jax.tree.map(lambda leaf: leaf[seed], params)
        scaled = lambda layer: layer._replace(weight=scale * layer.weight)
        own = own._replace(first=scaled(own.first), hidden=scaled(own.hidden))

        def step(carry, batch):
            own, state = carry
            result, gradient = value_and_grad(own, inputs[batch], labels[batch], depth, config)
            updates, state = optimizer.update(gradient, state, own)
            return (optax.apply_updates(own, updates), state), result

        return lax.scan(step, (own, optimizer.init(own)), batches[seed])[1]

    seeds = batches.shape[0]
    runs = jnp.repeat(jnp.arange(seeds), scales.shape[0]), jnp.tile(scales, seeds)
    records = lax.map(run, runs, batch_size=together)
    return jax.tree.map(lambda leaf: leaf.reshape(seeds, scales.shape[0], -1), records)


def sweep_training(
    config: NetworkConfig,
    dataset: Dataset,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    depths,
    weight_scales,
    seeds,
    batch_size: int | None = None,
    progress: bool = True,
) -> TrainingSweep:
    """Train a network at every depth, weight scale and seed of a grid.

    One compilation serves all. Each run is the one that `train` makes with the same arguments, to rounding. What was
    trained before, with the same arguments and code, comes from the cache: the folder ``COURSE_UTILS_CACHE``, or
    ``course_utils`` in the user's cache folder.

    Args:
        config: everything but depth and weight_scale, which the grid replaces.
        dataset: trained on its ``inputs`` and ``labels``.
        optimizer: any optax transformation, learning rate included.
        steps: updates a run.
        depths: numbers of hidden layers, each at least 1.
        weight_scales: values of σ_w, each greater than 0.
        seeds: whole numbers of at least 0.
        batch_size: samples a step; None for all of them.
        progress: show a progress bar (never in the built book).

    Returns:
        `TrainingSweep`, its arrays of shape ``[depths, weight_scales, seeds, steps]``. Runs that overflow are recorded.

    Raises:
        ValueError: where an argument is empty or out of range, or data set and network do not fit.

    >>> import optax
    >>> from course_utils import NetworkConfig, load_digits
    >>> sweep = sweep_training(NetworkConfig(depth=1), load_digits(), optimizer=optax.sgd(0.1), steps=20,
    ...     depths=[2, 4], weight_scales=[0.5, 1.0], seeds=[0], batch_size=64, progress=False)
    >>> sweep.loss.shape, bool(sweep.loss[0, 1, 0, -1] < sweep.loss[0, 1, 0, 0])
    ((2, 2, 1, 20), True)
    """
    depths = non_empty("depths", depths, positive_int)
    weight_scales = non_empty("weight_scales", weight_scales, functools.partial(finite_number, above=0.0))
    seeds = non_empty("seeds", seeds, nonnegative_int)
    steps = positive_int("steps", steps)
    check_fit(config, dataset, optimizer, batch_size)
    base = config.replace(depth=max(max(depths), 2), weight_scale=1.0)
    draws = [init_params(base, key=jax.random.key(seed)) for seed in seeds]
    grid = (
        np.asarray(depths),
        np.asarray(weight_scales),
        np.asarray(seeds),
        np.asarray((steps, batch_size or 0)),
    )
    key = _fingerprint(base, optimizer, draws[0], *grid, dataset.inputs, dataset.labels)
    loss, accuracy = _cached(
        key,
        lambda: _train_grid(
            base, dataset, optimizer, steps, draws, depths, weight_scales, seeds, batch_size, progress
        ),
    )
    return TrainingSweep(depths, weight_scales, seeds, loss, accuracy)


def _train_grid(base, dataset, optimizer, steps, draws, depths, weight_scales, seeds, batch_size, progress):
    """Loss and accuracy, ``[2, depths, weight_scales, seeds, steps]``."""
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)
    inputs, labels = jnp.asarray(dataset.inputs, dtype=float), jnp.asarray(dataset.labels)
    batches = np.stack([batch_indices(len(inputs), batch_size, seed, steps) for seed in seeds])
    # On a CPU one run's layers fit into the cache, and several side by side do not; an accelerator wants them all.
    together = 1 if jax.default_backend() == "cpu" else len(seeds) * len(weight_scales)
    # What is data must not be part of the compilation's key.
    config = base.replace(depth=1, bias_scale=0.0, initializer="scaled_normal")
    records = np.empty((2, len(depths), len(weight_scales), len(seeds), steps), np.float32)
    with tqdm(
        depths, desc="training sweep", unit="depth", leave=False, disable=not progress or in_build()
    ) as bar:
        for d, depth in enumerate(bar):
            result = _run_grid(
                params, inputs, labels, batches, depth, jnp.asarray(weight_scales, dtype=float),
                config=config, optimizer=optimizer, together=together,
            )  # fmt: skip
            for record, values in zip(records, result, strict=True):
                record[d] = np.asarray(values).swapaxes(0, 1)
    return records


def _fingerprint(config, optimizer, params, *arrays) -> str:
    """A name for a sweep's content: arguments, code, versions, and the optimizer by what it computes."""
    state = optimizer.init(params)
    update = jax.make_jaxpr(optimizer.update)(params, state, params)
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256(
        repr((config, jax.__version__, jax.default_backend(), str(update.jaxpr))).encode()
    )
    for name in _SOURCES:
        digest.update((here / f"{name}.py").read_bytes())
    for array in (*arrays, *update.consts, *jax.tree.leaves(state)):
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()[:32]


def _cached(key: str, compute):
    """What ``compute()`` returned when it last ran under this key. A cache that cannot be used is done without."""
    path = cache_folder() / f"{key}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError):
        result = compute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            np.save(file, result)
        unfinished.replace(path)  # at once, so that no reader finds half a file
    except OSError:
        pass
    return result
