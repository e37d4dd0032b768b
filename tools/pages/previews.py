"""A small preview of what a link leads to: a term, a paper, a chapter, a claim. It travels with the page."""

import copy
import functools
import posixpath

from bs4 import BeautifulSoup, Tag

from .site import Site, is_chapter
from .terms import give_terms_a_place

SCRIPT = "previews.js"
HEADINGS = ["h1", "h2", "h3"]


def add_previews(page: BeautifulSoup, name: str, site: Site) -> None:
    """Put into a chapter what its prose leads to, in a template that ``previews.js`` shows beside a link."""
    if not is_chapter(name, site):
        return
    article, held = page.select_one("article"), {}
    for link in article.select("a[href]"):
        if "headerlink" in link.get("class", []) or link.find_parent(class_="cell"):
            continue
        path, _, anchor = link["href"].partition("#")
        if ":" in path:
            continue
        if not path:  # on the page itself: the script finds it there
            link["data-preview"] = link["href"]
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)), anchor
        if target not in held:
            held[target] = preview(site, *target)
        if held[target] is not None:
            link["data-preview"] = link["href"]
            held[target]["data-of"] = link["href"]
    if not page.select_one("article a[data-preview]"):
        return
    template = page.new_tag("template", id="previews")
    template.extend([piece for piece in held.values() if piece is not None])
    article.append(template)
    address = posixpath.relpath(f"_static/{SCRIPT}", posixpath.dirname(name))
    page.head.append(page.new_tag("script", src=address, attrs={"defer": ""}))


@functools.lru_cache(maxsize=32)
def _page(site: Site, name: str) -> BeautifulSoup | None:
    if name not in site.names:
        return None
    page = site.page(name)
    give_terms_a_place(page, name, site)
    return page


def preview(site: Site, name: str, anchor: str) -> Tag | None:
    """What a reader sees of a place before going there; nothing where there is nothing short to show."""
    page = _page(site, name)
    if page is None:
        return None
    place = page.find(id=anchor) if anchor else page.select_one("article section")
    if place is None:
        return None
    piece = page.new_tag("div")
    if place.name == "tr":
        term, meaning = place.find_all("td")[:2]
        piece.append(_titled(page, term))
        piece.append(_plain(page.new_tag("p"), meaning))
    elif (heading := place.find(HEADINGS)) and (first := heading.find_next_sibling("p")):
        piece.append(_titled(page, heading))
        piece.append(_plain(page.new_tag("p"), first))
    else:
        return None
    return piece


def _titled(page: BeautifulSoup, source: Tag) -> Tag:
    title = page.new_tag("p", attrs={"class": "preview-title"})
    return _plain(title, source)


def _plain(into: Tag, source: Tag) -> Tag:
    """The words and formulas of ``source``, without links: a preview is for reading."""
    into.extend(copy.copy(source).contents[:])
    for link in into.select("a.headerlink"):
        link.decompose()
    for wrapper in into.select("a, p"):
        wrapper.unwrap()
    for part in into.select("[id]"):
        del part["id"]
    return into
