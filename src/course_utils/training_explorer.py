"""Trained networks under two sliders: where in the plane of depth and weight scale does training work?

At construction `sweep_training` trains every position of the grid once. Training between grid points would take
seconds, so the picture shows the nearest one that was measured, and says so.
"""

import anywidget
import numpy as np
import optax
import traitlets
from matplotlib.axes import Axes

from ._explorer_base import CSS, Explorer, check_configs, checked_grid, difference, front_end, nearest_place
from .datasets import Dataset, load_digits
from .networks import NetworkConfig
from .plots import plot_loss
from .theory import depth_scale
from .training_sweep import TrainingSweep, sweep_training

_POINTS = 40  # of the loss curve that the page carries
_HORIZON = 6.0  # times ξ: Schoenholz et al. (2017), section 5


class _Picture(anywidget.AnyWidget):
    """The drawing. It holds the trained grid and the sliders' place; training_explorer.js draws."""

    _esm = front_end("training_explorer.js")
    _css = CSS

    title = traitlets.Unicode().tag(sync=True)
    depths = traitlets.List(traitlets.Int()).tag(sync=True)
    weight_scales = traitlets.List(traitlets.Float()).tag(sync=True)
    steps = traitlets.List(traitlets.Float()).tag(sync=True)
    """The step that each point of the loss curve stands for."""
    last_step = traitlets.Int().tag(sync=True)
    guessing = traitlets.Float().tag(sync=True)
    """The loss of guessing, log(classes), in nats."""
    losses = traitlets.Bytes().tag(sync=True)
    """float32 ``[depths, weight_scales, 3, points]``: the median over seeds, the least and the largest."""
    accuracies = traitlets.Bytes().tag(sync=True)
    """float32 ``[depths, weight_scales]``: median over seeds of the final accuracy."""
    horizon = traitlets.List(traitlets.Float()).tag(sync=True)
    """Theory's deepest trainable depth, one a weight scale; empty where theory is silent."""
    compare_label = traitlets.Unicode().tag(sync=True)
    compare_losses = traitlets.Bytes().tag(sync=True)
    compare_accuracies = traitlets.Bytes().tag(sync=True)

    depth = traitlets.Int().tag(sync=True)
    weight_scale = traitlets.Float().tag(sync=True)


def _blocks(steps: int) -> list[np.ndarray]:
    """Consecutive steps that share a point of the curve."""
    return np.array_split(np.arange(steps), min(steps, _POINTS))


def _pack(sweep: TrainingSweep) -> tuple[bytes, bytes]:
    """Losses and accuracies as `_Picture` holds them."""
    with np.errstate(all="ignore"):
        points = np.stack(
            [sweep.loss[..., block].mean(-1) for block in _blocks(sweep.loss.shape[-1])], axis=-1
        )
        points = np.where(np.isfinite(points), points, np.nan)
        rows = np.stack([np.median(points, 2), points.min(2), points.max(2)], axis=2)
    return rows.astype("<f4").tobytes(), np.median(sweep.final_accuracy, -1).astype("<f4").tobytes()


def _horizon(config: NetworkConfig, weight_scales) -> list[float]:
    if config.normalization != "none" or config.skip != "none" or config.initializer == "he_normal":
        return []
    return [
        min(_HORIZON * depth_scale(config.activation, scale, config.bias_scale), 1e6)
        for scale in weight_scales
    ]


class TrainingExplorer(Explorer):
    """Two sliders, depth and weight scale σ_w, over networks that were trained, with a map of where training works.

    The picture shows the loss during training (median over seeds, and their range). The map shows the share of samples
    classified rightly in the last tenth of the steps, with theory's depth horizon 6 ξ for plain networks
    (Schoenholz et al., 2017). With ``compare``, a second network's loss and map stand beside it.

    Args:
        config: the network; its depth and weight_scale are where the sliders start.
        depths: numbers of hidden layers to train, at least two different ones.
        weight_scales: values of σ_w to train, greater than 0, at least two different ones.
        seeds: runs a position, such as ``range(3)``.
        optimizer: any optax transformation; ``optax.sgd(0.1)`` without it.
        steps: updates a run.
        batch_size: samples a step; None for all of them.
        compare: a second network, such as the same one with a mitigation.
        compare_optimizer: the second network's optimizer, such as one that clips; the first's without it. Given without
            ``compare``, the same network trains with it.
        labels: names of the first and the second network; made from what differs without them.
        dataset: the digits without it.

    Raises:
        ValueError: where an argument is unknown, out of range or of the wrong shape.

    >>> from course_utils import NetworkConfig
    >>> explorer = TrainingExplorer(NetworkConfig(depth=2), depths=[1, 2], weight_scales=[0.5, 1], seeds=[0], steps=5)
    >>> explorer.depth.value, explorer.weight_scale.value
    (2, 1.0)
    """

    def __init__(
        self, config: NetworkConfig, *, depths, weight_scales, seeds, optimizer=None, steps: int = 100,
        batch_size: int | None = 64, compare: NetworkConfig | None = None, compare_optimizer=None,
        labels: tuple[str, str] | None = None, dataset: Dataset | None = None,
    ):  # fmt: skip
        check_configs(config, compare)
        depths, weight_scales = checked_grid(depths, weight_scales)
        dataset = dataset or load_digits()
        optimizer = optimizer or optax.sgd(0.1)
        if compare_optimizer is not None and compare is None:
            compare = config

        def train_grid(network, by):
            return sweep_training(
                network, dataset, optimizer=by, steps=steps, depths=depths, weight_scales=weight_scales,
                seeds=seeds, batch_size=batch_size,
            )  # fmt: skip

        sweep = train_grid(config, optimizer)
        losses, accuracies = _pack(sweep)
        other = _pack(train_grid(compare, compare_optimizer or optimizer)) if compare else (b"", b"")
        label, compare_label = labels or (
            f"{config.activation} network",
            (difference(config, compare) or "the other optimizer") if compare else "",
        )
        d, s = nearest_place(config, depths, weight_scales)
        picture = _Picture(
            title=label,
            depths=depths,
            weight_scales=weight_scales,
            steps=[float(block.mean()) for block in _blocks(steps)],
            last_step=steps,
            guessing=float(np.log(config.output_size)),
            losses=losses,
            accuracies=accuracies,
            horizon=_horizon(config, weight_scales),
            compare_label=compare_label,
            compare_losses=other[0],
            compare_accuracies=other[1],
            depth=depths[d],
            weight_scale=weight_scales[s],
        )

        def draw_still(ax: Axes) -> str:
            plot_loss(sweep.loss[d, s], baseline=picture.guessing, ax=ax)
            return f"Loss of a {label} during training at depth {depths[d]}, σ_w = {weight_scales[s]:.3g}."

        super().__init__(picture, draw_still=draw_still, live=False)
