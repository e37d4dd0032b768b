"""Code that distracts is folded on the site, one click away: a chapter's imports, and the long code of a figure.

In Colab and Jupyter it stays in sight, where it is for editing. A tag in the notebook would do the same; but the execution
cache counts a code cell's metadata, so that each change of mind would run a chapter anew.
"""

import ast

import nbformat
from bs4 import BeautifulSoup

from .site import Site, is_chapter

LONG = 8
"""From how many lines on the code of a figure is folded."""


def fold_code(page: BeautifulSoup, name: str, site: Site) -> None:
    """Fold what only imports or draws; the figure that it drew stays in sight."""
    if not is_chapter(name, site):
        return
    notebook = nbformat.read((site.source / name).with_suffix(".ipynb"), as_version=4)
    shown = (cell for cell in notebook.cells if "remove-cell" not in cell.metadata.get("tags", []))
    sources = [cell.source for cell in shown if cell.cell_type == "code"]
    for cell, source in zip(page.select("article div.cell"), sources, strict=True):
        title, box = folded_as(source), cell.find(class_="cell_input", recursive=False)
        if title and box:
            details = page.new_tag("details", attrs={"class": ["admonition", "hide", "above-input"]})
            details.append(_summary(page, title))
            box.replace_with(details)
            details.append(box)


def folded_as(source: str) -> str | None:
    """What the code is called when it is folded; nothing where it stays open.

    >>> folded_as("import numpy as np\\nfrom course_utils import claim"), folded_as("fig, ax = plt.subplots()")
    ('imports', None)
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a line for IPython
        return None
    if not body:
        return None
    if (
        isinstance(body[0], ast.Import | ast.ImportFrom)
        and not source.startswith("# @title")
        and "def " not in source
    ):
        return "imports" if source.count("\n") else None
    draws = isinstance(body[0], ast.Assign) and ast.unparse(body[0].value).startswith("plt.subplots(")
    return (
        "code of the figure"
        if draws and len(source.splitlines()) >= LONG and "claim(" not in source
        else None
    )


def _summary(page: BeautifulSoup, title: str):
    """The line to click, as MyST-NB writes it for a tagged cell."""
    summary = page.new_tag("summary")
    for kind, verb in (("collapsed", "Show"), ("expanded", "Hide")):
        words = page.new_tag("p", attrs={"class": [kind, "admonition-title"]})
        words.string = f"{verb} the {title}"
        summary.append(words)
    return summary
