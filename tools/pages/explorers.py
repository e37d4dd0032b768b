"""Explorers on a page: each gets a name that a link leads to, with JavaScript or without."""

from bs4 import BeautifulSoup

from .site import Site

VIEW = "application/vnd.jupyter.widget-view+json"


def name_explorers(page: BeautifulSoup, name: str, site: Site) -> None:
    """The place of each explorer is ``explorer-1``, ``explorer-2``, … in the order of the page."""
    for number, view in enumerate(page.find_all("script", type=VIEW), start=1):
        view.find_parent(class_="cell_output")["id"] = f"explorer-{number}"
