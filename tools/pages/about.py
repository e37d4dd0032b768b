"""What a page is about, read from the page itself and from the map of chapters on the first one."""

import re
import unicodedata
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

SHORT = 200
"""Characters of a description that a search engine shows; whole sentences are taken as long as they fit."""


class About(NamedTuple):
    """A page in words; ``minutes`` is 0 and ``question`` and ``teaches`` are empty where the page gives none."""

    title: str
    question: str
    description: str
    teaches: tuple[str, ...]
    minutes: int


def about(page: BeautifulSoup, name: str, chapters: BeautifulSoup) -> About:
    """What is known of a page.

    Args:
        page: the page.
        name: its name in the site.
        chapters: the page that holds the map of chapters.
    """
    article = page.select_one("article") or page
    heading = article.select_one("h1")
    title = plain(heading) if heading else page.title.get_text().partition(" — ")[0]
    paragraphs = [p for p in article.select("section > p") if not p.find_parent(["blockquote", "details"])]
    question = next((plain(p) for p in paragraphs[:1] if _is_question(p)), "")
    first = next((plain(p) for p in paragraphs if not _is_question(p) and not p.select_one("img")), "")
    return About(
        title,
        question,
        _whole_sentences(f"{question} {first}".strip() or title),
        _abilities(article),
        _minutes(name, chapters),
    )


def plain(element: Tag) -> str:
    """An element's text on one line: without the sign of its anchor, and Greek letters for their names in formulas."""
    parts = (s for s in element.strings if "headerlink" not in (s.parent.get("class") or ()))
    text = re.sub(r"\s+", " ", "".join(parts)).strip()
    return re.sub(r"\\\((.*?)\\\)", lambda formula: _greek(formula[1]), text)


def _greek(formula: str) -> str:
    def letter(name: re.Match) -> str:
        try:
            return unicodedata.lookup(f"GREEK SMALL LETTER {name[1].upper()}")
        except KeyError:
            return name[1]

    return re.sub(r"\\([a-z]+) ?", letter, formula).replace("{", "").replace("}", "")


def _is_question(paragraph: Tag) -> bool:
    """Whether a paragraph is one bold or slanted sentence, as below a chapter's title."""
    only = paragraph.find(["strong", "em"], recursive=False)
    return only is not None and plain(only) == plain(paragraph)


def _whole_sentences(text: str) -> str:
    """The first sentences of a text, as many as are short together, and one at the least."""
    taken = ""
    for sentence in re.split(r"(?<=[.?!:]) ", text):
        if taken and len(taken) + 1 + len(sentence) > SHORT:
            break
        taken = f"{taken} {sentence}".strip()
    return re.sub(r":$", ".", taken)


def _abilities(article: Tag) -> tuple[str, ...]:
    """What a reader is able to do afterwards: the list that the box at a chapter's top holds."""
    box = next((box for box in article.select("blockquote") if "be able to" in box.get_text()), None)
    return tuple(plain(item).rstrip(".;") for item in box.select("li")) if box else ()


def _minutes(name: str, chapters: BeautifulSoup) -> int:
    """A chapter's minutes, from the row or line of the map that links to it and gives a time."""
    file = name.rpartition("/")[2]
    for link in chapters.select(f"tr a[href='{file}'], li a[href='{file}']"):
        time = re.search(r"(\d+) minutes", plain(link.find_parent(["tr", "li"])))
        if time:
            return int(time[1])
    return 0
