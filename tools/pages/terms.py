"""The course's terms and symbols: what the glossary and the notation page list, each with a place of its own.

Both pages are tables, which read well in Colab and on GitHub, and whose rows have no anchors. They get them here.
"""

import re
import unicodedata
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

from .site import Site

GLOSSARY = "chapters/glossary.html"
NOTATION = "chapters/notation.html"


class Term(NamedTuple):
    """A row of one of the two tables."""

    page: str
    anchor: str
    names: list[str]
    """The names it goes by in prose; none for a row of the notation page."""
    symbols: list[str]
    """What else a reader may look for: σ_w, sigma_w, weight_scale."""
    row: Tag


def terms(page: BeautifulSoup, name: str) -> list[Term]:
    """The terms that a page lists; none on any other page than the two."""
    if name == GLOSSARY:
        return [_of_glossary(row) for row in page.select("article tbody tr")]
    if name == NOTATION:
        return [_of_notation(row) for row in page.select("article tbody tr")]
    return []


def give_terms_a_place(page: BeautifulSoup, name: str, site: Site) -> None:
    """An id for each row that explains a term or a symbol: ``glossary.html#depth-scale``."""
    for term in terms(page, name):
        term.row["id"] = term.anchor


def names_of(text: str) -> list[str]:
    """The names in a glossary's first column.

    >>> names_of("fan-in, fan-out"), names_of("layer normalization (layer norm)"), names_of("He (Kaiming) initialization")
    (['fan-in', 'fan-out'], ['layer normalization', 'layer norm'], ['He initialization', 'Kaiming initialization'])
    """
    before, inside, after = re.fullmatch(r"([^(]*)(?:\(([^)]*)\))?(.*)", text).groups()
    words = [*before.split(","), *(inside or "").split(",")]
    return [f"{word.strip()} {after.strip()}".strip() for word in words if word.strip()]


def spelled(formula: str) -> list[str]:
    r"""How a Greek symbol is typed, in two ways; nothing for any other formula.

    >>> spelled(r"\(\sigma_w\)"), spelled(r"\(\xi = 1/2\)"), spelled(r"\(L\)")
    (['σ_w', 'sigma_w'], ['ξ', 'xi'], [])
    """
    symbol = re.match(r"\\\(\s*\\(?:var)?([a-z]+)(_\w)?\s*(?:=|\\\)|:)", formula)
    if symbol is None:
        return []
    letter, index = symbol[1], symbol[2] or ""
    try:
        return [unicodedata.lookup(f"GREEK SMALL LETTER {letter}") + index, letter + index]
    except KeyError:
        return []


def slug(text: str) -> str:
    """The text as a part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _of_glossary(row: Tag) -> Term:
    name, meaning = row.find_all("td")
    names = names_of(name.get_text())
    formula = meaning.select_one(".math")
    opens = formula is not None and meaning.get_text().strip().startswith(formula.get_text())
    symbols = spelled(formula.get_text()) if opens else []
    return Term(GLOSSARY, next(filter(None, map(slug, names))), names, symbols, row)


def _of_notation(row: Tag) -> Term:
    symbol, _, code = row.find_all("td")
    formulas = [formula.get_text() for formula in symbol.select(".math")]
    in_code = [name for piece in code.select("code") if (name := re.match(r"\w*", piece.get_text())[0])]
    symbols = [name for formula in formulas for name in spelled(formula)]
    return Term(NOTATION, slug([*in_code, *formulas, symbol.get_text()][0]), [], symbols + in_code, row)
