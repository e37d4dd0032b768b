"""What a page looks like to those who see little or not at all: axe-core, contrast, and what runs off a narrow screen."""

import io
import itertools

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page

STATES = tuple(itertools.product((1280, 390), ("light", "dark")))
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]
LEAST = 3.0

# Each stretch of text against what is painted behind it. Where that is a picture, nothing is said.
FAINT_TEXT = """least => {
  // Any colour that CSS can write, as numbers: a canvas paints it.
  const brush = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = colour => {
    if (!known.has(colour)) {
      brush.clearRect(0, 0, 1, 1); brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const light = colour => { const [r, g, b] = colour.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const dark = document.documentElement.dataset.theme === 'dark';
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.backgroundImage !== 'none') return null;
      layers.push(rgba(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), dark ? [18, 18, 18] : [255, 255, 255]);
  };
  const faint = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const e = node.parentElement;
    if (!/\\S/.test(node.data) || e.closest('script, style, noscript, template, [disabled], [aria-hidden=true]') || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const box = e.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const style = getComputedStyle(e), below = behind(e);
    if (!below) continue;
    let opacity = 1;
    for (let p = e; p; p = p.parentElement) opacity *= getComputedStyle(p).opacity;
    const [r, g, b, a] = rgba(e instanceof SVGElement ? style.fill : style.color);
    const found = ratio(over([r, g, b, a * opacity], below), below);
    if (found < least) faint.set(`${e.tagName.toLowerCase()}.${e.getAttribute('class') || ''}`.replace(/\\s+/g, '.'), `${found.toFixed(2)} “${node.data.trim().slice(0, 40)}”`);
  }
  return [...faint].map(([where, what]) => `${what} in ${where}`);
}"""

# Code is thousands of coloured words, which take axe three quarters of its time. Those whose classes and whose surroundings'
# classes are the same look the same: one of each keeps its colour, the others become plain text.
THIN = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll('.highlight pre span')) {
    const classes = [word.checkVisibility()];
    for (let e = word; e; e = e.parentElement) classes.push(e.className);
    const look = classes.join('/');
    if (seen.has(look)) word.replaceWith(...word.childNodes);
    seen.add(look);
  }
}"""

# Controls that are to be seen by an edge of their own, and those that a sign or a word inside shows.
CONTROLS = """() => {
  const edged = 'input:not([type=hidden], [type=checkbox], [type=radio], [type=range]), select, textarea, .ug-handle, .widget-readout';
  const signed = 'button, summary, [role=button], input[type=checkbox], input[type=radio], input[type=range]';
  const shown = e => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.matches('[disabled], :disabled, [aria-disabled=true]') && !e.closest('[aria-hidden=true], .onlyprint');
  const name = e => `${e.tagName.toLowerCase()}.${e.getAttribute('class') || e.id}`.replace(/\\s+/g, '.');
  // A field may leave its edge to the form that it fills.
  const edgeOf = e => getComputedStyle(e).borderTopStyle === 'none' && e.closest('form') || e;
  const of = (selector, edge) => [...document.querySelectorAll(selector)].filter(shown).map(e => {
    const { left, top, width, height } = (edge ? edgeOf(e) : e).getBoundingClientRect();
    return { name: name(e), edge, x: left + scrollX, y: top + scrollY, width, height };
  }).filter(({ x, y, width, height }) => width >= 4 && height >= 4 && x >= 0 && y >= 0);
  return [...of(edged, true), ...of(signed, false)];
}"""


def states(page: Page):
    """Put an open page into each width and theme, one after the other; gives each as ``(width, scheme)``."""
    for width, scheme in STATES:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        if page.evaluate("'theme' in document.documentElement.dataset"):
            page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        page.wait_for_timeout(400)  # colours fade over to the other theme
        yield width, scheme


def violations(page: Page, *, colours_only: bool = False) -> dict[str, str]:
    """What axe-core finds on a page as it stands: its rules, each with the first place. Code keeps one word of each look."""
    page.evaluate(THIN)
    rules = {"runOnly": {"type": "rule", "values": RULES_OF_COLOUR}} if colours_only else {}
    found = Axe().run(page, options={"preload": False, **rules}).response["violations"]
    return {v["id"]: v["nodes"][0]["html"][:200] for v in found}


def faint_text(page: Page) -> list[str]:
    """Text with a contrast under 3:1 against its background, however large it is."""
    return page.evaluate(FAINT_TEXT, LEAST)


def _luminance(pixels: np.ndarray) -> np.ndarray:
    share = pixels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def _ratio(a, b):
    return (np.maximum(a, b) + 0.05) / (np.minimum(a, b) + 0.05)


def _most(pixels: np.ndarray) -> np.ndarray:
    """The commonest colour."""
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return colours[counts.argmax()]


def _contrast(picture: np.ndarray, control: dict) -> float | None:
    """How far a control stands out, from the page's picture.

    An edged one by its edge: at the middle of each side, the best contrast within 3 pixels of the edge against the colour
    4 pixels outside; the worst but one side counts, and of a slider's handle the two that do not lie on its rail. Another one by
    what is in it: the best contrast that a hundredth of its pixels reach, against the commonest colour around or in it.
    """
    x, y = round(control["x"]), round(control["y"])
    right, bottom = round(control["x"] + control["width"]), round(control["y"] + control["height"])
    height, width, _ = picture.shape
    if x < 5 or y < 5 or right + 5 > width or bottom + 5 > height:
        x, y, right, bottom = max(x, 0), max(y, 0), min(right, width), min(bottom, height)
        if control["edge"] or right - x < 4 or bottom - y < 4:
            return None
    inside = picture[y:bottom, x:right]
    if not control["edge"]:
        around = picture[max(y - 4, 0) : bottom + 4, max(x - 4, 0) : right + 4]
        light = _luminance(inside.reshape(-1, 3))
        best = 0.0
        for ground in (_most(inside), _most(around)):
            best = max(best, float(np.quantile(_ratio(light, _luminance(ground)), 0.99)))
        return best
    middle_x, middle_y = (x + right) // 2, (y + bottom) // 2
    sides = [
        (picture[y - 4, middle_x], picture[y - 1 : y + 3, middle_x]),
        (picture[bottom + 3, middle_x], picture[bottom - 3 : bottom + 1, middle_x]),
        (picture[middle_y, x - 4], picture[middle_y, x - 1 : x + 3]),
        (picture[middle_y, right + 3], picture[middle_y, right - 3 : right + 1]),
    ]
    found = sorted(float(_ratio(_luminance(edge), _luminance(out)).max()) for out, edge in sides)
    return found[2 if "ug-handle" in control["name"] else 1]


def faint_controls(page: Page) -> list[str]:
    """Controls that stand out from what is around them by less than 3:1, measured in a picture of the page."""
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    controls = page.evaluate(CONTROLS)
    shot = page.screenshot(full_page=True, animations="disabled", caret="hide", scale="css")
    picture = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    faint = {}
    for control in controls:
        contrast = _contrast(picture, control)
        if contrast is not None and contrast < LEAST:
            faint[control["name"]] = f"{contrast:.2f} {control['name']}"
    return list(faint.values())
