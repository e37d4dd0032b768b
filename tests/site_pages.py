"""The pages of the built site, and what their explorers hold and draw: what the tests of the site share."""

import base64
import json
import pathlib
import re

import nbformat
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHAPTER = "chapters/02_vanishing_gradients.html"
PICTURE = ".ug-explorer"


def _page_of(path):
    return f"{path.relative_to(ROOT).with_suffix('.html')}"


def _explorers_of(path):
    """``Gradient`` or ``Training``, for each explorer of a chapter from top to bottom."""
    cells = nbformat.read(path, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return re.findall(r"\b(Gradient|Training)Explorer\(", source)


EXPLORERS = {_page_of(path): _explorers_of(path) for path in sorted(ROOT.glob("chapters/*.ipynb"))}
PLACES = [(name, index, kind) for name, kinds in EXPLORERS.items() for index, kind in enumerate(kinds)]
LANDING = "chapters/intro.html"
ALIVE = [LANDING, *EXPLORERS]
"""The pages with explorers: the first page borrows one."""
PROSE = [_page_of(path) for path in sorted(ROOT.glob("chapters/*.md"))]
PAGES = ["index.html", *PROSE, *EXPLORERS, "search.html"]


def buffer_of(model, name):
    """A binary trait of a widget's state, as floats."""
    data = next(buffer["data"] for buffer in model["buffers"] if buffer["path"] == [name])
    return np.frombuffer(base64.b64decode(data), "<f4")


def state_of(site, name):
    """The models of a page's widgets, by their ids, from the script that holds them."""
    page = (site / name).read_text(encoding="utf-8")
    (source,) = re.findall(r'<script[^>]*data-src="([^"]+)"', page)
    data = ((site / name).parent / source).read_text(encoding="utf-8")
    return json.loads(data.removeprefix("globalThis.explorersOfThisPage = ").removesuffix(";\n"))["state"]


def pictures_of(site, name):
    """The models of a page's explorers, from top to bottom."""
    page, state = (site / name).read_text(encoding="utf-8"), state_of(site, name)
    views = re.findall(r'<script type="application/vnd.jupyter.widget-view\+json">(.*?)</script>', page, re.DOTALL)
    boxes = [state[json.loads(text)["model_id"]]["state"]["children"] for text in views]
    return [state[children[-1].removeprefix("IPY_MODEL_")] for children in boxes]


def grid_of(model):
    """A gradient explorer's measurements: depths, weight scales and {(depth, scale index): [4, depth]}."""
    depths, scales = model["state"]["depths"], model["state"]["weight_scales"]
    floats, start, grid = buffer_of(model, "curves"), 0, {}
    for depth in depths:
        for s in range(len(scales)):
            grid[depth, s] = floats[start : start + 4 * depth].reshape(4, depth)
            start += 4 * depth
    return depths, scales, grid


DRAWN = """root => {
  const shownBy = kind => [...root.querySelectorAll(`.ug-curve > svg ${kind} .ug-mark`)].flatMap(marks => marks.numbers).filter(Number.isFinite);
  return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done({
    depth: Number(root.dataset.depth), scale: Number(root.dataset.weightScale), source: root.dataset.source,
    gradient: shownBy('.ug-gradient'), signal: shownBy('.ug-signal'),
    cross: { ...root.querySelector('.ug-map .ug-place').dataset },
  }))));
}"""


def sliders(page, index):
    cell = page.locator(".widget-subarea").nth(index)
    return cell.locator(PICTURE), cell.locator(".ug-handle").nth(0), cell.locator(".ug-handle").nth(1)


def said(page):
    """Once what moved is told in words, too."""
    page.wait_for_timeout(150)


def nearest(values, place):
    """The value at the least ratio to ``place``, the smaller of two."""
    distance = np.abs(np.log(np.array(values) / place))
    return values[int(np.flatnonzero(distance < distance.min() + 1e-9)[0])]
