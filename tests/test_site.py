"""The built site, as a reader's browser sees it."""

import base64
import gzip
import itertools
import pathlib
import re

import nbformat
import numpy as np
import pytest
from audit.look import faint_text, states, violations
from audit.visit import SIDEWAYS
from site_pages import (
    CHAPTER,
    DRAWN,
    EXPLORERS,
    PAGES,
    PLACES,
    ROOT,
    buffer_of,
    grid_of,
    nearest,
    pictures_of,
    said,
    sliders,
)

from course_utils._explorer_base import CSS, front_end
from course_utils.grading.notebooks import exercise_cells
from course_utils.grading.set_up import is_set_up, set_up_source

pytestmark = [pytest.mark.slow, pytest.mark.site]


def test_the_front_door_leads_to_the_first_page(open_page):
    page = open_page("index.html")
    page.wait_for_url("**/chapters/intro.html")
    assert page.locator("h1").first.text_content().startswith("Unstable Gradients")


# A formula that is wider than its place must not become too small to read.
SHRUNK = """() => [...document.querySelectorAll('.math > svg')].filter(formula => formula.checkVisibility()
  && formula.getBoundingClientRect().width < 0.8 * formula.width.baseVal.value).map(formula => formula.parentElement.textContent)"""


# A full stop after a formula must not begin a line.
TORN = """() => [...document.querySelectorAll('.together')].filter(words => words.checkVisibility()
  && new Set([...words.getClientRects()].map(line => Math.round(line.top))).size > 1).map(words => words.textContent)"""


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_no_text_is_faint_and_nothing_scrolls_sideways(open_page, name):
    page, found = open_page(name, color_scheme="light"), {}
    page.wait_for_timeout(1200)  # the theme draws its icons late
    for width, scheme in states(page):
        # The dark theme differs from the light one by its colours only.
        broken = violations(page, colours_only=scheme == "dark")
        found |= {(width, scheme, rule): place for rule, place in broken.items()}
        if faint := faint_text(page):
            found[width, scheme, "faint"] = faint
        assert page.evaluate(SIDEWAYS, width) <= 0, (width, scheme)
        assert page.evaluate(SHRUNK) == [], (width, scheme)
        assert page.evaluate(TORN) == [], (width, scheme)
    assert found == {}


@pytest.mark.parametrize(("name", "index", "kind"), PLACES)
def test_a_page_draws_with_the_front_end_as_it_is_now(site, name, index, kind):
    """A change of JavaScript or CSS alone runs no chapter anew, and still reaches the page."""
    state = pictures_of(site, name)[index]["state"]
    assert state["_esm"] == front_end(f"{'training_' if kind == 'Training' else ''}explorer.js") and state["_css"] == CSS


def test_each_chapter_has_an_explorer():
    assert [name for name, kinds in EXPLORERS.items() if not kinds] == []


@pytest.mark.parametrize(("name", "index"), [(name, i) for name, i, kind in PLACES if kind == "Gradient"])
def test_every_slider_position_by_keyboard_shows_the_grid(open_page, site, name, index):
    page = open_page(name)
    root, depth_handle, scale_handle = sliders(page, index)
    depths, scales, grid = grid_of(pictures_of(site, name)[index])
    seen = set()
    scale_handle.focus()
    page.keyboard.press("Home")
    for s, scale in enumerate(scales):
        depth_handle.focus()
        page.keyboard.press("Home" if s % 2 == 0 else "End")
        places = range(depths[0], depths[-1] + 1)
        for place in places if s % 2 == 0 else places[::-1]:
            drawn, depth = root.evaluate(DRAWN), nearest(depths, place)
            assert drawn["depth"] == depth and drawn["scale"] == pytest.approx(scale)
            assert drawn["source"] == ("grid" if place == depth else "nearest")
            np.testing.assert_allclose(drawn["gradient"], grid[depth, s][0], rtol=1e-6)
            np.testing.assert_allclose(drawn["signal"], grid[depth, s][3], rtol=1e-6)
            assert float(drawn["cross"]["depth"]) == depth and float(
                drawn["cross"]["weightScale"]
            ) == pytest.approx(scale)
            seen.add((depth, s))
            page.keyboard.press("ArrowRight" if s % 2 == 0 else "ArrowLeft")
        scale_handle.focus()
        page.keyboard.press("ArrowRight")
    assert seen == set(grid)


@pytest.mark.parametrize(("name", "index"), [(name, i) for name, i, kind in PLACES if kind == "Training"])
def test_every_position_of_a_training_explorer_shows_the_nearest_trained_network(open_page, site, name, index):
    page = open_page(name)
    root, depth_handle, scale_handle = sliders(page, index)
    model = pictures_of(site, name)[index]
    depths, scales = model["state"]["depths"], model["state"]["weight_scales"]
    shape = (len(depths), len(scales), 3, len(model["state"]["steps"]))
    main = buffer_of(model, "losses").reshape(shape)
    other = buffer_of(model, "compare_losses").reshape(shape) if model["state"]["compare_label"] else None
    scale_handle.focus()
    page.keyboard.press("Home")
    for s, scale in enumerate(scales):
        depth_handle.focus()
        page.keyboard.press("Home")
        for depth in range(depths[0], depths[-1] + 1):
            drawn, d = root.evaluate(DRAWN), depths.index(nearest(depths, depth))
            assert drawn["depth"] == depths[d] and drawn["scale"] == pytest.approx(scale)
            assert drawn["source"] == ("grid" if depth in depths else "nearest")
            for kind, losses in (("gradient", main), ("signal", other)):
                if losses is None:
                    continue
                median = losses[d, s, 0]
                np.testing.assert_allclose(drawn[kind], median[np.isfinite(median)], rtol=1e-6)
            page.keyboard.press("ArrowRight")
        scale_handle.focus()
        page.keyboard.press("ArrowRight")
    assert "steps." in root.locator(".ug-sentence").text_content()


def test_dragging_a_slider_moves_the_picture(open_page):
    page = open_page(CHAPTER)
    root, depth_handle, _ = sliders(page, 0)
    depth_handle.scroll_into_view_if_needed()
    before, box = root.evaluate(DRAWN), depth_handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    after = root.evaluate(DRAWN)
    assert after["depth"] > before["depth"] and len(after["gradient"]) == after["depth"]


def test_the_map_moves_the_sliders_by_click_and_by_arrow_keys(open_page, site):
    page = open_page(CHAPTER)
    root, depth_handle, scale_handle = sliders(page, 0)
    depths, scales, _ = grid_of(pictures_of(site, CHAPTER)[0])
    area = root.locator(".ug-map")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 5)
    drawn = root.evaluate(DRAWN)
    assert drawn["depth"] == depths[-1] and drawn["scale"] == pytest.approx(scales[-1])
    said(page)
    assert depth_handle.get_attribute("aria-valuetext") == str(depths[-1])
    area.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    drawn = root.evaluate(DRAWN)
    assert drawn["depth"] == depths[-2] and drawn["scale"] == pytest.approx(scales[-2])
    said(page)
    assert float(scale_handle.get_attribute("aria-valuetext")) == pytest.approx(scales[-2], rel=0.01)


def test_a_typed_place_between_grid_points_snaps_and_says_so(open_page):
    page = open_page(CHAPTER)
    root, _, _ = sliders(page, 0)
    readout = page.locator(".widget-subarea").nth(0).locator(".widget-readout").nth(1)
    readout.fill("1.1")
    readout.press("Enter")
    said(page)
    drawn = root.evaluate(DRAWN)
    assert drawn["source"] in ("grid", "nearest")
    assert ("nearest" in root.locator(".ug-sentence").text_content()) == (drawn["source"] == "nearest")


def test_what_is_typed_and_is_no_place_is_told(open_page):
    page = open_page(CHAPTER)
    root, *handles = sliders(page, 0)
    boxes = [page.locator(".widget-subarea").nth(0).locator(".widget-slider").nth(number) for number in (0, 1)]
    readouts, alerts = ([at(box) for box in boxes] for at in (lambda b: b.locator(".widget-readout"), lambda b: b.get_by_role("alert")))

    def type_in(number, text):
        readouts[number].fill(text)
        readouts[number].press("Enter")

    before = root.evaluate(DRAWN)
    for number, typed in itertools.product((0, 1), ("abc", "1e", "--3")):
        shown = readouts[number].text_content()
        type_in(number, typed)
        assert f"not “{typed}”" in alerts[number].text_content()
        assert readouts[number].text_content() == shown and root.evaluate(DRAWN) == before  # nothing is lost
    assert alerts[0].count() == 0  # the reader has gone on
    for number, typed, end in ((0, "100000", "End"), (0, "-3", "Home"), (1, "1e9", "End"), (1, "-3", "Home"), (1, "0", "Home")):
        type_in(number, typed)
        told, there = alerts[number].text_content(), root.evaluate(DRAWN)
        handles[number].press(end)
        assert root.evaluate(DRAWN) == there, typed
        said(page)
        assert readouts[number].text_content() in told and typed in told
    for typed in ("abc", "xyz"):  # at once after a key, before the slider has said where that led
        handles[1].press("ArrowRight")
        type_in(1, typed)
        assert f"not “{typed}”" in alerts[1].text_content()
    handles[1].press("ArrowRight")
    said(page)
    assert alerts[1].count() == 0  # gone with the next move
    type_in(1, "1,5")  # as half of Europe writes it
    said(page)
    assert alerts[1].count() == 0 and float(readouts[1].text_content()) == pytest.approx(1.5, rel=0.1)


def test_sliders_have_names_and_speak_values(open_page):
    page = open_page(CHAPTER)
    names = [page.evaluate("h => document.getElementById(h.getAttribute('aria-labelledby')).textContent", handle.element_handle())
             for handle in sliders(page, 0)[1:]]  # fmt: skip
    assert names == ["depth", "weight scale σ_w"]
    assert sliders(page, 0)[2].get_attribute("aria-valuetext") == "1.00"


def test_without_javascript_a_still_figure_and_a_sentence_stand_in(open_page):
    page = open_page(CHAPTER, java_script_enabled=False)
    still = page.locator("noscript figure").first
    assert "Turn on JavaScript to move the sliders." in still.text_content()
    assert still.locator("img").bounding_box()["height"] > 100


def test_pages_open_from_disk(open_page, site):
    page = open_page(CHAPTER, base=f"{site.as_uri()}/")
    root, depth_handle, _ = sliders(page, 0)
    before = root.evaluate(DRAWN)["depth"]
    depth_handle.focus()
    page.keyboard.press("ArrowRight")
    assert root.evaluate(DRAWN)["depth"] == before + 1


def test_a_widget_that_cannot_be_shown_says_so(browser, address):
    page = browser.new_page()
    view = re.compile(r'(widget-view\+json">\s*\{[^}]*"model_id": ")[0-9a-f]+')
    spoil = lambda route: route.fulfill(
        body=view.sub(r"\1gone", route.fetch().text()), content_type="text/html"
    )
    page.route("**/02_vanishing_gradients.html", spoil)
    page.goto(address + CHAPTER)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # wakes the explorers far down the page
    page.wait_for_selector('p[role="status"]', timeout=20_000)
    assert "could not be shown" in page.locator('p[role="status"]').first.text_content()
    page.close()


def test_an_explorer_whose_files_do_not_arrive_says_so(browser, address):
    page = browser.new_page()
    page.route("**/widgets.js", lambda route: route.abort())
    page.goto(address + CHAPTER)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector('p[role="status"]', timeout=20_000)
    apologies = page.locator('p[role="status"]').all_text_contents()
    assert set(apologies) == {
        "This interactive figure could not be shown (what draws it did not arrive). Reload the page to try again."
    }
    page.close()


def test_a_chapter_loads_no_explorer_before_the_reader_comes_near(browser, address):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    of_explorers = lambda: [url for url in asked if "/explorers/" in url or "/widgets.js" in url]
    page.goto(address + CHAPTER, wait_until="networkidle")
    assert any("/wake.js" in url for url in asked) and of_explorers() == []
    page.evaluate("document.getElementById('explorer-1').scrollIntoView({behavior: 'instant'})")
    page.wait_for_selector("#explorer-1 .ug-curve > svg .ug-mark", state="attached", timeout=20_000)
    assert len(of_explorers()) == 2
    page.close()


LEAST_FIGURES = {"chapters/11_claims.html": 0}  # its pictures are tables


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_figure_of_a_chapter_is_on_its_page(open_page, name):
    page = open_page(name)
    notebook = nbformat.read(ROOT / name.replace(".html", ".ipynb"), as_version=4)
    captions = [cell.metadata["mystnb"]["figure"]["caption"] for cell in notebook.cells if "figure" in cell.metadata.get("mystnb", {})]
    figures = page.locator(".bd-article figure:has(figcaption)").filter(has=page.locator(".drawing[role=img][aria-label]"))
    assert figures.count() == len(captions) >= LEAST_FIGURES.get(name, 3)
    for i in range(len(captions)):
        figures.nth(i).scroll_into_view_if_needed()
        box = figures.nth(i).locator(".drawing").bounding_box()
        assert box["width"] > 300 and box["height"] > 150
        assert figures.nth(i).locator(".drawing use, .drawing path").count() > 10


def test_a_claim_stands_on_the_page_itself_in_the_dark_theme(open_page):
    page = open_page(CHAPTER, color_scheme="dark")
    boxes = page.locator(".claim").evaluate_all("claims => claims.map(c => getComputedStyle(c.parentElement).backgroundColor)")
    assert len(boxes) > 10 and set(boxes) == {"rgba(0, 0, 0, 0)"}


def test_on_paper_no_line_of_code_is_cut(open_page):
    page = open_page(CHAPTER, viewport={"width": 680, "height": 1000})  # A4 less its margins
    cut = "() => [...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.evaluate(cut) > 0
    page.emulate_media(media="print")
    assert page.evaluate(cut) == 0


def test_the_site_ships_the_package_and_links_to_it(open_page, site):
    page = open_page("chapters/running.html")
    link = page.get_by_role("link", name="this wheel").get_attribute("href")
    (wheel,) = (site / "_static").glob("*.whl")
    assert (site / "chapters" / link).resolve() == wheel.resolve()


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_download_button_gives_the_chapter_with_that_package_in_it(site, name):
    given = nbformat.read(site / "_sources" / pathlib.Path(name).with_suffix(".ipynb"), as_version=4)
    chapter = nbformat.read(ROOT / pathlib.Path(name).with_suffix(".ipynb"), as_version=4)
    sources = {cell.id: cell.source for cell in given.cells}
    (wheel,) = (site / "_static").glob("*.whl")
    carried = re.search(r'"""(.*?)"""', sources.pop("carried-package"), re.DOTALL)[1]
    assert base64.b64decode(carried) == wheel.read_bytes()
    set_up = next(filter(is_set_up, chapter.cells))
    assert sources == {cell.id: cell.source for cell in chapter.cells} | {set_up.id: sources[set_up.id]}
    assert sources[set_up.id] == set_up_source().replace('""', "str(WHEEL)", 1)
    assert all(not cell.get("outputs") for cell in given.cells)


def test_a_chapters_html_is_small_and_shows_no_traceback(site):
    for path in (site / "chapters").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert len(gzip.compress(text.encode(), 9)) <= 400_000
        assert "Traceback (most recent call last)" not in text and not re.search(
            r"<system_message|problematic", text
        )


@pytest.mark.parametrize("name", EXPLORERS)
def test_exercises_are_blank_and_their_solutions_folded_until_asked_for(open_page, name):
    """Each check says "not attempted" in words; each solution opens by keyboard, without JavaScript too, and passes."""
    exercises = len(exercise_cells(nbformat.read(ROOT / name.replace(".html", ".ipynb"), as_version=4)))
    page = open_page(name, java_script_enabled=False)
    seen = page.locator(".exercise-note:visible")
    assert exercises >= 3 and seen.count() == exercises
    assert all(text.startswith("… Not attempted.") for text in seen.all_inner_texts())
    solutions = page.locator("details:has(.exercise-correct)")
    assert solutions.count() == exercises and not page.locator(".exercise-correct:visible").count()
    first = solutions.first.locator("summary")
    assert first.inner_text().strip() == "Show a solution"
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".exercise-correct:visible").count() == 1
    assert "# @title Solution" in solutions.first.locator("pre").first.inner_text()


def test_instructors_see_what_each_chapter_costs_to_run(open_page, site):
    """Every chapter has its row, from the run whose outputs the site shows, and fits a free machine."""
    from jupyter_cache import get_cache

    rows = open_page("chapters/instructors.html").locator("#chapter-costs tbody tr")
    cache, chapters = get_cache(site.parent / ".jupyter_cache"), sorted(ROOT.glob("chapters/*.ipynb"))
    assert rows.count() == len(chapters)
    for row, chapter in zip(rows.all(), chapters, strict=True):
        cost = cache.match_cache_notebook(nbformat.read(chapter, as_version=4)).data
        assert row.locator("a").get_attribute("href") == f"{chapter.stem}.html"
        assert row.locator("td").all_inner_texts()[1:] == [f"{cost['execution_seconds']:.0f}", f"{cost['peak_bytes'] / 1e6:.0f} MB"]
        assert 100e6 < cost["peak_bytes"] < 1.5e9
