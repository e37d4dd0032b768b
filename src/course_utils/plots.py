"""Figures in one style. They take arrays and return `matplotlib.axes.Axes`; they know no network and compute nothing."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

# Okabe & Ito's colours, told apart with any colour vision; each also has a marker and a dash of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def use_course_style() -> None:
    """Draw as the course does: 6 × 3.5 inch vector figures, colour-blind safe, labelled by hand.

    >>> use_course_style()
    >>> [float(side) for side in mpl.rcParams["figure.figsize"]]
    [6.0, 3.5]
    """
    mpl.rcParams.update(
        {
            "axes.grid": True,
            "axes.prop_cycle": mpl.cycler(color=COLOURS, marker=_MARKERS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.figsize": (6, 3.5),
            "font.size": 11,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "lines.markersize": 4,
            "svg.fonttype": "none",
            "svg.hashsalt": "course",  # the same figure, the same bytes
        }
    )
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})


def _runs_by_points(name: str, values) -> np.ndarray:
    """``values`` as ``[runs, points]``."""
    array = np.asarray(values, dtype=float)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} must have shape [points] or [runs, points], got {list(array.shape)}")
    return np.atleast_2d(array)


def _draw_runs(ax: Axes, x, runs: np.ndarray, label, **style) -> None:
    """Median line, and the range over runs as a band."""
    with np.errstate(all="ignore"):
        (line,) = ax.plot(x, np.median(runs, axis=0), label=label, **style)
        if len(runs) > 1:
            ax.fill_between(
                x, runs.min(axis=0), runs.max(axis=0), color=line.get_color(), alpha=0.2, linewidth=0
            )


def plot_runs(x, runs, *, label: str | None = None, ax: Axes | None = None, **style) -> Axes:
    """Repeated measurements against any quantity: the median line, and the range over runs as a band.

    Args:
        x: ``[points]``, such as learning rates or depths.
        runs: ``[runs, points]``; ``[points]`` for a single run.
        label: the curve's name in the legend.
        ax: where to draw; a new figure without it.
        style: what `Axes.plot` takes, such as ``markevery=5``.

    Returns:
        The axes.

    Raises:
        ValueError: where shapes do not agree.

    >>> plot_runs([0.01, 0.1], [[0.5, 0.9], [0.4, 0.8]]).lines[0].get_ydata().round(2).tolist()
    [0.45, 0.85]
    """
    runs = _runs_by_points("runs", runs)
    if np.shape(x) != runs.shape[1:]:
        raise ValueError(f"x must have shape {list(runs.shape[1:])}, one a point, got {list(np.shape(x))}")
    ax = ax or plt.subplots()[1]
    _draw_runs(ax, x, runs, label, **style)
    if label:
        ax.legend()
    return ax


def plot_layer_norms(
    norms, *, prediction=None, label: str | None = None, ylabel="gradient norm", ax: Axes | None = None
) -> Axes:
    """A norm for each layer on a log axis, nearest the input at the left.

    Args:
        norms: ``[depth]``, or ``[runs, depth]`` for the median line and the range over runs.
        prediction: ``[depth]``, theory's values, drawn dashed.
        label: the curve's name in the legend.
        ylabel: what the norm is of.
        ax: where to draw; a new figure without it.

    Returns:
        The axes.

    Raises:
        ValueError: where shapes do not agree.

    >>> plot_layer_norms([1e-3, 1e-2, 1e-1]).get_yscale()
    'log'
    """
    runs = _runs_by_points("norms", norms)
    ax = ax or plt.subplots()[1]
    layers = np.arange(1, runs.shape[1] + 1)
    _draw_runs(ax, layers, runs, label)
    if prediction is not None:
        if np.shape(prediction) != layers.shape:
            raise ValueError(
                f"prediction must have shape {list(layers.shape)}, got {list(np.shape(prediction))}"
            )
        named = any(line.get_label() == "theory" for line in ax.lines)  # once is enough in a legend
        ax.plot(layers, prediction, "--", color="0.35", marker="", label=None if named else "theory")
    ax.set(xlabel="layer (1 = nearest the input)", ylabel=ylabel, yscale="log")
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    if label or prediction is not None:
        ax.legend()
    return ax


def plot_loss(
    loss, *, baseline: float | None = None, label: str | None = None, ax: Axes | None = None
) -> Axes:
    """The loss over the steps of training.

    Args:
        loss: ``[steps]``, or ``[runs, steps]`` for the median line and the range over runs, in nats.
        baseline: a loss to compare with, such as log(classes) for guessing, drawn dashed.
        label: the curve's name in the legend.
        ax: where to draw; a new figure without it.

    Returns:
        The axes.

    Raises:
        ValueError: where ``loss`` has another shape.

    >>> plot_loss([2.3, 1.2, 0.4], baseline=2.3).get_xlabel()
    'step'
    """
    runs = _runs_by_points("loss", loss)
    ax = ax or plt.subplots()[1]
    _draw_runs(ax, np.arange(runs.shape[1]), runs, label, marker="")
    if baseline is not None:
        ax.axhline(baseline, linestyle="--", color="0.35", label="guessing")
    ax.set(xlabel="step", ylabel="loss (nats)")
    if label or baseline is not None:
        ax.legend()
    return ax


def plot_norm_history(
    norms, *, layers: Sequence[int] | None = None, ylabel: str = "gradient norm", ax: Axes | None = None
) -> Axes:
    """Some layers' norm over the steps of training, on a log axis.

    Args:
        norms: ``[steps, depth]``, such as ``history.gradient_norm``.
        layers: which to draw, counted from 1 at the input; at most six spread evenly without it.
        ylabel: what the norm is of.
        ax: where to draw; a new figure without it.

    Returns:
        The axes.

    Raises:
        ValueError: where ``norms`` has another shape or a layer does not exist.

    >>> len(plot_norm_history(np.ones((5, 10)), layers=[1, 10]).lines)
    2
    """
    norms = np.asarray(norms, dtype=float)
    if norms.ndim != 2 or norms.size == 0:
        raise ValueError(f"norms must have shape [steps, depth], got {list(norms.shape)}")
    depth = norms.shape[1]
    if layers is None:
        layers = np.unique(np.linspace(1, depth, min(depth, len(COLOURS))).round().astype(int)).tolist()
    if not all(1 <= layer <= depth for layer in layers):
        raise ValueError(f"layers must lie from 1 to {depth}, got {list(layers)!r}")
    ax = ax or plt.subplots()[1]
    for layer in layers:
        ax.plot(norms[:, layer - 1], label=f"layer {layer}", markevery=max(1, len(norms) // 8))
    ax.set(xlabel="step", ylabel=ylabel, yscale="log")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
