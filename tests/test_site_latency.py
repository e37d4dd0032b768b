"""What a slider's move costs, counted without a clock: nothing of the page around its explorer is worked out anew."""

import pytest
from site_pages import sliders
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
        rail = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").bounding_box()
        for key, share in (("Home", 0), ("End", 1)):
            handle.press(key)
            box = handle.bounding_box()
            assert box["x"] + box["width"] / 2 == pytest.approx(rail["x"] + share * rail["width"], abs=2)
            assert box["y"] + box["height"] / 2 == pytest.approx(rail["y"] + rail["height"] / 2, abs=2)


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
