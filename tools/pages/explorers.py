"""Explorers on a page: each gets a name that a link leads to, with JavaScript or without, and its kind, for its style."""

import json

from bs4 import BeautifulSoup

from .site import Site

WIDGETS = "application/vnd.jupyter.widget-{}+json"
KINDS = {"course_utils.explorer": "explorer-gradients", "course_utils.training_explorer": "explorer-training"}


def name_explorers(page: BeautifulSoup, name: str, site: Site) -> None:
    """The places of the explorers are ``explorer-1``, ``explorer-2``, … in the order of the page."""
    views = page.find_all("script", type=WIDGETS.format("view"))
    if not views:
        return
    models = json.loads(page.find("script", type=WIDGETS.format("state")).string)["state"]
    for number, view in enumerate(views, start=1):
        box = models[json.loads(view.string)["model_id"]]["state"]
        picture = models[box["children"][-1].removeprefix("IPY_MODEL_")]["state"]
        place = view.find_parent(class_="cell_output")
        place["id"] = f"explorer-{number}"
        place["class"] += ["explorer", KINDS[picture["_anywidget_id"].rpartition(".")[0]]]
