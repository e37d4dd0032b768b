"""Search finds terms and symbols by name.

Sphinx's search ranks a page high for its title and headings, and all else alike. So each of the glossary's terms and each
symbol becomes a heading in its index, with the places that explain it.
"""

import json
import posixpath

from .site import Site
from .terms import GLOSSARY, NOTATION, terms

OPENING = "Search.setIndex("


def index_terms(site: Site) -> None:
    """Write the terms into the site's search index."""
    path = site.html / "searchindex.js"
    if not path.exists() or GLOSSARY not in site.names:
        return
    index = json.loads(path.read_text(encoding="utf-8").removeprefix(OPENING).rstrip().removesuffix(")"))
    number = {f"{name}.html": place for place, name in enumerate(index["docnames"])}
    for page in filter(site.names.__contains__, (GLOSSARY, NOTATION)):
        for term in terms(site.page(page), page):
            found = [[number[page], term.anchor]]
            for link in term.row.select("a[href]"):
                target, _, anchor = link["href"].partition("#")
                target = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
                found += [[number[target], anchor or None]] if target in number else []
            for name in _looked_for(term):
                index["alltitles"].setdefault(name, []).extend(found)
    path.write_text(
        OPENING + json.dumps(index, ensure_ascii=False, separators=(",", ":")) + ")", encoding="utf-8"
    )


def _looked_for(term) -> list[str]:
    """What a reader may type for a term: also *Xavier* for Xavier initialization."""
    people = [first for name in term.names if " " in name and (first := name.split()[0])[0].isupper()]
    return list(dict.fromkeys([*term.names, *people, *term.symbols]))
