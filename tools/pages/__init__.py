"""Make the site of what Sphinx wrote: each page goes through the steps of this package, one after the other.

Sphinx's own output stays as it is, so that a page is finished anew at every build, whether Sphinx wrote it again or not.
"""

import pathlib
import shutil
from collections.abc import Callable

from bs4 import BeautifulSoup

from .figures import inline_figures, keep_figures_out_of_summaries, remove_unused_images
from .front_door import complete_redirect
from .site import Site

STEPS: tuple[Callable[[BeautifulSoup, str, Site], None], ...] = (
    inline_figures,
    keep_figures_out_of_summaries,
)
"""Each changes one page in place. It gets the page, its name (``chapters/intro.html``) and what is known of the site."""


def finish(source: pathlib.Path, written: pathlib.Path, html: pathlib.Path) -> None:
    """Write the site.

    Args:
        source: the book's folder.
        written: what Sphinx wrote.
        html: the site's folder; what is there is replaced.
    """
    shutil.rmtree(html, ignore_errors=True)
    shutil.copytree(written, html)
    site = Site(source, written, html)
    for name in site.names:
        page = site.page(name)
        for step in STEPS:
            step(page, name, site)
        (html / name).write_text(str(page), encoding="utf-8")
    remove_unused_images(html)
    complete_redirect(html)
