"""The picture that a link to a page carries where people share it: the page's question over the course's one curve."""

import pathlib
import textwrap

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SIZE = 1200, 630
PAPER, INK, QUIET = "#0f1720", "#f4f6f8", "#9fb0c0"
# Okabe–Ito: a gradient that explodes, one that stays, one that vanishes.
CURVES = ((1.0, "#e69f00"), (0.0, "#f4f6f8"), (-1.0, "#56b4e9"))


def draw_card(path: pathlib.Path, course: str, title: str, question: str) -> None:
    """Draw a page's card, the same bytes each time.

    Args:
        path: the file, a PNG.
        course: the course's title.
        title: the page's title; empty for the course itself, whose title then stands large.
        question: what the page answers; may be empty.
    """
    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor=PAPER)
    _draw_curves(figure)
    large = textwrap.fill(title or course, 24)
    figure.text(0.06, 0.86, course if title else "A course", color=QUIET, fontsize=22, va="center")
    figure.text(0.06, 0.76, large, color=INK, fontsize=48, weight="bold", va="top", linespacing=1.1)
    lines = large.count("\n") + 1
    figure.text(
        0.06,
        0.70 - 0.125 * lines,
        textwrap.fill(question, 52),
        color=INK,
        fontsize=24,
        va="top",
        linespacing=1.3,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # A palette of few colours and no date or version keep the file small and its bytes the same.
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def _draw_curves(figure: Figure) -> None:
    """What a gradient does on its way through the layers, from the loss on the right to the input on the left."""
    axes = figure.add_axes((0, 0, 1, 0.36))
    axes.axis("off")
    layers = np.arange(13)
    for slope, colour in CURVES:
        axes.plot(layers, slope * (12 - layers) / 12, color=colour, linewidth=5, marker="o", markersize=12)
    axes.set(xlim=(-0.7, 12.7), ylim=(-1.25, 1.25))
