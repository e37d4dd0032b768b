"""Short trainings over a grid of depths × weight scales × seeds, from one compilation (see `training_engine`).

Results are kept on disk by content: the same networks, data, optimizer and code are not trained twice. A sweep that is
stopped keeps the runs that are finished, and the same call goes on from there.

On many hosts (`jax.distributed`) each process makes the same call, the runs are split over all their devices, and each
process gets all results. What is kept is read and written by the first process.
"""

import functools
import hashlib
import logging
import math
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm.auto import tqdm

from . import training_engine
from ._build import in_build
from ._checks import finite_number, non_empty, nonnegative_int, positive_int
from ._hosts import of_first_process, on_this_host
from ._kept import keep_rows, kept_rows
from ._programs import optimizer_programs
from ._shapes import Float
from .datasets import Dataset
from .networks import NetworkConfig, init_params
from .norm_engine import computers_memory, default_mesh, without_data
from .training import batch_indices, check_fit

_SOURCES = (
    "_programs",
    "datasets",
    "initializers",
    "networks",
    "training",
    "training_engine",
    "training_sweep",
)
_log = logging.getLogger(__name__)  # where nobody has set up logging, Python prints the bare line
_DRAWS_KEPT = 4  # of the seeds last used: three are common, and each depth asks for them anew


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
        ValueError: where an argument is empty or out of range, data set and network do not fit, or memory is too small.

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
    grid = _Grid(config, dataset, optimizer, steps, depths, weight_scales, seeds, batch_size)
    rows = _all_rows(grid, progress).reshape(len(depths), len(seeds), len(weight_scales), 2, steps)
    loss, accuracy = np.moveaxis(rows, (3, 1), (0, 3))
    return TrainingSweep(depths, weight_scales, seeds, loss, accuracy)


class _Grid:
    """A sweep's runs in a row, depth by depth and then seed by seed, and what they share."""

    def __init__(self, config, dataset, optimizer, steps, depths, weight_scales, seeds, batch_size):
        self.runs = [(d, scale, seed) for d in depths for seed in seeds for scale in weight_scales]
        self.runs_a_depth = len(seeds) * len(weight_scales)
        self.shape = len(self.runs), 2, steps
        self.mesh, self.steps, self._batch_size = default_mesh(), steps, batch_size
        # A shallower network is the beginning of a deeper one, so the deepest one's draw serves all.
        self._base = config.replace(depth=max(max(depths), 2), weight_scale=1.0)
        self._config = without_data(config)
        self._inputs = np.asarray(dataset.inputs, jnp.result_type(float))
        self._labels = np.asarray(dataset.labels)
        self.of_seed = functools.lru_cache(_DRAWS_KEPT)(self._of_seed)
        draw, batches = self.of_seed(seeds[0])
        self._programs, self._numbers = zip(*optimizer_programs(optimizer, draw), strict=True)
        state = jax.eval_shape(optimizer.init, draw)
        batch = batch_size or len(self._inputs)
        self._of_one = training_engine.bytes_of_a_run(draw, batches, state, batch)
        a_device = training_engine.runs_a_device(self.runs_a_depth, self._of_one, self.mesh)
        self.together = a_device * self.mesh.size

    def _of_seed(self, seed):
        """A seed's parameters and its batches, ``[steps, batch]``, or None where a step takes all samples."""
        draw = jax.tree.map(np.asarray, init_params(self._base, key=jax.random.key(seed)))
        if self._batch_size is None:
            return draw, None
        return draw, batch_indices(len(self._inputs), self._batch_size, seed, self.steps)

    def train(self, start: int) -> np.ndarray:
        """Loss and accuracy, ``[runs, 2, steps]``, of the runs from number ``start``: those that go into one call."""
        end = (start // self.runs_a_depth + 1) * self.runs_a_depth  # a call takes one depth
        runs = self.runs[start : min(start + self.together, end)]
        filled = runs + runs[-1:] * (self.together - len(runs))
        depth, _, _ = filled[0]
        own = [(*self.of_seed(seed), np.asarray(scale, self._inputs.dtype)) for _, scale, seed in filled]
        draws, batches, scales = jax.tree.map(lambda *leaves: np.stack(leaves), *own)
        curves = training_engine.train_runs(
            draws, scales, batches, self._inputs, self._labels, np.int32(depth), self._numbers,
            steps=self.steps, config=self._config, programs=self._programs, mesh=self.mesh,
        )  # fmt: skip
        return np.stack([on_this_host(curve)[: len(runs)] for curve in curves], axis=1)

    def fingerprint(self) -> str:
        """A name for the content: arguments, code, versions, and the optimizer by what it computes."""
        here, digest = pathlib.Path(__file__).parent, hashlib.sha256()
        what = self._base, self._batch_size, self.shape, [program.text for program in self._programs]
        digest.update(repr((what, self.runs, jax.__version__, jax.default_backend())).encode())
        for name in _SOURCES:
            digest.update((here / f"{name}.py").read_bytes())
        for array in (self._inputs, self._labels, *jax.tree.leaves(self._numbers)):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()[:32]

    def check_memory(self) -> None:
        """Raise where curves, and runs on a CPU, cannot fit into this machine's memory."""
        on_cpu = self.mesh.devices.flat[0].platform == "cpu"
        needed = 4 * math.prod(self.shape) + on_cpu * self.together * self._of_one
        if needed > computers_memory():
            raise ValueError(
                f"{len(self.runs):,} runs of {self.steps:,} steps need {needed / 1e9:.1f} GB, and this machine has "
                f"{computers_memory() / 1e9:.1f} GB: take fewer runs or steps a call, or smaller networks"
            )

    def tell_parts(self) -> None:
        """Say where an accelerator's memory cannot hold a depth's runs all at once."""
        if self.mesh.devices.flat[0].platform != "cpu" and self.together < self.runs_a_depth:
            _log.warning(
                "%d trainings are more than fit side by side, %.1f GB: taking %d at a time, %.1f GB.",
                self.runs_a_depth,
                self.runs_a_depth * self._of_one / 1e9,
                self.together,
                self.together * self._of_one / 1e9,
            )


def _all_rows(grid: _Grid, progress: bool) -> np.ndarray:
    """Loss and accuracy of every run, ``[runs, 2, steps]``: those that are kept, and the others trained."""
    key, first = grid.fingerprint(), jax.process_index() == 0
    grid.check_memory()
    rows = np.empty(grid.shape, np.float32)
    found = of_first_process(kept_rows(key, grid.shape))
    done = saved = len(found)
    rows[:done] = found
    if done == len(rows):
        return rows
    if first and not in_build():
        grid.tell_parts()

    def save() -> bool:
        return saved == done or (first and keep_rows(key, rows[:done]))

    try:
        with tqdm(
            total=len(rows), initial=done, desc="training sweep", unit="run", leave=False,
            disable=not progress or in_build() or not first,
        ) as bar:  # fmt: skip
            while done < len(rows):
                some = grid.train(done)
                rows[done : done + len(some)] = some
                done += len(some)
                bar.update(len(some))
                if done % grid.runs_a_depth == 0 and save():
                    saved = done
    except KeyboardInterrupt:
        if save() and done:
            _log.warning(
                "training sweep: interrupted. %d of %d runs are kept; the same call goes on from there.",
                done,
                len(rows),
            )
        raise
    return rows
