"""The built site's frame: icons, theme, menus, search and buttons, with none of the theme's heavy parts."""

import gzip
import re

import pytest
from bs4 import BeautifulSoup
from site_pages import CHAPTER, EXPLORERS, PROSE

pytestmark = [pytest.mark.slow, pytest.mark.site]
PHONE = {"viewport": {"width": 390, "height": 844}}
THEME = "document.documentElement.dataset.theme"
ALL = [*PROSE, *EXPLORERS, "search.html"]
# A letter of an icon font would be an empty box now.
BOXES = """() => [...document.querySelectorAll('*')].flatMap(e => ['::before', '::after'].map(part => getComputedStyle(e, part).content))
  .filter(content => /[\\ue000-\\uf8ff]/.test(content))"""


@pytest.fixture(scope="module")
def parsed(site):
    return {name: BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser") for name in ALL}


def test_nothing_of_font_awesome_is_left(site, parsed):
    for name, page in parsed.items():
        assert not page.select("i, [class^=fa-], .fas, .fa-solid, script[src*=fontawesome]"), name
        assert len(page.select(".theme-switch-button svg.theme-switch")) == 3, name
    assert not [path for path in site.rglob("*") if "fontawesome" in path.name or path.suffix == ".map"]
    for path in site.glob("_static/**/*.css"):
        assert "fa-solid-900" not in path.read_text(encoding="utf-8")


def test_no_letter_of_an_icon_font_is_drawn(open_page):
    for name in (CHAPTER, "chapters/intro.html", "search.html"):
        assert open_page(name).evaluate(BOXES) == []


def test_pages_load_what_they_use_and_it_is_there(site, parsed):
    for name, page in parsed.items():
        scripts = [script["src"].partition("?")[0] for script in page.select("script[src]")]
        assert len(scripts) == len(set(scripts)), name
        assert all(script.has_attr("defer") for script in page.select("script[src]")), name
        assert any("searchindex" in s for s in scripts) == (name == "search.html"), name
        assert not any("mathjax" in s for s in scripts), name
        assert not page.select("[src*=togglebutton], [src*=design-tabs], link[rel=preload]"), name
        for asked in (*scripts, *(link["href"].partition("?")[0] for link in page.select("link[rel=stylesheet]"))):
            assert (site / name).parent.joinpath(asked).resolve().exists(), (name, asked)


def test_a_first_visit_is_light(open_page, site, address):
    """The heaviest chapter, read to its end, weighs at most 900 kB on the wire, and as the next one at most 400 kB."""
    heaviest = max(EXPLORERS, key=lambda name: len(gzip.compress((site / name).read_bytes())))
    weight = {}
    for name in (CHAPTER if heaviest != CHAPTER else next(iter(EXPLORERS)), heaviest):
        page = open_page(name)
        page.evaluate("async () => { for (let y = 0; y < document.body.scrollHeight; y += 600) { scrollTo(0, y); await new Promise(requestAnimationFrame); } }")
        page.wait_for_load_state("networkidle")
        urls = page.evaluate("() => [location.href, ...performance.getEntriesByType('resource').map(entry => entry.name)]")
        files = {url.removeprefix(address).partition("?")[0] for url in urls if url.startswith(address)}
        packed = lambda path: path.stat().st_size if path.suffix in (".woff", ".woff2", ".png") else len(gzip.compress(path.read_bytes(), 6))
        weight[name] = {file: packed(site / file) for file in files if (site / file).is_file()}
    first, second = weight.values()
    assert sum(second.values()) <= 900_000
    assert sum(size for file, size in second.items() if file not in first) <= 400_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_from_the_first_moment(open_page, scheme):
    page = open_page("chapters/notation.html", color_scheme=scheme, java_script_enabled=True)
    early = re.search(r"<script[^>]*data-cfasync[^>]*>(.*?)</script>", page.content(), re.DOTALL)[1]
    page.evaluate("() => { document.documentElement.dataset.theme = 'auto'; localStorage.clear(); }")
    page.evaluate(early)
    assert page.evaluate(THEME) == scheme


def test_the_theme_switch_works_by_mouse_and_keyboard_and_remembers(open_page):
    page = open_page("chapters/notation.html", color_scheme="light")
    switch = page.locator(".theme-switch-button")
    shown = lambda: switch.locator("svg:visible").evaluate_all("icons => icons.map(i => i.dataset.mode)")
    assert shown() == ["auto"] and page.evaluate(THEME) == "light"
    switch.click()
    assert shown() == ["dark"] and page.evaluate(THEME) == "dark"
    page.reload()
    assert shown() == ["dark"] and page.evaluate(THEME) == "dark"
    switch.focus()
    page.keyboard.press("Enter")
    assert shown() == ["light"] and page.evaluate(THEME) == "light"


def test_on_a_phone_menu_and_contents_open_and_close(open_page):
    page = open_page(CHAPTER, **PHONE)
    for name, inside in (("Menu", "Exploding gradients"), ("Contents", "What to remember")):
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        dialog = page.get_by_role("dialog", name=name)
        assert dialog.get_by_role("link", name=inside, exact=True).is_visible()
        page.keyboard.press("Escape")
        assert not dialog.is_visible()


def test_on_a_wide_page_the_menu_folds_away(open_page):
    page = open_page("chapters/notation.html")
    button, menu = page.get_by_role("button", name="Menu", exact=True), page.locator("#pst-primary-sidebar .bd-links")
    assert menu.is_visible()
    button.click()
    menu.wait_for(state="hidden")
    button.click()
    menu.wait_for(state="visible")


def test_search_opens_by_button_and_by_keys_and_is_sent_by_its_button(open_page):
    page = open_page("chapters/notation.html")
    page.locator(".search-button-field").click()
    assert page.get_by_role("dialog", name="Search").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog", name="Search")
    dialog.get_by_role("searchbox").fill("orthogonal")
    dialog.get_by_role("button", name="Search").click()
    page.wait_for_url("**/search.html?q=orthogonal*")
    page.wait_for_selector("#search-results ul.search a")


def test_copy_and_download_work(open_page):
    page = open_page(CHAPTER, permissions=["clipboard-read", "clipboard-write"])
    box = page.locator(".highlight:has(button.copybtn):visible").nth(1)
    box.hover()
    box.locator("button.copybtn").click()
    page.wait_for_selector("button.copybtn.success", timeout=5000)
    page.get_by_role("button", name="Download this page").click()
    with page.expect_download() as got:
        page.locator(".btn-download-source-button").click()
    assert got.value.suggested_filename.endswith(".ipynb")


def test_each_page_says_what_it_is_about_and_names_no_address(parsed):
    descriptions = {name: page.select_one("meta[name=description]")["content"] for name, page in parsed.items()}
    assert all(len(text) >= 6 for text in descriptions.values()) and len(set(descriptions.values())) == len(descriptions)
    for name, page in parsed.items():
        assert len(page.select("h1")) == 1 and page.html["lang"] == "en" and len(page.select("meta[name=viewport]")) == 1, name
