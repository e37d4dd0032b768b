"""Formulas that the build sets: the drawing is what TeX says, the MathML too, and what cannot be set stops the build."""

import re

import pytest
from bs4 import BeautifulSoup
from pages.formulas import set_formulas
from pages.site import Site
from pages.typesetter import Typesetter

pytestmark = pytest.mark.lock  # the site is built with the lock's versions, its node included
on_the_site = lambda test: pytest.mark.slow(pytest.mark.site(test))


@pytest.fixture(scope="module")
def typesetter():
    with Typesetter() as made:
        yield made


@pytest.fixture
def empty_site(tmp_path, typesetter):
    made = Site(tmp_path, tmp_path, tmp_path)
    made.typesetter = typesetter
    return made


def page_of(source, site):
    page = BeautifulSoup(source, "html.parser")
    set_formulas(page, "a.html", site)
    return page


def test_a_formula_is_one_drawing_of_one_path_and_mathml(empty_site):
    page = page_of(r'<p>Let <span class="math notranslate">\(\sigma_w^2 = \frac{1}{n}\)</span>.</p>', empty_site)
    svg, mathml = page.select_one(".math").find_all(recursive=False)
    assert (svg.name, mathml.name) == ("svg", "math") and [child.name for child in svg.children] == ["path"]
    assert svg["aria-hidden"] == "true" and "\\" not in page.get_text()
    assert re.fullmatch(r"[\d.]+ex", svg["width"]) and re.fullmatch(r"vertical-align: -[\d.]+ex", svg["style"])
    assert str(mathml) == (
        "<math><msubsup><mi>σ</mi><mi>w</mi><mn>2</mn></msubsup><mo>=</mo><mfrac><mn>1</mn><mi>n</mi></mfrac></math>"
    )


def test_a_display_stands_as_one(empty_site):
    page = page_of(r'<div class="math">\[ \sum_{l=1}^L l \]</div>', empty_site)
    assert page.math["display"] == "block"
    assert page.select_one("munderover"), "the limits of a sum on its own line stand above and below"
    inline = page_of(r'<span class="math">\(\sum_{l=1}^L l\)</span>', empty_site)
    assert float(inline.svg["height"].rstrip("ex")) < float(page.svg["height"].rstrip("ex"))


def test_text_in_a_formula_keeps_its_spaces(empty_site):
    page = page_of(r'<span class="math">\(x \text{ if } y\)</span>', empty_site)
    assert page.mtext.get_text() == "\N{NO-BREAK SPACE}if\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Then {}. Next", ["{}."]),
        ("through ({}, or", ["({},"]),
        ("an {}-th root", ["{}-th"]),
        ("so {} and", []),
        ("<em>a</em>{}<b>.</b>", []),
        ("both {}/{}, or", ["{}/", "{},"]),
    ],
)
def test_a_formula_stays_on_one_line_with_what_touches_it(empty_site, written, kept):
    page = page_of(f"<p>{written}</p>".replace("{}", r'<span class="math">\(x\)</span>'), empty_site)
    for math in page.find_all("math"):
        math.decompose()
    for svg in page.find_all("svg"):
        svg.replace_with("{}")
    together = [span.get_text() for span in page.select("p > .together")]
    assert together == kept
    assert page.p.get_text() == BeautifulSoup(f"<p>{written}</p>", "html.parser").get_text()


def test_formulas_in_previews_are_set_too(empty_site):
    page = page_of(r'<template><div><span class="math">\(x\)</span></div></template>', empty_site)
    assert page.template.find("path")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (r"\(\gradient W\)", r"a\.html: this formula cannot be set: \\gradient W\nUndefined control sequence \\gradient"),
        (r"\(\frac{1\)", r"a\.html: this formula cannot be set: .*\n.*brace"),
        (r"\(\color{red} x\)", r"a\.html: this formula cannot be set"),
        (r"\(ж\)", r"a\.html: this formula cannot be set: ж\nit needs a <text>, and formulas here are outlines only"),
        ("$x$", r"a\.html: a formula stands between \\\( and \\\) or \\\[ and \\\], not so: \$x\$"),
    ],
)
def test_what_cannot_be_set_stops_the_build_and_is_named(empty_site, source, said):
    with pytest.raises(ValueError, match=said):
        page_of(f'<span class="math">{source}</span>', empty_site)


def test_a_formula_is_set_once(typesetter):
    first = typesetter.set("a+b", display=False)
    assert typesetter.set("a+b", display=False) is first
    assert typesetter.set("a+b", display=True) is not first


# Points in units of a thousandth of an em, upwards from the baseline, inked or not: from the letters' known shapes.
SHAPES = [
    ("=", [(389, 347, True), (389, 250, False), (389, 153, True)]),
    ("0", [(250, 320, False), (60, 320, True), (440, 320, True)]),
    (r"\frac{\;\;}{\;\;}", [(400, 250, True), (400, 320, False)]),
    ("00", [(750, 320, False), (560, 320, True), (940, 320, True), (500, 320, False)]),
    ("x^{=}", [(572 + 275, 363 + 245, True), (572 + 275, 363 + 177, False), (572 + 275, 363 + 108, True)]),
]


@on_the_site
@pytest.mark.parametrize(("tex", "points"), SHAPES)
def test_the_drawing_has_ink_where_the_letters_have(browser, empty_site, tex, points):
    page = browser.new_page()
    page.set_content(str(page_of(rf'<span class="math">\({tex}\)</span>', empty_site)))
    inked = page.evaluate(
        """points => { const path = document.querySelector('path');
           return points.map(([x, y]) => path.isPointInFill(new DOMPoint(x, -y))); }""",
        [(x, y) for x, y, _ in points],
    )
    page.close()
    assert inked == [ink for *_, ink in points]


@on_the_site
def test_every_drawing_of_a_chapter_fills_its_box(open_page):
    page = open_page("chapters/07_skip_connections.html")
    boxes = page.locator("article .math:not(template *) > svg").evaluate_all(
        """all => all.map(svg => { const b = svg.firstChild.getBBox(), v = svg.viewBox.baseVal, s = svg.getBoundingClientRect();
           return [b.x - v.x, v.x + v.width - b.x - b.width, b.y - v.y, v.y + v.height - b.y - b.height, s.width / v.width, s.height / v.height]; })"""
    )
    assert len(boxes) > 50
    for left, right, above, below, across, up in boxes:
        assert all(gap > -60 for gap in (left, right, above, below)), "ink outside the box"
        assert left < 250 and right < 250, "the box is wider than the ink"
        assert across == pytest.approx(up, rel=0.03), "stretched"
