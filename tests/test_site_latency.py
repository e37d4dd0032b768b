"""What a slider's move costs, counted without a clock: nothing of the page around its explorer is worked out anew."""

import itertools
from functools import partial

import pytest
from site_pages import said, sliders
from test_site_explorers import BOTH, ready

pytestmark = [pytest.mark.slow, pytest.mark.site]
LAYERS = "PaintArtifactCompositor::Update"  # Chromium puts the layers of the whole page together


def traced(browser, page, act):
    """What Chromium's trace says under a name, from ``act`` until the page has come to rest."""
    session, events, ends = browser.new_browser_cdp_session(), [], []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: ends.append(end))
    session.send("Tracing.start", {"traceConfig": {"includedCategories": ["devtools.timeline", "blink"]}, "transferMode": "ReportEvents"})
    act()
    page.wait_for_timeout(200)
    session.send("Tracing.end")
    while not ends:
        page.wait_for_timeout(20)
    session.detach()
    return lambda name: [event["args"] for event in events if event["name"] == name]


@pytest.mark.parametrize("index", range(2))
def test_a_move_lays_out_and_styles_its_explorer_only(open_page, browser, index):
    page = ready(open_page(BOTH))
    root, *handles = sliders(page, index)
    for handle in handles:
        handle.press("ArrowRight")
        page.wait_for_timeout(900)  # what it says is said
        seen = traced(browser, page, lambda: page.keyboard.press("ArrowLeft"))
        layouts = [layout["beginData"] for layout in seen("Layout")]
        assert layouts and all(layout["partialLayout"] for layout in layouts), layouts
        assert 0 < sum(style.get("elementCount", 0) for style in seen("UpdateLayoutTree")) <= 30
        assert not seen(LAYERS), handle
    moved = "root => { root.querySelector('.ug-tools').style.transform = 'translate(1px)'; }"
    control = traced(browser, page, lambda: root.evaluate(moved))
    assert control(LAYERS), "the trace no longer says when the layers are put together"


def test_a_handle_stands_where_its_value_is(open_page):
    page = ready(open_page(BOTH))
    _, *handles = sliders(page, 0)
    for handle in handles:
        handle.press("Home")  # the page scrolls to it
        rail = handle.locator("xpath=ancestor::*[@class='ug-rail']").bounding_box()
        first, last = rail["x"] + 6, rail["x"] + rail["width"] - 6  # the line's ends
        for key, side, edge in (("Home", 0, first), ("End", 1, last)):
            handle.press(key)
            box = handle.bounding_box()
            assert box["x"] + side * box["width"] == pytest.approx(edge, abs=2)
            assert box["y"] + box["height"] / 2 == pytest.approx(rail["y"] + rail["height"] / 2, abs=2)


def test_the_handle_and_the_picture_move_with_the_key_and_the_words_soon_after(open_page):
    page = ready(open_page(BOTH))
    _, depth, _ = sliders(page, 0)
    depth.press("Home")
    said(page)
    told = """() => [...document.querySelectorAll('#explorer-1 :is(.widget-readout, .ug-sentence)')].map((node) => node.textContent)
      .concat(document.querySelector('#explorer-1 .ug-handle').getAttribute('aria-valuetext'), document.querySelector('#explorer-1 .ug-handle').value)"""
    before = page.evaluate(told)
    seen = page.evaluate(f"""async () => {{
      const shown = () => [document.querySelector('#explorer-1 .ug-explorer').dataset.depth, document.querySelector('#explorer-1 .ug-stand').style.marginLeft];
      const was = shown();
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'End', bubbles: true, cancelable: true }}));
      await null;
      await null;
      return [was, shown(), ({told})()];
    }}""")
    assert seen[0] == ["1", "0%"] and seen[1] == ["30", "100%"] and seen[2] == before
    said(page)
    after = page.evaluate(told)
    assert (after[0], after[-2:]) == ("30", ["30", "29"]) and after[2].startswith("Depth 30, ")


def test_a_key_that_a_slider_takes_reaches_no_one_else_and_the_others_do(open_page):
    page = ready(open_page(BOTH))
    _, depth, _ = sliders(page, 0)
    depth.press("Home")
    page.evaluate("() => { window.heard = []; for (const target of [document, document.body]) target.addEventListener('keydown', (event) => heard.push(event.key), true); }")
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "Control+ArrowRight", "k"):
        depth.press(key)
    heard = page.evaluate("heard")
    assert heard == ["ArrowLeft", "ArrowLeft", "Control", "Control", "ArrowRight", "ArrowRight", "k", "k"]  # the second one moves nothing


def test_the_handle_moves_by_what_a_screen_reader_asks_of_a_range(open_page):
    page = ready(open_page(BOTH))
    root, depth, _ = sliders(page, 0)
    said(page)
    depth.evaluate("handle => { handle.stepUp(3); handle.dispatchEvent(new Event('input', { bubbles: true })); }")
    said(page)
    assert (root.get_attribute("data-depth"), depth.get_attribute("aria-valuetext"), depth.input_value()) == ("23", "23", "22")


def test_the_sentence_has_room_and_leaves_what_stands_below_where_it_is(open_page):
    page = ready(open_page(BOTH, viewport={"width": 390, "height": 844}))
    root, depth, scale = sliders(page, 1)
    heights = []
    for handle, key in ((depth, "End"), (scale, "End"), (scale, "Home"), (depth, "Home")):
        handle.press(key)
        page.wait_for_timeout(100)
        sentence = root.locator(".ug-sentence")
        heights.append(sentence.bounding_box()["height"])
        assert sentence.locator("span").bounding_box()["height"] <= heights[-1]
    assert heights == sorted(heights)


def test_the_sentence_takes_no_more_room_after_the_window_was_narrow(open_page):
    page = ready(open_page(BOTH))
    sentence = sliders(page, 0)[0].locator(".ug-sentence")
    before = sentence.bounding_box()["height"]
    page.set_viewport_size({"width": 200, "height": 900})
    page.wait_for_function("() => document.querySelector('.ug-sentence').style.getPropertyValue('--ug-lines')")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(300)
    assert sentence.bounding_box()["height"] == before


def test_the_axis_stays_while_the_curve_moves_along_it(open_page):
    """Labels that move must be laid out anew; and where axis and curve both move, a reader sees neither."""
    page = ready(open_page("chapters/02_vanishing_gradients.html"))
    root, depth, scale = sliders(page, 0)
    labels = """root => [...root.querySelectorAll('.ug-curve > svg .ug-labels')].map(axis =>
      [...axis.children].filter(label => label.textContent).map(label => `${label.textContent} at ${label.getAttribute('x')}`).join())"""
    for handle, positions, moved in ((depth, 30, 2), (scale, 19, 1)):
        handle.press("Home")
        axes = []
        for _ in range(positions):
            axes.append(root.evaluate(labels))
            handle.press("ArrowRight")
        changes = [sum(a != b for a, b in itertools.pairwise(axis)) for axis in zip(*axes, strict=True)]
        assert all(number <= positions // 3 for number in changes), axes
        assert sum(number > 0 for number in changes) == moved, axes


def test_a_move_at_the_edge_of_the_map_keeps_the_layers(open_page, browser):
    page = ready(open_page(BOTH))
    for handle in sliders(page, 0)[1:]:
        for end, back in (("End", "ArrowLeft"), ("Home", "ArrowRight")):
            handle.press(end)
            page.wait_for_timeout(900)
            assert not traced(browser, page, partial(page.keyboard.press, back))(LAYERS), (handle, end)
