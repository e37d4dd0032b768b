"""A picture of the gradients with two sliders, depth and weight scale: live in a kernel, alive on a static page.

At construction the sweep measures every slider position once. The measured grid travels with the picture, so a page
without a kernel draws any of them in the browser; in a kernel, a position between grid points is computed on the spot.
"""

import anywidget
import numpy as np
import traitlets
from matplotlib.axes import Axes

from ._explorer_base import CSS, Explorer, check_configs, checked_grid, difference, front_end, nearest_place
from .datasets import load_digits
from .gradients import sweep_gradient_norms
from .networks import NetworkConfig
from .plots import plot_layer_norms
from .theory import gradient_growth_factor

_BATCH = 256
# The standard deviation of each initializer's weights at weight_scale 1, times √fan_in, where layers are of one width.
_SCALE_OF_INITIALIZER = {"he_normal": 2**0.5}


class _Picture(anywidget.AnyWidget):
    """The drawing. It holds the measured grid and the sliders' place; explorer.js draws."""

    _esm = front_end("explorer.js")
    _css = CSS

    title = traitlets.Unicode().tag(sync=True)
    depths = traitlets.List(traitlets.Int()).tag(sync=True)
    weight_scales = traitlets.List(traitlets.Float()).tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    """float32, for each depth ``[weight_scales, 4, depth]``, one after the other: see `_pack`."""
    slopes = traitlets.List(traitlets.Float()).tag(sync=True)
    """Theory's log10 growth of the backward signal per layer, one a weight scale; empty where theory is silent."""
    healthy = traitlets.Float().tag(sync=True)
    """log10 of a healthy network's first-layer gradient norm."""
    compare_label = traitlets.Unicode().tag(sync=True)
    compare_curves = traitlets.Bytes().tag(sync=True)

    depth = traitlets.Int().tag(sync=True)
    weight_scale = traitlets.Float().tag(sync=True)
    live = traitlets.Dict().tag(sync=True)
    """A place between grid points that the kernel computed: depth, weight_scale and its slopes."""
    live_curves = traitlets.Bytes().tag(sync=True)
    live_compare = traitlets.Bytes().tag(sync=True)


def _pack(sweep) -> bytes:
    """For each depth and weight scale: the weight gradient's median, least and largest over seeds, and the signal's median."""
    parts = []
    for d, depth in enumerate(sweep.depths):
        gradient, signal = sweep.weight_gradient[d, ..., :depth], sweep.backward_signal[d, ..., :depth]
        rows = [np.median(gradient, 1), gradient.min(1), gradient.max(1), np.median(signal, 1)]
        parts.append(np.stack(rows, axis=1).astype("<f4").ravel())
    return np.concatenate(parts).tobytes()


def _slope(config: NetworkConfig, weight_scale: float) -> float | None:
    """log10 of the backward signal's growth by one layer, where mean-field theory speaks of such a network."""
    if config.normalization != "none" or config.skip != "none":
        return None
    scale = weight_scale * _SCALE_OF_INITIALIZER.get(config.initializer, 1.0)
    return 0.5 * float(np.log10(gradient_growth_factor(config.activation, scale, config.bias_scale)))


class GradientExplorer(Explorer):
    """Two sliders, depth and weight scale σ_w, and the picture of what they do to the gradient in each layer.

    The picture shows the norm of each layer's weight gradient (median over seeds, and their range), the norm of the
    backward signal with theory's slope dashed, and a map of depth × weight scale, coloured by the first layer's
    gradient relative to a healthy network's: the same network with one hidden layer at σ_w = 1.

    Args:
        config: the network; its depth and weight_scale are where the sliders start.
        depths: numbers of hidden layers to measure, at least two different ones.
        weight_scales: values of σ_w to measure, greater than 0, at least two different ones.
        seeds: networks a position, such as ``range(3)``.
        compare: a second network, drawn fainter.
        inputs: ``[batch, input_size]``; 256 of the digits without it.
        labels: ``[batch]``; together with ``inputs``.

    Raises:
        ValueError: where an argument is unknown, out of range or of the wrong shape.

    >>> from course_utils import NetworkConfig
    >>> explorer = GradientExplorer(NetworkConfig(depth=5), depths=[5, 10], weight_scales=[0.5, 1, 2], seeds=[0])
    >>> explorer.depth.value, explorer.weight_scale.value
    (5, 1.0)
    """

    def __init__(
        self, config: NetworkConfig, *, depths, weight_scales, seeds, compare: NetworkConfig | None = None,
        inputs=None, labels=None,
    ):  # fmt: skip
        check_configs(config, compare)
        depths, weight_scales = checked_grid(depths, weight_scales)
        self._config, self._other, self._seeds = config, compare, tuple(seeds)
        self._inputs, self._labels = _batch(config, inputs, labels)

        sweep = self._sweep(config, depths, weight_scales, progress=True)
        slopes = [_slope(config, scale) for scale in weight_scales]
        healthy = self._sweep(config, [1], [1.0], progress=False)
        d, s = nearest_place(config, depths, weight_scales)
        picture = _Picture(
            title=f"{config.activation} network",
            depths=depths,
            weight_scales=weight_scales,
            curves=_pack(sweep),
            slopes=[] if None in slopes else slopes,
            healthy=float(np.median(healthy.weight_gradient)),
            compare_label=(difference(config, compare) or "the same network") if compare else "",
            compare_curves=_pack(self._sweep(compare, depths, weight_scales, progress=True))
            if compare
            else b"",
            depth=depths[d],
            weight_scale=weight_scales[s],
        )

        def draw_still(ax: Axes) -> str:
            norms = 10.0 ** sweep.weight_gradient[d, s, :, : depths[d]].astype(float)
            plot_layer_norms(norms, ax=ax)
            return (
                f"Gradient norm in each layer of a {config.activation} network at depth {depths[d]}, "
                f"σ_w = {weight_scales[s]:.3g}."
            )

        super().__init__(picture, draw_still=draw_still, live=True)
        for slider in (self.depth, self.weight_scale):
            slider.observe(self._push, "value")

    def _sweep(self, config, depths, weight_scales, *, progress):
        return sweep_gradient_norms(
            config, self._inputs, self._labels,
            depths=depths, weight_scales=weight_scales, seeds=self._seeds, progress=progress,
        )  # fmt: skip

    def _push(self, _change) -> None:
        """Compute a place between the grid points and send it to the picture."""
        depth, scale = self.depth.value, self.weight_scale.value
        nearest = min(self.picture.weight_scales, key=lambda value: abs(value - scale))
        if depth in self.picture.depths and abs(nearest / scale - 1) < 1e-6:
            return
        slope = _slope(self._config, scale)
        curve = _pack(self._sweep(self._config, [depth], [scale], progress=False))
        compared = _pack(self._sweep(self._other, [depth], [scale], progress=False)) if self._other else b""
        with self.picture.hold_sync():
            self.picture.live_curves, self.picture.live_compare = curve, compared
            self.picture.live = {
                "depth": depth,
                "weight_scale": scale,
                "slopes": [] if slope is None else [slope],
            }


def _batch(config: NetworkConfig, inputs, labels):
    if (inputs is None) != (labels is None):
        raise ValueError("inputs and labels must be given together, got only one of them")
    if inputs is not None:
        return inputs, labels
    digits = load_digits()
    if (config.input_size, config.output_size) != (digits.input_size, digits.output_size):
        raise ValueError(
            f"config must have input_size {digits.input_size} and output_size {digits.output_size} to see the digits, "
            f"got {config.input_size} and {config.output_size}; or give inputs and labels of your own"
        )
    return digits.inputs[:_BATCH], digits.labels[:_BATCH]
