"""The theme's icons, drawn by a few hundred bytes of our own: Font Awesome would be half a page's weight."""

import pathlib
import xml.etree.ElementTree as ElementTree

from bs4 import BeautifulSoup, Tag

from .site import Site

ICONS = pathlib.Path(__file__).resolve().parents[2] / "assets" / "icons"
# What Font Awesome's class says besides an icon's name.
STYLES = {"fa", "fas", "far", "fab", "fa-solid", "fa-regular", "fa-brands"}
SIZES = {"fa-lg"}


def draw_icons(page: BeautifulSoup, name: str, site: Site) -> None:
    """Put an SVG of ``assets/icons`` in the place of each icon that asks for Font Awesome."""
    for asked in page.select(", ".join(f"i.{style}, span.{style}" for style in sorted(STYLES))):
        classes = asked["class"]
        icon = next(c for c in classes if c.startswith("fa-") and c not in STYLES | SIZES).removeprefix("fa-")
        path = ICONS / f"{icon}.svg"
        if not path.exists():
            raise FileNotFoundError(f"{name} shows the icon {icon!r}: draw it in assets/icons/{icon}.svg")
        drawn = _tag(page, ElementTree.fromstring(path.read_text(encoding="utf-8")))
        kept = [c for c in classes if not c.startswith("fa") or c in SIZES]
        # Beside each icon stands its button's name or text, so it has none of its own.
        drawn.attrs |= {"class": ["ug-icon", *kept], "aria-hidden": "true", "focusable": "false"}
        drawn.attrs |= {key: value for key, value in asked.attrs.items() if key.startswith("data-")}
        asked.replace_with(drawn)


def _tag(page: BeautifulSoup, element: ElementTree.Element) -> Tag:
    """An element of a drawing, for a page; only its root says how all of it is stroked."""
    tag = page.new_tag(element.tag.rpartition("}")[2], attrs=dict(element.attrib))
    tag.extend([_tag(page, child) for child in element])
    return tag
