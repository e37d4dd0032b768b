"""What the steps know of the site as a whole."""

import functools
import pathlib

from bs4 import BeautifulSoup


class Site:
    """A site on its way from Sphinx's output to the reader.

    Args:
        source: the book's folder.
        written: what Sphinx wrote.
        html: the folder of the finished site.
    """

    def __init__(self, source: pathlib.Path, written: pathlib.Path, html: pathlib.Path):
        self.source, self.written, self.html = source, written, html

    @functools.cached_property
    def names(self) -> list[str]:
        """Every page, but the redirect at the front door."""
        paths = (path.relative_to(self.written).as_posix() for path in self.written.rglob("*.html"))
        return sorted(name for name in paths if name != "index.html" and not name.startswith("_static/"))

    def page(self, name: str) -> BeautifulSoup:
        """A page as Sphinx wrote it, for a step to change or to take from."""
        return BeautifulSoup((self.written / name).read_text(encoding="utf-8"), "html.parser")


def is_chapter(name: str, site: Site) -> bool:
    """Whether a page is made of a notebook."""
    return (site.source / name).with_suffix(".ipynb").exists()
