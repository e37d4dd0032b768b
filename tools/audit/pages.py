"""The pages of the built site, by what is on them."""

import pathlib
import re


def pages_of(html: pathlib.Path) -> list[str]:
    """Every page, in the order of its name."""
    names = (path.relative_to(html).as_posix() for path in html.rglob("*.html"))
    return sorted(name for name in names if not name.startswith(("_static/", "_sources/")))


def chapters_of(html: pathlib.Path) -> list[str]:
    """The numbered chapters."""
    return [name for name in pages_of(html) if re.match(r"chapters/\d", name)]


def with_explorers(html: pathlib.Path) -> list[str]:
    """The pages on which a slider moves a picture."""
    view = "application/vnd.jupyter.widget-view+json"
    return [name for name in pages_of(html) if view in (html / name).read_text(encoding="utf-8")]
