"""Matplotlib's figures, as the site draws them into its pages."""

import io
import itertools

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from pages import figures
from site_pages import CHAPTER, EXPLORERS, ROOT

from course_utils.plots import COLOURS, plot_layer_norms, use_course_style

on_the_site = lambda test: pytest.mark.slow(pytest.mark.site(test))


def svg_of(figure):
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return file.getvalue()


def in_a_page(source, prefix="figure1"):
    page = BeautifulSoup("", "html.parser")
    for part in figures.redraw(source, prefix):
        page.append(figures._tag(page, part))
    return page


@pytest.fixture
def course_style():
    with plt.rc_context():
        use_course_style()
        yield


@pytest.fixture
def source(course_style):
    """A figure with a band, a theory line, markers, a legend, a grid and powers of ten."""
    runs = np.logspace(-3, 0, 10) * np.array([[0.5], [1], [2]])
    return svg_of(plot_layer_norms(runs, prediction=runs[1], label="measured").figure)


def test_a_figure_takes_its_colours_from_the_page(source):
    assert "#ffffff" in source and "#000000" in source
    for tag in in_a_page(source).find_all(True):
        for key in ("fill", "stroke"):
            assert tag.get(key, "none").startswith(("none", "var(--"))


def test_every_colour_of_the_course_has_a_variable_for_light_and_for_dark():
    style = (ROOT / "assets" / "course.css").read_text(encoding="utf-8")
    for colour in COLOURS:
        assert style.count(f"--{figures.COLOURS[colour.lower()]}: #") == 2


def test_a_colour_map_and_what_lies_on_it_keep_their_colours(course_style):
    figure, ax = plt.subplots()
    picture = ax.pcolormesh(np.arange(25.0).reshape(5, 5), cmap="cividis")
    ax.plot([0, 1], [0, 1], color="white", marker="")
    figure.colorbar(picture)
    page = in_a_page(svg_of(figure))
    assert len(page.find_all("svg")) == 1  # a colour bar stays beside its map
    literal = {tag.get(key) for tag in page.find_all(True) for key in ("fill", "stroke") if tag.get(key, "")[:1] == "#"}
    assert len(literal) > 20 and "#ffffff" in literal


def test_a_figure_holds_what_is_drawn_and_no_more(source):
    page = in_a_page(source)
    assert len(str(page)) < len(source) / 2
    assert not page.select("metadata, style, title, [font-family]") and "DejaVu" not in str(page)
    ids = [tag["id"] for tag in page.select("[id]")]
    assert len(ids) == len(set(ids)) > 3 and all(name.startswith("figure1-") for name in ids)
    assert {tag["href"][1:] for tag in page.select("use")} | {tag["clip-path"][5:-1] for tag in page.select("[clip-path]")} == set(ids)
    assert not set(ids) & {tag["id"] for tag in in_a_page(source, "figure2").select("[id]")}
    words = [text.get_text() for text in page.find_all("text")]
    assert {"measured", "theory", "gradient norm", "layer (1 = nearest the input)"} <= set(words)


def test_powers_of_ten_are_text_that_flows(source):
    powers = [text for text in in_a_page(source).find_all("text") if text.find("tspan")]
    assert {text.get_text() for text in powers} >= {"10−3", "10−2", "10−1", "100"}
    assert all(text["text-anchor"] == "end" and not text.tspan.get("x") for text in powers)


def test_coordinates_stay_within_a_hundredth_of_a_point():
    assert figures._short("M 64.262716 -200.160232 \nL 2.000001 -0.001 \nz\n") == "M64.26 -200.16L2 0z"


def test_columns_of_panels_can_stand_below_each_other(course_style):
    figure, axes = plt.subplots(1, 3, figsize=(8, 3), sharey=True)
    for ax, place in zip(axes, "abc", strict=True):
        ax.plot([0, 1], [0, 1])
        ax.set(title=place, xlabel="step")
    axes[0].set_ylabel("loss")
    page = in_a_page(svg_of(figure))
    panels = page.select(".panel")
    assert [panel.select("svg:not(.axis) .large")[0].get_text() for panel in panels] == ["a", "b", "c"]
    # Those without numbers of their own bring the first one's.
    assert [["loss" in svg.get_text() for svg in panel.select("svg.axis")] for panel in panels] == [[], [True], [True]]
    ids = [tag["id"] for tag in page.select("[id]")]
    assert len(ids) == len(set(ids))
    ends = [np.array(panel.select_one("svg:not(.axis)")["viewBox"].split(), float) for panel in panels]
    assert all(abs(a[0] + a[2] - b[0]) < 0.2 for a, b in itertools.pairwise(ends))


def test_panels_with_axes_of_their_own_bring_no_copy(course_style):
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    for ax in axes:
        ax.plot([1, 2], [0.1, 0.2])
        ax.set_ylabel("norm")
    page = in_a_page(svg_of(figure))
    assert len(page.select(".panel")) == 2 and not page.select(".axis")
    right = page.select(".panel svg")[1]
    assert float(right["viewBox"].split()[0]) < float(next(t["x"] for t in right.find_all("text") if t.get_text() == "norm")) - 8


@on_the_site
@pytest.mark.parametrize("name", EXPLORERS)
def test_every_figure_is_part_of_its_page_with_its_alternative_text(site, name):
    page = BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
    cells = nbformat.read(ROOT / name.replace(".html", ".ipynb"), as_version=4).cells
    given = [cell.metadata["mystnb"]["image"]["alt"] for cell in cells if "figure" in cell.metadata.get("mystnb", {})]
    drawings = page.select('figure:has(figcaption) > .drawing[role="img"]:has(svg)')
    assert [drawing["aria-label"] for drawing in drawings] == given
    assert not page.select('img[src^="data:image/svg"]')
    stills = page.select('img[src*="_images/"]')
    assert len(stills) == len(EXPLORERS[name]) and all(still.find_parent("noscript") for still in stills)
    ids = [tag["id"] for tag in page.select("[id]")]
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        targets = [tag["href"][1:] for tag in drawing.select("use")] + [tag["clip-path"][5:-1] for tag in drawing.select("[clip-path]")]
        assert set(targets) <= set(ids)
        literal = {tag.get(key) for tag in drawing.find_all(True) for key in ("fill", "stroke") if tag.get(key, "")[:1] == "#"}
        assert not literal or len(literal) > 20, "only a colour map has colours that the page does not set"


@on_the_site
def test_no_picture_is_left_that_no_page_shows(site):
    pages = "".join(path.read_text(encoding="utf-8") for path in site.glob("chapters/*.html"))
    assert [path.name for path in (site / "_images").iterdir() if path.name not in pages] == []


# For each drawing: the least contrast of its lines and of its text, the smallest text, text beyond its drawing, and
# labels that cover each other. Grids, bands of a range and colour maps are no lines.
SEEN = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  const light = colours => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = matchMedia('print').matches ? '#fff' : getComputedStyle(document.body).backgroundColor;
  const ground = light([page]);
  const contrast = colour => { const [a, b] = [ground, light([page, colour])].sort((x, y) => x - y); return (b + 0.05) / (a + 0.05); };
  return [...document.querySelectorAll('.drawing')].filter(d => d.getBoundingClientRect().width).map(drawing => {
    const lines = [21], words = [21], sizes = [99], outside = [], covered = [];
    for (const e of drawing.querySelectorAll('path, use'))
      for (const key of ['stroke', 'fill']) {
        const said = e.getAttribute(key) || '';
        if (said.startsWith('var(') && !said.includes('--grid') && !e.hasAttribute(key + '-opacity')) lines.push(contrast(getComputedStyle(e)[key]));
      }
    for (const svg of drawing.querySelectorAll('svg')) {
      const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
      if (!box.width) continue;
      const texts = [...svg.querySelectorAll('text')].map(e => [e, e.getBoundingClientRect()]);
      texts.forEach(([e, at], i) => {
        words.push(contrast(getComputedStyle(e).fill));
        sizes.push(parseFloat(getComputedStyle(e).fontSize) * scale);
        if (at.left < box.left - 2 || at.right > box.right + 2 || at.top < box.top - 2 || at.bottom > box.bottom + 2) outside.push(e.textContent);
        for (const [other, its] of texts.slice(i + 1))
          if (Math.min(at.right, its.right) - Math.max(at.left, its.left) > 1 && Math.min(at.bottom, its.bottom) - Math.max(at.top, its.top) > 4)
            covered.push(e.textContent + ' and ' + other.textContent);
      });
    }
    return {line: Math.min(...lines), text: Math.min(...words), size: Math.min(...sizes), outside, covered};
  });
}"""


@on_the_site
@pytest.mark.parametrize("name", EXPLORERS)
def test_figures_can_be_read_in_both_themes_on_a_phone_and_on_paper(open_page, name):
    page = open_page(name, java_script_enabled=False)
    counts = set()
    for width, theme, media in [(1280, "light", "screen"), (1280, "dark", "screen"), (390, "dark", "screen"), (680, "dark", "print")]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media)
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        seen = page.evaluate(SEEN)
        counts.add(len(seen))
        for number, figure in enumerate(seen):
            where = (width, theme, media, number, figure)
            assert figure["line"] >= 3 and figure["text"] >= 4.5 and figure["size"] >= 9.5, where
            assert figure["outside"] == figure["covered"] == [], where
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    cells = nbformat.read(ROOT / name.replace(".html", ".ipynb"), as_version=4).cells
    assert counts == {sum("figure" in cell.metadata.get("mystnb", {}) for cell in cells)}


@on_the_site
def test_a_search_result_quotes_the_text_and_not_the_figures(open_page):
    page = open_page("search.html")
    quoted, drawn = page.evaluate(
        """async address => {
          const html = await (await fetch(address)).text();
          const figure = new DOMParser().parseFromString(html, 'text/html').querySelector('figure svg').textContent;
          return [Search.htmlToText(html), figure];
        }""",
        CHAPTER,
    )
    assert len(drawn) > 20 and "Why do the first layers" in quoted and drawn not in quoted
