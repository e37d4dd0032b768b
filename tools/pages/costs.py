"""The table of what each chapter costs to run, on the page that has a place for it."""

import json

from bs4 import BeautifulSoup

from .site import Site

PLACE = "chapter-costs"


def costs(page: BeautifulSoup, name: str, site: Site) -> None:
    """Fill the element ``chapter-costs`` with seconds and peak memory of each chapter, as the build kept them."""
    place = page.find(id=PLACE)
    if place is None:
        return
    measured = json.loads((site.source / "_build" / "executed" / "costs.json").read_text(encoding="utf-8"))
    rows = "".join(_row(site, chapter, cost) for chapter, cost in sorted(measured.items()))
    table = (
        '<table class="table"><thead><tr><th scope="col">chapter</th><th scope="col">seconds</th>'
        f'<th scope="col">peak memory</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    place.append(BeautifulSoup(table, "html.parser"))


def _row(site: Site, chapter: str, cost: dict) -> str:
    page = chapter.replace(".ipynb", ".html")
    title = site.page(f"chapters/{page}").find("h1").contents[0]
    memory = f"{cost['peak_bytes'] / 1e6:.0f} MB" if cost.get("peak_bytes") else "not told by this system"
    return f'<tr><td><a href="{page}">{title}</a></td><td>{cost["execution_seconds"]:.0f}</td><td>{memory}</td></tr>'
