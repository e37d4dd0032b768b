"""Formulas, set while the site is built: a reader's browser gets a drawing, and a screen reader gets MathML.

MathJax sets them, as it would in the browser. There it would cost every reader half a second and move the text about.
"""

from bs4 import BeautifulSoup, Tag

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


def _drawing(page: BeautifulSoup, answer: dict[str, str]) -> Tag:
    attributes = {name: answer[name] for name in ("width", "height")} | {"viewBox": answer["box"]}
    drawing = page.new_tag("svg", attrs=attributes | {"aria-hidden": "true"})
    if answer["align"]:
        drawing["style"] = f"vertical-align: {answer['align']}"
    drawing.append(page.new_tag("path", attrs={"d": answer["path"]}))
    return drawing
