"""What the steps know of the site as a whole."""

import functools
import pathlib

import yaml
from address import site_url
from bs4 import BeautifulSoup

from .about import About, about
from .typesetter import Typesetter

FIRST = "chapters/intro.html"
"""The page that readers see first, with the map of chapters."""


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

    @functools.cached_property
    def url(self) -> str:
        """The site's public address, with a slash at the end; empty as long as it has none."""
        return site_url(self.source)

    @functools.cached_property
    def typesetter(self) -> Typesetter:
        """What sets the formulas of all pages."""
        return Typesetter()

    @functools.cached_property
    def config(self) -> dict:
        """The book's configuration."""
        return yaml.safe_load((self.source / "_config.yml").read_text(encoding="utf-8"))

    @property
    def title(self) -> str:
        """The book's title."""
        return self.config["title"]

    @functools.cache  # noqa: B019 (one site a build)
    def about(self, name: str) -> About:
        """What a page is about."""
        return about(self.page(name), name, self.page(FIRST if FIRST in self.names else name))

    @functools.cached_property
    def chapters(self) -> list[str]:
        """The pages that are chapters: notebooks, in the order of the book's contents."""
        contents = yaml.safe_load((self.source / "_toc.yml").read_text(encoding="utf-8"))
        files = [entry["file"] for entry in contents["chapters"]]
        return [f"{file}.html" for file in files if (self.source / f"{file}.ipynb").exists()]

def is_chapter(name: str, site: Site) -> bool:
    """Whether a page is made of a notebook."""
    return (site.source / name).with_suffix(".ipynb").exists()
