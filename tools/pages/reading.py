"""What helps a reader along in a chapter: terms that lead to the glossary, findings that lead to what checked them."""

import posixpath
import re

import nbformat
from bs4 import BeautifulSoup, NavigableString

from course_utils.claims import anchor_of

from .site import Site, is_chapter
from .terms import GLOSSARY, terms

NOT_PROSE = ["a", "blockquote", "code", "figure", "h1", "h2", "h3", "h4", "pre", "table"]
ABOUT = "Time:"
"""The first word of the quote at a chapter's top: how long it takes, what it needs, what it gives."""


def frame_chapter(page: BeautifulSoup, name: str, site: Site) -> None:
    """Mark the quote at a chapter's top, and give each finding at its end the way to the claims that checked it."""
    if not is_chapter(name, site):
        return
    for quote in page.select("article blockquote"):
        if quote.get_text().strip().startswith(ABOUT):
            quote["class"] = ["about"]
    for cell in nbformat.read((site.source / name).with_suffix(".ipynb"), as_version=4).cells:
        if "checked_by" in cell.metadata:
            _tie(page, cell)


def _tie(page: BeautifulSoup, cell) -> None:
    """A tick after each finding of a summary, one for each claim that its cell names."""
    heading = re.match(r"#+ (.*)", cell.source)[1]
    (title,) = [title for title in page.select("article h2") if title.contents[0] == heading]
    for item, statements in zip(
        title.parent.find("ul").find_all("li"), cell.metadata["checked_by"], strict=True
    ):
        place = item.find("p") or item
        for statement in statements:
            tick = page.new_tag("a", href=f"#{anchor_of(statement)}", attrs={"class": "checked"})
            tick["aria-label"] = f"✓ Checked: {statement}"
            tick.string = "✓"
            place.extend(["\N{NO-BREAK SPACE}", tick])


def link_terms(page: BeautifulSoup, name: str, site: Site) -> None:
    """The first use of each of the glossary's terms in a chapter's prose leads to the glossary.

    A term of one plain word, such as *depth*, is linked only where the chapter introduces it in bold.
    """
    if not is_chapter(name, site) or GLOSSARY not in site.names:
        return
    pieces = [text for text in page.select_one("article").find_all(string=True) if _is_prose(text)]
    to_glossary = posixpath.relpath(GLOSSARY, posixpath.dirname(name))
    for term in sorted(terms(site.page(GLOSSARY), GLOSSARY), key=lambda term: -max(map(len, term.names))):
        _link_first(page, pieces, term.names, f"{to_glossary}#{term.anchor}")


def _is_prose(text: NavigableString) -> bool:
    if type(text) is not NavigableString or not text.strip():
        return False
    return not any(
        parent.name in NOT_PROSE or {"cell", "math"} & set(parent.get("class", [])) for parent in text.parents
    )


def _is_special(name: str) -> bool:
    """Whether a name can only be meant as the term."""
    return " " in name or "-" in name or any(letter.isupper() for letter in name)


def _link_first(page: BeautifulSoup, pieces: list[NavigableString], names: list[str], href: str) -> None:
    for place, text in enumerate(pieces):
        bold = text.parent.name == "strong"
        usable = [
            name for name in names if _is_special(name) or (bold and text.strip().lower() == name.lower())
        ]
        found = usable and re.search(rf"(?<![\w-])(?:{'|'.join(map(_pattern, usable))})(?![\w-])", text)
        if not found:
            continue
        link = page.new_tag("a", href=href, attrs={"class": "term"})
        link.string = found[0]
        before, after = NavigableString(text[: found.start()]), NavigableString(text[found.end() :])
        text.replace_with(before, link, after)
        pieces[place : place + 1] = [before, after]
        return


def _pattern(name: str) -> str:
    """The name as prose writes it: at a sentence's start too, and in the plural."""
    first = f"[{name[0].upper()}{name[0].lower()}]" if name[0].islower() else re.escape(name[0])
    return first + re.escape(name[1:]) + ("" if name.endswith("s") else "s?")
