"""Figures in the page: what matplotlib drew becomes part of the text, in the page's own colours and font.

An SVG in an ``<img>`` knows nothing of the page around it. Inline it takes the theme's colours, dark or light, and
its text is text. What matplotlib adds for other uses goes: metadata, groups and ids that nothing refers to, white
backgrounds, digits beyond a tenth of a pixel.
"""

import base64
import copy
import itertools
import pathlib
import re
import xml.etree.ElementTree as ElementTree

from bs4 import BeautifulSoup, Tag

from .site import Site

Element = ElementTree.Element

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
G, PATH, TEXT, DEFS = f"{SVG}g", f"{SVG}path", f"{SVG}text", f"{SVG}defs"

COLOURS = {
    "#0072b2": "blue",
    "#d55e00": "vermilion",
    "#009e73": "green",
    "#cc79a7": "purple",
    "#e69f00": "orange",
    "#56b4e9": "slate",
    "#1f77b4": "blue",  # matplotlib's own first colour, where a chapter draws without `use_course_style`
    "#000000": "axis",
    "#595959": "theory",
    "#b0b0b0": "grid",
}
"""What `course_utils.plots` draws with, and the variable of ``course.css``. A colour map, and what lies on it, stays."""

FONT_SIZE = 11  # of nearly all text in a figure: `use_course_style` sets it
PIXELS = 4 / 3  # CSS pixels in a point, matplotlib's unit


def inline_figures(page: BeautifulSoup, name: str, site: Site) -> None:
    """Put every figure into the page. Its alternative text becomes its label, word for word."""
    images = page.select('figure img[src*="_images/"][src$=".svg"], img[src^="data:image/svg+xml"]')
    # Still figures are for readers without JavaScript alone: the page need not carry them (`weight.keep_stills_apart`).
    images = [image for image in images if not image.find_parent("noscript")]
    for number, image in enumerate(images, 1):
        drawing = Element("div", {"class": "drawing", "role": "img", "aria-label": image["alt"]})
        drawing.extend(redraw(_source(image["src"], (site.written / name).parent), f"figure{number}"))
        image.replace_with(_tag(page, drawing))


def keep_figures_out_of_summaries(page: BeautifulSoup, name: str, site: Site) -> None:
    """The search page quotes a page's text: without the numbers at a figure's axes."""
    if name != "search.html":
        return
    script = site.html / "_static" / "searchtools.js"
    text, skipped = script.read_text(encoding="utf-8"), '[".headerlink", "script", "style"'
    if skipped not in text:
        raise ValueError(f"Sphinx's {script.name} no longer says what a summary leaves out: {skipped}")
    script.write_text(text.replace(skipped, skipped + ', "svg"'), encoding="utf-8")


def redraw(source: str, prefix: str) -> list[Element]:
    """A figure of matplotlib's as elements for a page: one SVG, or a panel for each column of its axes.

    Args:
        source: the SVG that matplotlib wrote.
        prefix: sets its ids apart from those of the page's other figures.
    """
    root = ElementTree.fromstring(source)
    _write_powers(root)
    parts = _columns(root)
    for parent in [element for part in parts for element in part.iter()]:
        for child in [*parent]:
            if _is_background(child) or child.tag in (f"{SVG}metadata", f"{SVG}style"):
                parent.remove(child)
    everything = [element for part in parts for element in part.iter()]
    used = dict.fromkeys(target for element in everything if (target := _target(element)))
    ids = {old: f"{prefix}-{number}" for number, old in enumerate(used, 1)}
    for element in everything:
        _rewrite(element, ids)
    return parts


def _source(address: str, folder: pathlib.Path) -> str:
    """The text of an SVG file, or of one that the address itself holds."""
    if address.startswith("data:"):
        return base64.b64decode(address.partition("base64,")[2]).decode()
    return (folder / address).read_text(encoding="utf-8")


def _is_background(element: Element) -> bool:
    """Whether it is a white patch under a figure or its axes. White lines on a colour map are none."""
    return element.tag == PATH and element.get("style") == "fill: #ffffff"


def _write_powers(root: Element) -> None:
    """Let powers of ten at the ticks, which matplotlib sets glyph by glyph, flow in any font."""
    for tick in root.iter(G):
        axis = re.match(r"[xy](?=tick_)", tick.get("id", ""))
        text = tick.find(f".//{G}[@transform]/{TEXT}") if axis else None
        if text is None:
            continue
        holder = next(group for group in tick.iter(G) if group.find(f"{G}/{TEXT}") is text)
        top = float(re.findall(r"[\d.]+", holder[0].get("transform"))[1])
        base = max(float(span.get("y")) for span in text)
        mark = tick.find(f".//{SVG}use")
        across = axis[0] == "x"
        label = ElementTree.Element(TEXT, {"x": mark.get("x"), "y": str(top + base)})
        label.set("style", f"text-anchor: {'middle' if across else 'end'}")
        if not across:
            label.set("x", str(float(mark.get("x")) - 7))
        label.text = "".join(span.text for span in text if float(span.get("y")) == base)
        power = ElementTree.SubElement(label, f"{SVG}tspan", {"class": "power", "dy": "-0.4em"})
        power.text = "".join(span.text for span in text if float(span.get("y")) < base)
        holder[:] = [label]


def _columns(root: Element) -> list[Element]:
    """The drawing as it is, or a panel for each column of its axes, which a phone shows below each other.

    A column whose numbers stand at the first column's axis gets a copy of that axis, which a phone shows too.
    """
    figure = root.find(G)
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    axes = {group: _frame(group) for group in figure if group.get("id").startswith("axes_")}
    lefts = sorted({left for left, _ in axes.values()})
    if len(lefts) == 1 or any(right - left < 20 for left, right in axes.values()):  # a colour bar belongs to its map
        return [_svg([*figure, *root.findall(DEFS)], 0, width, height)]
    columns = [[group for group, (left, _) in axes.items() if left == place] for place in lefts]
    labels = [group for group in figure if group.get("id").startswith("text_")]
    edges = [0, *(min(map(_reach, column)) for column in columns[1:]), width]
    panels = []
    for column, (start, end) in zip(columns, itertools.pairwise(edges), strict=True):
        own = [label for label in labels if start <= _place(label.find(TEXT)) < end]
        shared = root.findall(DEFS) if not panels else []
        drawing = _svg([*column, *own, *shared], start, end - start, height)
        panel = Element("span", {"class": "panel small" if len(columns) > 3 else "panel"})
        if not any(_numbers(group) for group in column):
            at_left = [label for label in labels if _place(label.find(TEXT)) < lefts[0]]
            panel.append(_svg(_without_definitions([*map(_axis, columns[0]), *at_left]), 0, lefts[0], height))
            panel[0].set("class", "axis")
        panel.append(drawing)
        panels.append(panel)
    return panels


def _svg(children: list[Element], left: float, width: float, height: float) -> Element:
    box = f"{left:.1f} 0 {width:.1f} {height:.1f}"
    size = {"width": f"{width * PIXELS:.0f}", "height": f"{height * PIXELS:.0f}"}
    svg = Element(f"{SVG}svg", {"viewBox": box, **size})
    svg.extend(children)
    return svg


def _frame(axes: Element) -> tuple[float, float]:
    """Where axes begin and end, by the patch under them."""
    across = [float(number) for number in re.findall(r"[\d.]+", axes.find(f"{G}/{PATH}").get("d"))[::2]]
    return round(min(across), 1), round(max(across), 1)


def _axis(axes: Element) -> Element:
    """The y axis."""
    return [group for group in axes if group.get("id").startswith("matplotlib.axis")][1]


def _numbers(axes: Element) -> list[Element]:
    """What is written at the y axis."""
    return [*_axis(axes).iter(TEXT)]


def _reach(axes: Element) -> float:
    """How far left the axes and all that is written at them reach."""
    left = _frame(axes)[0] - 5
    for text in _numbers(axes):
        turned = "rotate(-90" in text.get("transform", "")
        left = min(left, _place(text) - FONT_SIZE * (1 if turned else 0.65 * len("".join(text.itertext()))))
    return left


def _place(text: Element) -> float:
    """Where a text stands from left to right."""
    return float(text.get("x") or re.findall(r"[\d.]+", text.get("transform"))[0])


def _without_definitions(elements: list[Element]) -> list[Element]:
    """A copy that refers to the original's definitions."""
    elements = copy.deepcopy(elements)
    for parent in [group for element in elements for group in element.iter()]:
        for child in parent.findall(DEFS):
            parent.remove(child)
    return elements


def _target(element: Element) -> str:
    """The id of what an element draws or is cut by."""
    if element.tag == f"{SVG}use":
        return element.get(HREF).removeprefix("#")
    return element.get("clip-path", "").removeprefix("url(#").removesuffix(")")


def _rewrite(element: Element, ids: dict[str, str]) -> None:
    """Give an element its colours as the page's variables, short numbers, and an id only where it is used."""
    style = dict(declaration.split(": ", 1) for declaration in element.attrib.pop("style", "").split("; ") if declaration)
    attributes = element.attrib | style
    element.attrib.clear()
    size = float(attributes.pop("font-size", f"{FONT_SIZE}px").removesuffix("px"))
    if size != FONT_SIZE and element.tag == TEXT:
        element.set("class", "large" if size > FONT_SIZE else "small")
    for key, value in attributes.items():
        match key:
            case "id":
                if value in ids:
                    element.set("id", ids[value])
            case _ if key == HREF and element.tag == f"{SVG}use":
                element.set("href", f"#{ids[value[1:]]}")
            case "clip-path":
                element.set(key, f"url(#{ids[value[5:-1]]})")
            case "fill" | "stroke" if value in COLOURS:
                element.set(key, f"var(--{COLOURS[value]}, {value})")
            case "d" | "x" | "y" | "width" | "height" | "transform" | "viewBox" | "stroke-width" | "stroke-dasharray":
                if not value.startswith("rotate(-0 "):
                    element.set(key, _short(value))
            case "font-family" | "stroke-dashoffset":
                pass
            case _:
                element.set(key.replace(HREF, "href"), value)


def _short(numbers: str) -> str:
    """The same to a hundredth of a point, on one line."""
    numbers = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), numbers)
    numbers = re.sub(r"-0(?![\d.])", "0", numbers)
    return re.sub(r" ?([MLCQzZ]) ?", r"\1", " ".join(numbers.split()))


def _tag(page: BeautifulSoup, element: Element) -> Tag:
    """An element of a drawing as one of the page, without groups that say nothing."""
    tag = page.new_tag(element.tag.removeprefix(SVG), attrs=dict(element.attrib))
    _fill(page, tag, element)
    return tag


def _fill(page: BeautifulSoup, tag: Tag, element: Element) -> None:
    if element.text and element.text.strip():
        tag.append(element.text)
    for child in element:
        if child.tag in (G, DEFS) and not (len(child) and (child.attrib or child.tag == DEFS)):
            _fill(page, tag, child)
        else:
            tag.append(_tag(page, child))
