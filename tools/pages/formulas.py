"""Formulas, set while the site is built: a reader's browser gets a drawing, and a screen reader gets MathML.

MathJax sets them, as it would in the browser. There it would cost every reader half a second and move the text about.
"""

import re

from bs4 import BeautifulSoup, NavigableString, Tag

from .site import Site

DELIMITERS = {r"\(": r"\)", r"\[": r"\]"}


def set_formulas(page: BeautifulSoup, name: str, site: Site) -> None:
    """Put drawing and MathML in the place of each formula's source."""
    for formula in page.find_all(class_="math"):  # `select` and `get_text` pass over templates, where previews wait
        source = "".join(formula.find_all(string=True)).strip()
        opening, tex, closing = source[:2], source[2:-2].strip(), source[-2:]
        if DELIMITERS.get(opening) != closing:
            raise ValueError(f"{name}: a formula stands between \\( and \\) or \\[ and \\], not so: {source}")
        try:
            answer = site.typesetter.set(tex, display=opening == r"\[")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        formula.clear()
        formula.extend([_drawing(page, answer), BeautifulSoup(answer["mathml"], "html.parser")])
        if opening == r"\(":
            _hold_together(page, formula)


def _hold_together(page: BeautifulSoup, formula: Tag) -> None:
    """Keep a formula on one line with what touches it: a browser breaks lines before and after any drawing, so that a
    full stop may begin one."""
    before, after = formula.previous_sibling, formula.next_sibling
    head = re.search(r"\S*$", before)[0] if type(before) is NavigableString else ""
    tail = re.match(r"\S*", after)[0] if type(after) is NavigableString else ""
    if not head + tail:
        return
    together = formula.wrap(page.new_tag("span", attrs={"class": "together"}))
    if head:
        before.replace_with(before[: -len(head)])
        together.insert(0, head)
    if tail:
        after.replace_with(after[len(tail) :])
        together.append(tail)


def _drawing(page: BeautifulSoup, answer: dict[str, str]) -> Tag:
    attributes = {name: answer[name] for name in ("width", "height")} | {"viewBox": answer["box"]}
    drawing = page.new_tag("svg", attrs=attributes | {"aria-hidden": "true"})
    if answer["align"]:
        drawing["style"] = f"vertical-align: {answer['align']}"
    drawing.append(page.new_tag("path", attrs={"d": answer["path"]}))
    return drawing
