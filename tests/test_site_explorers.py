"""What an explorer's reader can do besides moving its sliders, on the pages of the built site."""

import csv
import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from bs4 import BeautifulSoup
from site_pages import CHAPTER, DRAWN, EXPLORERS, buffer_of, grid_of, pictures_of, said, sliders

pytestmark = [pytest.mark.slow, pytest.mark.site]
BOTH = "chapters/04_weight_initialization.html"  # a gradient explorer, then a training explorer
QUICKLY = "{ const slow = setTimeout; window.setTimeout = (act, ms) => slow(act, ms / 25); }"


def tool(root, name):
    return root.locator(".ug-tools").get_by_role("button", name=name, exact=True)


def ready(page):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # wakes the explorers far down the page
    page.wait_for_selector("html[data-widgets=ready]", timeout=20_000)
    page.wait_for_function("document.querySelector('.ug-curve > svg .ug-mark')")
    return page


def place(root):
    drawn = root.evaluate(DRAWN)
    return drawn["depth"], pytest.approx(drawn["scale"])


def saved(page, root, name, folder):
    with page.expect_download() as download:
        tool(root, name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


# ---- play and reset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "trait"), [("Play σ_w", "weightScale"), ("Play depth", "depth")])
def test_play_shows_every_value_once_ends_where_it_began_and_speaks_once(open_page, site, name, trait):
    page = open_page(BOTH)
    root, *_ = sliders(page, 1)
    state = pictures_of(site, BOTH)[1]["state"]
    values = state["weight_scales" if trait == "weightScale" else "depths"]
    start = place(root)
    page.wait_for_timeout(700)  # what it says at first is said
    root.evaluate(f"""root => {{
      {QUICKLY}
      window.seen = []; window.said = [];
      const note = () => root.dataset.{trait} !== String(seen.at(-1)) && seen.push(root.dataset.{trait});
      new MutationObserver(note).observe(root, {{ attributes: true, attributeFilter: ['data-depth', 'data-weight-scale'] }});
      new MutationObserver(() => said.push(root.dataset.playing)).observe(root.querySelector('.ug-spoken'), {{ childList: true }});
    }}""")
    tool(root, name).click()
    assert tool(root, "Stop").is_visible()
    page.wait_for_function("root => !root.dataset.playing", arg=root.element_handle())
    page.wait_for_timeout(100)
    begin = values.index(pytest.approx(state["weight_scale" if trait == "weightScale" else "depth"]))
    np.testing.assert_allclose([float(value) for value in page.evaluate("seen")], [*values[begin + 1 :], *values[: begin + 1]])
    assert place(root) == start
    assert page.evaluate("said") == [""]
    assert root.locator(".ug-spoken").text_content() == root.locator(".ug-sentence").text_content()


def test_any_input_of_the_reader_stops_play(open_page):
    page = open_page(CHAPTER)
    root, depth, scale = sliders(page, 0)
    readout = page.locator(".widget-subarea").nth(0).locator(".widget-readout").nth(1)

    def type_a_value():
        readout.fill("2")
        readout.press("Enter")

    inputs = {
        "key": lambda: scale.press("ArrowRight"), "drag": lambda: depth.hover(force=True) or page.mouse.down() or page.mouse.up(),
        "map": lambda: root.locator(".ug-map").click(), "map key": lambda: root.locator(".ug-map").press("ArrowUp"),
        "typed": type_a_value, "stop": lambda: tool(root, "Stop").click(), "reset": lambda: tool(root, "Reset").click(),
        "escape on the map": lambda: root.locator(".ug-map").press("Escape"),
    }  # fmt: skip
    for name, act in inputs.items():
        tool(root, "Play depth").click()
        assert root.get_attribute("data-playing") == "depth", name
        act()
        assert root.get_attribute("data-playing") == "", name
        assert tool(root, "Play depth").is_visible()
    tool(root, "Play depth").click()
    tool(root, "Play σ_w").click()  # the other slider takes over
    assert root.get_attribute("data-playing") == "scale"
    root.locator(".ug-sentence").click()  # looking at the picture is no input: on a phone it scrolls the page
    assert root.get_attribute("data-playing") == "scale"


def test_with_reduced_motion_a_press_goes_one_step_and_its_name_says_so(open_page, site):
    page = open_page(CHAPTER, reduced_motion="reduce")
    root, *_ = sliders(page, 0)
    depths, scales, _ = grid_of(pictures_of(site, CHAPTER)[0])
    depth, scale = root.evaluate(DRAWN)["depth"], root.evaluate(DRAWN)["scale"]
    tool(root, "Step σ_w").click()
    assert place(root) == (depth, scales[scales.index(pytest.approx(scale)) + 1])
    root.locator(".ug-map").focus()
    for _ in depths:
        page.keyboard.press("ArrowUp")
    tool(root, "Step depth").click()
    assert place(root)[0] == depths[0] and root.get_attribute("data-playing") == ""
    page.emulate_media(reduced_motion="no-preference")
    tool(root, "Play depth").wait_for()


def test_reset_goes_to_the_first_place(open_page):
    page = open_page(BOTH)
    for index in range(2):
        root, depth, scale = sliders(page, index)
        start, spoken = place(root), (depth.get_attribute("aria-valuetext"), scale.get_attribute("aria-valuetext"))
        depth.press("End")
        scale.press("Home")
        assert place(root) != start
        tool(root, "Reset").click()
        assert place(root) == start
        said(page)
        assert (depth.get_attribute("aria-valuetext"), scale.get_attribute("aria-valuetext")) == spoken


# ---- links ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorers_have_names_in_the_order_of_the_page(site, name):
    page = BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
    assert [place["id"] for place in page.select(".cell_output.explorer")] == [f"explorer-{i + 1}" for i in range(len(EXPLORERS[name]))]
    kinds = {"Gradient": "explorer-gradients", "Training": "explorer-training"}
    assert all(kinds[kind] in page.find(id=f"explorer-{i + 1}")["class"] for i, kind in enumerate(EXPLORERS[name]))


def test_a_link_carries_the_sliders_and_changes_nothing_else(open_page):
    page = open_page(BOTH, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{page.url}?highlight=weight&explorer-2=5,2#explorer-2")
    ready(page)
    root, depth, scale = sliders(page, 1)
    assert place(root) == (5, 2)
    depth.press("End")
    depth.press("ArrowLeft")  # no network was trained there
    scale.press("ArrowLeft")
    address, length = page.url, page.evaluate("history.length")
    tool(root, "Copy link").click()
    root.locator(".ug-note", has_text="Link copied.").wait_for()
    assert (page.url, page.evaluate("history.length")) == (address, length)
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"http.*html\?(highlight=weight&)?explorer-2=39,1\.414#explorer-2", link)
    before = root.evaluate(DRAWN)

    page.goto("about:blank")
    page.goto(link)
    ready(page)
    root, depth, scale = sliders(page, 1)
    assert root.evaluate(DRAWN) == before and before["source"] == "nearest"
    assert (depth.get_attribute("aria-valuetext"), scale.get_attribute("aria-valuetext")) == ("39", "1.41")
    page.wait_for_timeout(600)  # formulas above are typeset
    assert 0 <= page.locator("#explorer-2").bounding_box()["y"] < 300
    assert root.locator(".ug-note").text_content() == ""
    tool(root, "Reset").click()
    assert place(root) == (20, 1)


def test_a_link_to_no_place_is_said(open_page, site):
    page = open_page("chapters/intro.html")
    depths, scales, _ = grid_of(pictures_of(site, CHAPTER)[1])
    page.goto(f"{page.url.replace('chapters/intro.html', CHAPTER)}?explorer-1=deep,1&explorer-2=999%2C0.001&explorer-9=1")
    ready(page)
    first, second = sliders(page, 0)[0], sliders(page, 1)[0]
    assert place(first) == (10, 1) and place(second) == (depths[-1], scales[0])
    first.locator(".ug-note[role=status]", has_text="could not be read").wait_for()
    second.locator(".ug-note", has_text="beyond the sliders").wait_for()
    first.locator(".ug-map").press("ArrowUp")
    assert first.locator(".ug-note").text_content() == ""


def test_where_nothing_can_be_copied_the_link_stands_selected(open_page, site):
    page = open_page(CHAPTER, base=f"{site.as_uri()}/")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    root, *_ = sliders(page, 1)
    tool(root, "Copy link").click()
    field = page.get_by_label("Link to this place, to copy")
    assert field.input_value() == f"{site.as_uri()}/{CHAPTER}?explorer-2=10,1#explorer-2"
    assert field.evaluate("field => field === document.activeElement && field.selectionEnd === field.value.length")
    page.goto(field.input_value().replace("10,1", "3,4"))
    assert place(sliders(ready(page), 1)[0]) == (3, 4)


# ---- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(2))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_svg_stands_alone_and_holds_the_same_values(open_page, tmp_path, index, scheme):
    page = open_page(BOTH, color_scheme=scheme)
    root, depth, _ = sliders(page, index)
    depth.press("ArrowLeft")
    drawn = root.evaluate(DRAWN)
    path = saved(page, root, "SVG", tmp_path)
    assert re.fullmatch(r"(gradients|loss)-[a-z-]+-depth-\d+-weight-scale-1\.svg", path.name)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"var\(|currentcolor|color-mix|oklab|rgb|class=|href|<style|px", text, re.IGNORECASE)
    picture = ET.fromstring(text)
    name = "{http://www.w3.org/2000/svg}%s"
    assert picture.find(name % "title").text and picture.find(name % "desc").text == root.locator(".ug-sentence").text_content()
    values = [float(value) for node in picture.iter() for value in node.get("data-values", "").split()]
    assert [value for value in values if value in drawn["gradient"]] == drawn["gradient"]
    assert set(drawn["signal"]) <= set(values)
    words = " ".join(node.text or "" for node in picture.iter(name % "text"))
    for part in ("weight scale σ_w", "depth", root.locator(".ug-heading").first.text_content(), root.locator(".ug-sentence").text_content()):
        assert part in words
    paper = picture.find(name % "rect").get("fill")
    assert paper == ("#ffffff" if scheme == "light" else paper) and (int(paper[1:3], 16) > 128) == (scheme == "light")
    box = root.locator(".ug-panels").bounding_box()
    assert float(picture.get("width")) == pytest.approx(box["width"] + 32, abs=1)


def test_the_csv_of_gradients_is_the_pages_data(open_page, site, tmp_path):
    page = open_page(BOTH)
    root, depth, scale = sliders(page, 0)
    depth.press("Home")
    for _ in range(4):
        depth.press("ArrowRight")
    scale.press("Home")
    path = saved(page, root, "CSV", tmp_path)
    assert path.name == "gradients-tanh-network-depth-5-weight-scale-0.25.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    model = pictures_of(site, BOTH)[0]
    _, _, grid = grid_of(model)
    assert [int(row["layer"]) for row in rows] == [1, 2, 3, 4, 5]
    assert {(row["network"], row["depth"], row["weight_scale"], row["source"]) for row in rows} == {("tanh network", "5", "0.25", "measured")}
    column = lambda words: np.array([float(row[f"log10 of the {words}"]) for row in rows], "f4")
    for words, values in zip(("median over seeds", "least", "largest"), grid[5, 0], strict=False):
        assert (column(f"weight gradient's norm: {words}") == values).all()
    signal = grid[5, 0][3]
    assert (column("backward signal's norm: median over seeds") == signal).all()
    theory = signal[-1] + model["state"]["slopes"][0] * np.arange(4, -1, -1)
    np.testing.assert_allclose(column("backward signal's norm: theory"), theory, rtol=1e-6)
    assert len(rows[0]) == 5 + 7 and rows[0].keys() >= {"log10 of the weight gradient's norm: median over seeds, with initializer orthogonal"}


def test_the_csv_of_training_is_the_pages_data(open_page, site, tmp_path):
    page = open_page(BOTH)
    root, depth, scale = sliders(page, 1)
    depth.press("End")
    depth.press("ArrowLeft")
    scale.press("End")
    rows = list(csv.DictReader(saved(page, root, "CSV", tmp_path).open(encoding="utf-8", newline="")))
    model = pictures_of(site, BOTH)[1]
    state = model["state"]
    shape = (len(state["depths"]), len(state["weight_scales"]))
    np.testing.assert_allclose([float(row["step"]) for row in rows], state["steps"])
    assert {(row["depth"], row["weight_scale"], row["source"]) for row in rows} == {("40", "4", "measured, the nearest place")}
    for label, prefix in ((state["title"], ""), (state["compare_label"], "compare_")):
        losses = buffer_of(model, f"{prefix}losses").reshape(*shape, 3, -1)[-1, -1]
        for words, values in zip(("median over seeds", "least", "largest"), losses, strict=True):
            found = [row[f"loss in nats, {label}: {words}"] for row in rows]
            assert (np.array([float(value or "nan") for value in found], "f4") == values)[np.isfinite(values)].all()
            assert [value == "" for value in found] == list(np.isnan(values))
        accuracy = buffer_of(model, f"{prefix}accuracies").reshape(shape)[-1, -1]
        assert np.float32(rows[0][f"final accuracy, {label}: median over seeds"]) == accuracy


# ---- hands, eyes, paper --------------------------------------------------------------------------------------


def test_tab_goes_through_an_explorer_in_reading_order(open_page):
    page = open_page(CHAPTER)
    root, depth, _ = sliders(page, 0)
    depth.press("Shift+Tab")
    page.keyboard.press("Tab")
    named = "() => { const e = document.activeElement; return e.getAttribute('aria-label') ?? (e.textContent || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent); }"
    order = []
    for _ in range(11):
        order.append(page.evaluate(named))
        outline = page.evaluate("(([style, width]) => style !== 'none' && parseFloat(width) >= 1)([getComputedStyle(document.activeElement).outlineStyle, getComputedStyle(document.activeElement).outlineWidth])")
        assert outline, f"no one sees where {order[-1]} has the focus"
        page.keyboard.press("Tab")
    assert order[:4] == ["depth", "depth, type a value", "weight scale σ_w", "weight scale σ_w, type a value"]
    assert order[4].startswith("First layer’s gradient, relative to healthy. Arrow keys")
    assert order[5:] == ["Play σ_w", "Play depth", "Reset", "Copy link", "SVG", "CSV"]
    described = root.locator(".ug-map").get_attribute("aria-describedby")
    assert page.locator(f"#{described}").text_content().startswith("Depth 10, σ_w = 1:")


def finger(page, *points):
    """A finger set down at the first of the points, drawn through the others and lifted."""
    session = page.context.new_cdp_session(page)
    send = lambda kind, points: session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    send("touchStart", [{"x": points[0][0], "y": points[0][1]}])
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        for share in np.linspace(0.1, 1, 10):
            send("touchMove", [{"x": x0 + share * (x1 - x0), "y": y0 + share * (y1 - y0)}])
            page.wait_for_timeout(16)
    send("touchEnd", [])
    page.wait_for_timeout(100)


def test_a_finger_taps_and_draws_on_the_map_and_scrolls_the_page_over_it(open_page, site):
    page = open_page(CHAPTER, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    root = sliders(page, 1)[0]
    depths, scales, _ = grid_of(pictures_of(site, CHAPTER)[1])
    area = root.locator(".ug-map")
    area.scroll_into_view_if_needed()
    box, start, top = area.bounding_box(), place(root), page.evaluate("scrollY")
    x, y = box["x"] + 60, box["y"] + 100
    finger(page, (x, y), (x, y - 90))
    assert place(root) == start and page.evaluate("scrollY") > top + 30
    box, top = area.bounding_box(), page.evaluate("scrollY")
    finger(page, (box["x"] + box["width"] - 4, box["y"] + 6))
    assert place(root) == (depths[-1], scales[-1])
    finger(page, (box["x"] + 200, box["y"] + 100), (box["x"] + 120, box["y"] + 100), (box["x"] + 50, box["y"] + box["height"] - 45))
    assert place(root) == (depths[0], scales[0]) and page.evaluate("scrollY") == top
    small = page.evaluate("""() => [...document.querySelectorAll('.ug-tool, .explorer .widget-slider .ug-rail')]
      .map((e) => [e.className, e.getBoundingClientRect()]).filter(([, box]) => Math.min(box.width, box.height) < 44).map(([name]) => name)""")
    assert small == []


CONTRAST = """(element, property) => {
  const brush = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const seen = (...colours) => { for (const colour of colours) { brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1); } return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = getComputedStyle(document.body).backgroundColor;
  const [a, b] = [light(seen(paper)), light(seen(paper, getComputedStyle(element)[property]))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_are_large_enough_and_stand_out(open_page, scheme):
    page = open_page(CHAPTER, color_scheme=scheme)
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    page.wait_for_timeout(400)  # colours fade over to the other theme
    for selector, edge in ((".ug-tool", "borderTopColor"), (".ug-handle", "borderTopColor"), (".widget-readout", "borderTopColor")):
        control = page.locator(f"#explorer-1 {selector}").first
        assert control.evaluate(CONTRAST, edge) >= 3, selector
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 24, selector


def test_on_paper_the_picture_stands_as_it_was_left_and_no_tool(open_page):
    page = open_page(CHAPTER, viewport={"width": 680, "height": 1000})
    root, depth, _ = sliders(page, 0)
    depth.press("End")
    said(page)
    sentence = root.locator(".ug-sentence").text_content()
    page.emulate_media(media="print")
    assert sentence.startswith("Depth 30, σ_w = 1:") and root.locator(".ug-sentence").is_visible()
    assert page.locator("#explorer-1 .widget-readout").all_inner_texts() == ["30", "1.00"]
    assert not root.locator(".ug-tools").is_visible()
    box = root.locator(".ug-curve svg").first.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 680 and box["height"] > 200
    assert page.locator("#explorer-1").evaluate("place => getComputedStyle(place).breakInside") == "avoid"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_text_does_not_jump_when_an_explorer_comes_alive(browser, address, width):
    context = browser.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    page.add_init_script("""window.shift = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((one) => { if (!one.hadRecentInput) shift += one.value; })).observe({ type: 'layout-shift', buffered: true });""")
    page.goto(f"{address}{CHAPTER}")
    ready(page)
    page.wait_for_timeout(500)
    for name in ("explorer-1", "explorer-2"):
        page.evaluate("name => document.getElementById(name).scrollIntoView()", name)
        page.wait_for_timeout(200)
    places = page.eval_on_selector_all(".explorer", "all => all.map(e => [e.offsetHeight, parseFloat(getComputedStyle(e).minHeight)])")
    assert all(abs(height - reserved) <= 24 for height, reserved in places), places
    shift = page.evaluate("shift")
    context.close()
    assert shift <= 0.02


def test_a_move_draws_with_the_nodes_that_are_there(open_page):
    page = open_page(CHAPTER)
    root, _, scale = sliders(page, 0)
    scale.press("ArrowRight")
    root.evaluate("""root => {
      window.changes = [];
      window.numbers = root.querySelector('.ug-gradient .ug-mark').numbers;
      new MutationObserver((seen) => changes.push(...seen.map(({ target, type }) => `${type} ${target.localName}`)))
        .observe(root.querySelector('.ug-panels'), { childList: true, subtree: true });
    }""")
    for key in ("ArrowLeft", "ArrowRight", "ArrowLeft"):
        scale.press(key)
    assert page.evaluate("changes") == []
    assert root.evaluate("root => root.querySelector('.ug-gradient .ug-mark').numbers.join() !== numbers.join()")
