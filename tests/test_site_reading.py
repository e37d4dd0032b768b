"""What the site does for reading: the first page, previews, search, the way from page to page, JavaScript off."""

import doctest
import functools
import re

import nbformat
import numpy as np
import pages.folding
import pages.terms
import pytest
from bs4 import BeautifulSoup
from site_pages import (
    ALIVE,
    CHAPTER,
    DRAWN,
    EXPLORERS,
    LANDING,
    PROSE,
    ROOT,
    grid_of,
    pictures_of,
    sliders,
    state_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.site]

@functools.cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


# ---- the first page ------------------------------------------------------------------------------------------------


def test_the_first_page_opens_with_an_explorer_above_the_fold(open_page):
    page = open_page(LANDING, viewport={"width": 1280, "height": 800})
    root, depth, scale = sliders(page, 0)
    curve = root.locator(".ug-curve svg").first.bounding_box()
    assert max(box["y"] + box["height"] for box in (depth.bounding_box(), scale.bounding_box(), curve)) < 800


def test_on_a_phone_the_explorer_is_one_short_scroll_away(open_page):
    page = open_page(LANDING, **PHONE)
    root, depth, scale = sliders(page, 0)
    assert max(depth.bounding_box()["y"], scale.bounding_box()["y"]) < 844
    assert root.locator(".ug-curve svg").first.bounding_box()["y"] < 844


def test_the_first_pages_explorer_is_the_chapters_and_moves(open_page, site):
    mine, *others = pictures_of(site, LANDING)
    theirs = pictures_of(site, CHAPTER)[0]
    assert others == [] and mine["buffers"] == theirs["buffers"]
    depths, scales, grid = grid_of(theirs)
    page = open_page(LANDING)
    root, depth_handle, scale_handle = sliders(page, 0)
    for keys, depth, s in ((["End", "Home"], depths[-1], 0), (["Home", "End"], depths[0], len(scales) - 1), (["ArrowRight", "ArrowLeft"], depths[1], len(scales) - 2)):  # fmt: skip
        for handle, key in zip((depth_handle, scale_handle), keys, strict=True):
            handle.focus()
            page.keyboard.press(key)
        drawn = root.evaluate(DRAWN)
        assert drawn["depth"] == depth and drawn["scale"] == pytest.approx(scales[s])
        np.testing.assert_allclose(drawn["gradient"], grid[depth, s][0], rtol=1e-6)
        np.testing.assert_allclose(drawn["signal"], grid[depth, s][3], rtol=1e-6)


def test_the_first_page_carries_only_the_widgets_that_it_shows(site):
    kinds = sorted(model["model_name"] for model in state_of(site, LANDING).values())
    assert [kind for kind in kinds if not kind.endswith(("LayoutModel", "StyleModel"))] == [
        "AnyModel", "FloatLogSliderModel", "IntSliderModel", "LinkModel", "LinkModel", "VBoxModel",
    ]  # fmt: skip


def test_the_chapter_map_fits_a_phone(open_page):
    page = open_page(LANDING, **PHONE)
    rows = page.locator("table.chapters tbody tr")
    assert rows.count() == len(EXPLORERS)
    assert page.locator("table.chapters").evaluate("table => table.scrollWidth <= table.clientWidth + 1")
    assert max(box["height"] for box in rows.evaluate_all("rows => rows.map(row => row.getBoundingClientRect().toJSON())")) < 220


# ---- a chapter's top and end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPLORERS)
def test_each_finding_leads_to_the_claims_that_checked_it(site, name):
    page = parsed(site / name)
    notebook = nbformat.read((ROOT / name).with_suffix(".ipynb"), as_version=4)
    (checked_by,) = [cell.metadata["checked_by"] for cell in notebook.cells if "checked_by" in cell.metadata]
    items = page.select("#what-to-remember > ul > li")
    assert [len(item.select("a.checked")) for item in items] == [len(names) for names in checked_by]
    for tick in page.select("a.checked"):
        assert "claim-holds" in page.find(id=tick["href"].removeprefix("#"))["class"]
    assert page.select_one("blockquote.about").find_previous_sibling("h1")


@pytest.mark.parametrize("name", EXPLORERS)
def test_imports_and_the_long_code_of_figures_are_folded_and_nothing_else_is(site, name):
    shut = [details for details in parsed(site / name).select("article details:has(.cell_input)") if not details.find_parent("details")]
    titles = [details.select_one("summary .collapsed").get_text() for details in shut]
    known = {"Show the set-up", "Show the imports", "Show the code of the figure", "Show a solution"}
    assert set(titles) <= known and titles[0] == "Show the set-up" and titles.count("Show the imports") == 1
    for title, details in zip(titles, shut, strict=True):
        assert "claim(" not in details.get_text()
        if title == "Show the code of the figure":
            assert details.find_next_sibling(class_="cell_output").select_one(".drawing")


def test_folded_code_opens_by_keyboard_without_javascript(open_page):
    page = open_page("chapters/05_activation_functions.html", java_script_enabled=False)
    details = page.locator("details", has=page.get_by_text("Show the code of the figure")).first
    assert not details.locator("pre").is_visible()
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert "plt.subplots" in details.locator("pre").inner_text()


# ---- previews ------------------------------------------------------------------------------------------------------

CHAPTER_3 = "chapters/03_exploding_gradients.html"
TERM = "article a.term[href='glossary.html#weight-gradient']"
PAPER = "article a[href='references.html#cohen-2021']"


def test_hovering_a_term_shows_what_it_means_and_the_pointer_may_move_into_it(open_page):
    page = open_page(CHAPTER_3)
    tip, link = page.get_by_role("tooltip"), page.locator(TERM)
    link.hover()
    tip.wait_for()
    assert "which decides how layer" in tip.inner_text()
    assert tip.locator(".math > svg").first.is_visible() and "\\partial" not in tip.inner_text()
    assert link.get_attribute("aria-describedby") == tip.get_attribute("id")
    tip.hover()
    page.wait_for_timeout(400)
    assert tip.is_visible()
    page.mouse.move(5, 400)
    tip.wait_for(state="hidden")
    assert link.get_attribute("aria-describedby") is None


def test_keyboard_focus_shows_a_preview_and_escape_closes_it(open_page):
    page = open_page(CHAPTER_3)
    tip, link = page.get_by_role("tooltip"), page.locator(PAPER).first
    page.keyboard.press("Tab")  # from now on the keyboard has the focus, and focus shows
    link.focus()
    tip.wait_for()
    assert "edge of stability" in tip.inner_text()
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    assert link.evaluate("link => link === document.activeElement")


def test_a_finding_previews_the_claim_on_the_page(open_page):
    page = open_page(CHAPTER_3)
    page.locator("a.checked").first.hover()
    page.get_by_role("tooltip").wait_for()
    assert re.search(r"Checked.*hundredfold.*measured", page.get_by_role("tooltip").inner_text(), re.DOTALL)


def test_a_tap_follows_a_link_and_shows_no_preview(open_page):
    page = open_page(CHAPTER_3, **PHONE)
    page.evaluate("""() => {
        const tip = document.getElementById('preview');
        window.seen = false;
        new MutationObserver(() => { window.seen ||= !tip.hidden; }).observe(tip, { attributes: true });
        addEventListener('click', event => event.preventDefault());
    }""")
    page.locator(TERM).tap()
    page.locator(TERM).dispatch_event("pointerover", {"pointerType": "touch", "bubbles": True})  # a finger that rests
    page.wait_for_timeout(400)
    assert page.evaluate("window.seen") is False
    page.reload()
    page.locator(TERM).tap()
    page.wait_for_url("**/glossary.html#weight-gradient")
    assert page.locator(":target").inner_text().startswith("weight gradient")


def test_a_preview_stays_within_a_narrow_page(open_page):
    page = open_page(CHAPTER_3, viewport={"width": 390, "height": 844})
    for link in page.locator("article a[data-preview]").all()[::5]:
        link.hover()
        page.get_by_role("tooltip").wait_for()
        box = page.get_by_role("tooltip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")


@pytest.mark.parametrize("name", EXPLORERS)
def test_each_link_with_a_preview_has_one(site, name):
    """Either it travels with the page, or the claim stands on it. Terms and papers have one, all of them."""
    page = parsed(site / name)
    held = {piece["data-of"]: piece.decode_contents() for piece in page.find(id="previews").find_all("div")}
    for link in page.select("article a[data-preview]"):
        target = link["data-preview"]
        assert page.find(id=target[1:]) if target.startswith("#") else len(held[target]) > 20, target
    prose = [link for link in page.select("article a[href]") if not link.find_parent(class_="cell")]
    wanted = [link for link in prose if link["href"].startswith(("glossary.html#", "references.html#"))]
    assert all(link.get("data-preview") for link in wanted)
    assert len({link["href"] for link in page.select("article a.term")}) == len(page.select("article a.term"))
    assert not page.select(":is(h1, h2, h3, pre, code, .math) a.term")


def test_previews_work_from_disk(open_page, site):
    page = open_page(CHAPTER_3, base=f"{site.as_uri()}/")
    page.locator(TERM).hover()
    page.get_by_role("tooltip").wait_for()


# ---- search --------------------------------------------------------------------------------------------------------

FOUND = {
    "Xavier": ["glossary.html#xavier-initialization", "04_weight_initialization.html"],
    "He initialization": ["glossary.html#he-initialization", "04_weight_initialization.html"],
    "chi": ["glossary.html#chi", "02_vanishing_gradients.html"],
    "χ": ["glossary.html#chi", "02_vanishing_gradients.html"],
    "sigma_w": ["glossary.html#weight-scale", "04_weight_initialization.html"],
    "σ_w": ["glossary.html#weight-scale", "04_weight_initialization.html"],
    "depth scale": ["glossary.html#depth-scale", "04_weight_initialization.html"],
    "ReZero": ["glossary.html#rezero", "07_skip_connections.html"],
    "softmax": ["glossary.html#softmax", "01_backpropagation.html"],
    "cross-entropy": ["glossary.html#cross-entropy", "01_backpropagation.html"],
    "batch norm": ["glossary.html#batch-normalization", "06_batch_normalization.html"],
    "layer_gradient_norms": ["notation.html#layer-gradient-norms"],
}


LOOK_UP = """query => Search._performSearch(...Search._parseQuery(query)).reverse().slice(0, 4)
    .map(([name, , anchor]) => `${name.replace('chapters/', '')}.html${anchor}`)"""


def test_search_finds_terms_and_symbols_by_name_among_its_first_four(open_page):
    page, missed = open_page("search.html"), {}
    page.wait_for_function("Search.hasIndex()")
    for query, wanted in FOUND.items():
        found = page.evaluate(LOOK_UP, query)
        missed |= {(query, want): found for want in wanted if not any(want in (place, place.split("#")[0]) for place in found)}
    assert missed == {}


def test_the_search_page_shows_a_terms_place_and_leads_there(open_page):
    page = open_page("search.html?q=ReZero")
    page.wait_for_load_state("networkidle")
    results = page.locator("#search-results ul.search li a")
    assert "Glossary > ReZero" in results.all_inner_texts()[:4]
    results.filter(has_text="Glossary > ReZero").click()
    page.wait_for_url("**/glossary.html*#rezero")
    assert page.locator("#rezero").inner_text().startswith("ReZero")


def test_names_and_symbols_are_read_as_their_examples_say():
    assert [doctest.testmod(module) for module in (pages.terms, pages.folding)] == [(0, 2), (0, 1)]


# ---- from page to page, and without JavaScript -----------------------------------------------------------------------


def test_each_page_leads_to_the_next_and_back_by_its_title(site):
    order = [LANDING] + [f"{line.split()[-1]}.html" for line in (ROOT / "_toc.yml").read_text().splitlines() if "- file:" in line]
    sheets = [parsed(site / name) for name in order]
    titles = [page.select_one("article h1").contents[0] for page in sheets]
    way = lambda page, side: [(a["href"], a.select_one(".prev-next-title").get_text(strip=True)) for a in page.select(f"a.{side}")]
    for here, page in enumerate(sheets):
        name = lambda there: (order[there].removeprefix("chapters/"), titles[there])
        assert way(page, "left-prev") == ([name(here - 1)] if here else [])
        assert way(page, "right-next") == ([name(here + 1)] if here + 1 < len(order) else [])


@pytest.mark.parametrize("name", [*EXPLORERS, *PROSE])
def test_without_javascript_text_formulas_and_pictures_are_there(open_page, site, name):
    page = open_page(name, java_script_enabled=False)
    article = page.locator("article")
    assert article.locator("h1").is_visible() and len(article.inner_text().split()) > 100
    stills = article.locator("noscript figure img")
    assert stills.count() == (len(pictures_of(site, name)) if name in ALIVE else 0)
    assert all(height > 100 for height in stills.evaluate_all("images => images.map(i => i.getBoundingClientRect().height)"))
    formulas = article.locator(".math:not(template *)")
    assert formulas.evaluate_all("all => all.every(f => f.querySelector('svg').getBoundingClientRect().height > 3 && f.querySelector('math *'))")
    source = (ROOT / name).with_suffix(".ipynb" if name in EXPLORERS else ".md").read_text(encoding="utf-8")
    assert formulas.count() > 0 or "$" not in re.sub(r"`[^`]*`", "", source)
