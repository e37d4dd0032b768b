"""Links inside the site: every one leads to a file, and every anchor to an element that bears its name."""

import pathlib
import re
from urllib.parse import unquote, urldefrag


def broken(html: pathlib.Path, base: str, visits: dict[str, dict]) -> list[str]:
    """Links that lead nowhere, as ``page: link``.

    Args:
        html: the site's folder.
        base: where it is served.
        visits: what each page holds, by its name: its ``links``, and the ``ids`` and ``names`` in it, scripts' included.
    """
    anchors = {name: {*found.get("ids", ()), *found.get("names", ())} for name, found in visits.items()}
    lost = []
    for name, found in visits.items():
        for written, target in found["links"]:
            if not target.startswith(base):
                continue
            address, anchor = urldefrag(target)
            path = unquote(address.removeprefix(base).partition("?")[0])
            file = html / path
            if file.is_dir():
                path = f"{path.rstrip('/')}/index.html".removeprefix("/")
                file = html / path
            anchor = unquote(anchor).partition(":~:")[0]
            leads = file.is_file() and (not anchor or anchor == "top" or path not in visits or anchor in anchors[path])
            if not leads:
                lost.append(f"{name}: {written}")
    return sorted(set(lost))


def as_written(html: pathlib.Path, names: list[str]) -> dict[str, dict]:
    """The ids of pages as their files have them, before any script: for links to pages that nobody opened."""
    text = lambda name: (html / name).read_text(encoding="utf-8")
    return {name: {"ids": re.findall(r'\bid="([^"]+)"', text(name)), "links": []} for name in names}
