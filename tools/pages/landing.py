"""The first page: an explorer borrowed from a chapter, and the map of the chapters."""

import copy
import json
import posixpath
import re

from bs4 import BeautifulSoup, Tag

from .site import Site

LANDING = "chapters/intro.html"
PICTURE = "explorer.png"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def fit_landing(page: BeautifulSoup, name: str, site: Site) -> None:
    """On the first page the picture of an explorer becomes the explorer that it leads to; its table is the chapter map."""
    if name != LANDING:
        return
    for link in page.select("article a:has(img)"):
        if link.img["src"].endswith(PICTURE):
            _come_alive(page, link, site)
    for table in page.select("article table"):
        table["class"] = [*table.get("class", []), "chapters"]


def _come_alive(page: BeautifulSoup, link: Tag, site: Site) -> None:
    """Put the first explorer of the section that ``link`` leads to in its place: view, still figure, state and script."""
    path, _, anchor = link["href"].partition("#")
    chapter = site.page(posixpath.join(posixpath.dirname(LANDING), path))
    section = chapter.find(id=anchor) if anchor else chapter
    view = section and section.select_one(f'script[type="{VIEW}"]')
    if view is None:
        return
    output = view.find_parent(class_="cell_output")
    cell = page.new_tag("div", attrs={"class": ["cell", "docutils", "container", "borrowed"]})
    cell.append(copy.copy(output))
    paragraph = link.find_parent("p")
    paragraph.replace_with(cell)
    state = json.loads(chapter.select_one(f'script[type="{STATE}"]').string)
    state["state"] = _needed(state["state"], json.loads(view.string)["model_id"])
    held = page.new_tag("script", attrs={"type": STATE})
    held.string = json.dumps(state)
    page.head.append(held)
    page.head.append(copy.copy(chapter.select_one('script[src*="widgets/wake.js"]')))


def _needed(models: dict, first: str) -> dict:
    """Of a page's widgets, those that ``first`` is made of, with the links that join them."""
    refers = {
        name: set(re.findall(r"IPY_MODEL_(\w+)", json.dumps(model["state"])))
        for name, model in models.items()
    }
    found, new = set(), {first}
    while new:
        found |= new
        joined = {
            name
            for name, model in models.items()
            if model["model_name"] == "LinkModel" and refers[name] & found
        }
        new = set().union(joined, *(refers[name] for name in found)) - found
    return {name: model for name, model in models.items() if name in found}
