"""Make the site of what Sphinx wrote: each page goes through the steps of this package, one after the other.

Sphinx's own output stays as it is, so that a page is finished anew at every build, whether Sphinx wrote it again or not.
"""

import pathlib
import shutil
from collections.abc import Callable

from bs4 import BeautifulSoup
from bs4.dammit import EntitySubstitution
from bs4.formatter import HTMLFormatter

from .costs import costs
from .explorers import name_explorers
from .figures import inline_figures, keep_figures_out_of_summaries
from .folding import fold_code
from .formulas import set_formulas
from .front_door import complete_redirect
from .html_repairs import mend
from .icons import draw_icons
from .landing import fit_landing
from .metadata import describe, publish
from .previews import add_previews
from .reading import frame_chapter, link_terms
from .search import index_terms
from .site import Site
from .terms import give_terms_a_place
from .weight import (
    keep_data_apart,
    keep_stills_apart,
    leave_out_the_unused,
    load_what_is_used,
    load_without_waiting,
)

STEPS: tuple[Callable[[BeautifulSoup, str, Site], None], ...] = (
    costs,
    fit_landing,
    give_terms_a_place,
    frame_chapter,
    fold_code,
    link_terms,
    add_previews,
    name_explorers,
    inline_figures,
    keep_figures_out_of_summaries,
    set_formulas,
    draw_icons,
    mend,
    keep_stills_apart,
    keep_data_apart,
    describe,
    load_what_is_used,
    load_without_waiting,
)
"""Each changes one page in place. It gets the page, its name (``chapters/intro.html``) and what is known of the site."""

# As people write HTML: no slash in <meta>, no ="" after defer.
AS_HTML = HTMLFormatter(
    EntitySubstitution.substitute_xml, void_element_close_prefix="", empty_attributes_are_booleans=True
)


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
    with site.typesetter:
        for name in site.names:
            page = site.page(name)
            for step in STEPS:
                step(page, name, site)
            (html / name).write_text(page.decode(formatter=AS_HTML), encoding="utf-8")
    index_terms(site)
    complete_redirect(site)
    publish(site)
    leave_out_the_unused(site)
