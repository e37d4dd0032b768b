"""What the explorers share: two sliders beside a picture, a batch to look at, and a still figure for readers without JavaScript."""

import base64
import io
import pathlib
from collections.abc import Callable, Sequence

import ipywidgets
import matplotlib as mpl
import numpy as np
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._build import in_build
from ._checks import finite_number, non_empty, positive_int
from .networks import NetworkConfig

_HERE = pathlib.Path(__file__).parent
CSS = (_HERE / "explorer.css").read_text(encoding="utf-8")


_SHARED = ("explorer_common.js", "explorer_files.js", "explorer_tools.js")


def front_end(name: str) -> str:
    """The module that draws an explorer: what all share, and its own file."""
    return "\n".join((_HERE / file).read_text(encoding="utf-8") for file in (*_SHARED, name))


def checked_grid(depths, weight_scales) -> tuple[list[int], list[float]]:
    """Both axes of the grid, sorted; ``ValueError`` where one has fewer than two different values."""
    depths = sorted(set(non_empty("depths", depths, positive_int)))
    above_zero = lambda name, value: finite_number(name, value, above=0.0)
    weight_scales = sorted(set(non_empty("weight_scales", weight_scales, above_zero)))
    if len(depths) < 2 or len(weight_scales) < 2:
        raise ValueError(
            "depths and weight_scales must each hold at least two different values, "
            f"got {depths} and {weight_scales}"
        )
    return depths, weight_scales


def check_configs(config: NetworkConfig, compare: NetworkConfig | None) -> None:
    """``ValueError`` where one of them is not a `NetworkConfig`."""
    for name, value in (("config", config), ("compare", compare or config)):
        if not isinstance(value, NetworkConfig):
            raise ValueError(f"{name} must be a NetworkConfig, got {value!r}")


def nearest_place(config: NetworkConfig, depths, weight_scales) -> tuple[int, int]:
    """Indices of the grid point where the sliders start."""
    d = min(range(len(depths)), key=lambda i: abs(depths[i] - config.depth))
    s = min(range(len(weight_scales)), key=lambda i: abs(np.log(weight_scales[i] / config.weight_scale)))
    return d, s


def difference(config: NetworkConfig, other: NetworkConfig) -> str:
    """What ``other`` does differently, in words."""
    names = ("activation", "initializer", "normalization", "skip", "width", "bias_scale", "branch_scale")
    parts = [
        f"{name} {getattr(other, name)}" for name in names if getattr(other, name) != getattr(config, name)
    ]
    return ", ".join(parts).replace("_", " ")


class Explorer(ipywidgets.VBox):
    """Sliders for depth and weight scale σ_w, linked in the browser to ``picture``, which draws.

    Args:
        picture: a widget with the traits ``depths``, ``weight_scales``, ``depth`` and ``weight_scale``.
        draw_still: draws the picture at the sliders' first place onto the given axes and returns a sentence for it.
        live: whether a kernel answers between grid points, so that the slider may stop there.
    """

    def __init__(self, picture, *, draw_still: Callable[[Axes], str], live: bool):
        wide = ipywidgets.Layout(width="100%", max_width="36rem")
        described = {"description_width": "7.5rem"}
        self.picture = picture
        depths, scales = picture.depths, picture.weight_scales
        self.depth = ipywidgets.IntSlider(
            value=picture.depth,
            min=depths[0],
            max=depths[-1],
            description="depth",
            layout=wide,
            style=described,
        )
        self.weight_scale = ipywidgets.FloatLogSlider(
            value=picture.weight_scale, min=float(np.log10(scales[0])), max=float(np.log10(scales[-1])),
            step=_log_step(scales, live), readout_format=".3g", description="weight scale σ_w",
            layout=wide, style=described,
        )  # fmt: skip
        self._links = [
            ipywidgets.jslink((self.depth, "value"), (picture, "depth")),
            ipywidgets.jslink((self.weight_scale, "value"), (picture, "weight_scale")),
        ]
        self._still = _still_figure(draw_still) if in_build() else ""
        super().__init__([self.depth, self.weight_scale, picture])

    def _ipython_display_(self, **kwargs):
        """Show the widget; in the book, a still figure before it for readers without JavaScript."""
        if self._still:
            display(HTML(self._still))
        if hasattr(super(), "_repr_mimebundle_"):
            display(super()._repr_mimebundle_(**kwargs), raw=True)
        else:  # ipywidgets 7
            super()._ipython_display_(**kwargs)


def _log_step(weight_scales: Sequence[float], live: bool) -> float:
    """The slider's step in decades: the grid's own, or a quarter of it where a kernel fills the gaps."""
    gap = float(np.diff(np.log10(weight_scales)).min())
    return gap / 4 if live and not in_build() else gap


def _still_figure(draw: Callable[[Axes], str]) -> str:
    """HTML for a page whose reader has JavaScript off."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"}):
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        sentence = draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    picture = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<noscript><figure><img alt="{sentence}" src="data:image/svg+xml;base64,{picture}">'
        f"<figcaption>{sentence} Turn on JavaScript to move the sliders.</figcaption></figure></noscript>"
    )
