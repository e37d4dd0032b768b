"""What makes Sphinx's pages the site's, a step at a time, on pages of a few lines."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from address import site_url
from bs4 import BeautifulSoup
from cards import SIZE, draw_card
from pages import AS_HTML, html_repairs, icons
from pages.about import about
from pages.front_door import complete_redirect
from pages.icons import draw_icons
from pages.metadata import describe, publish
from pages.site import Site
from pages.weight import (
    keep_data_apart,
    keep_stills_apart,
    leave_out_the_unused,
    load_what_is_used,
    load_without_waiting,
)
from PIL import Image

PUBLISHING = ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "CI_PROJECT_URL", "CI_PAGES_URL", "SITE_URL")
CONFIG = 'title: Gradients\nauthor: The authors\nrepository:\n  url: "{url}"\n'
MAP = """<table><tr><td>1 <a href="one.html">One</a></td><td>Why?</td><td>35 minutes</td></tr></table>
<ul><li><a href="two.html">Two</a>: what then? 40 minutes</li></ul>"""
ONE = r"""<section><h1>One <i>idea</i><a class="headerlink" href="#one">#</a></h1><p><strong>Why?</strong></p>
<p>It shrinks by \(\chi\) in each layer. {long}</p>
<blockquote><p>You will be able to</p><ul><li>measure \(\sigma_w\);</li><li>predict it.</li></ul></blockquote></section>""".replace(
    "{long}", "More words. " * 30
)


def parsed(text):
    return BeautifulSoup(text, "html.parser")


def page_of(body, head=""):
    return f"<!DOCTYPE html><html><head><title>Words — Gradients</title>{head}</head><body><article>{body}</article></body></html>"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Makes a site of two chapters and a page, at the address that the configuration names or at none."""
    for name in PUBLISHING:
        monkeypatch.delenv(name, raising=False)

    def make(url=""):
        source, written, html = (tmp_path / name for name in ("source", "written", "html"))
        for folder in (source / "chapters", written / "chapters", html / "_static"):
            folder.mkdir(parents=True, exist_ok=True)
        (source / "_config.yml").write_text(CONFIG.format(url=url))
        (source / "_toc.yml").write_text("root: chapters/intro\nchapters:\n- file: chapters/one\n- file: chapters/two\n- file: chapters/words\n")
        for name in ("one", "two"):
            (source / "chapters" / f"{name}.ipynb").touch()
        bodies = {"intro": f"<section><h1>Gradients</h1><p><em>What?</em></p><p>A course.</p>{MAP}</section>", "one": ONE,
                  "two": "<section><h1>Two</h1><p>Plain.</p></section>", "words": "<section><h1>Words</h1><p>Terms.</p></section>"}  # fmt: skip
        for name, body in bodies.items():
            (written / "chapters" / f"{name}.html").write_text(page_of(body))
        (written / "search.html").write_text(page_of("<h1>Search</h1>"))
        (html / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=chapters/intro.html" />')
        return Site(source, written, html)

    return make


def described(site, name):
    page = site.page(name)
    describe(page, name, site)
    return page


# Icons


def test_an_icon_of_ours_stands_where_font_awesome_was_asked_for(site, tmp_path, monkeypatch):
    made = site()
    monkeypatch.setattr(icons, "ICONS", tmp_path)
    (tmp_path / "sun.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M0 0"/></svg>')
    page = parsed('<button><i class="theme-switch fa-solid fa-sun fa-lg" data-mode="light" title="Light"></i></button><i class="plain">x</i>')
    draw_icons(page, "a.html", made)
    assert page.i["class"] == ["plain"]
    assert page.svg.attrs == {"viewBox": "0 0 24 24", "class": ["ug-icon", "theme-switch", "fa-lg"], "aria-hidden": "true",
                              "focusable": "false", "data-mode": "light"}  # fmt: skip
    assert page.svg.path["d"] == "M0 0"


def test_an_icon_that_is_not_drawn_yet_is_named(site):
    with pytest.raises(FileNotFoundError, match=r"a\.html shows the icon 'spoon'.*assets/icons/spoon\.svg"):
        draw_icons(parsed('<span class="fas fa-spoon"></span>'), "a.html", site())


# Weight


LOADED = """<link rel="preload" as="script" href="x/bootstrap.js"><link rel="stylesheet" href="sphinx-design.min.css">
<script src="fontawesome.js"></script><script>let toggleHintShow = 'x';</script><script>window.MathJax = {}</script>
<script src="_static/mathjax/mathjax.js"></script><script src="copybutton.js"></script><script src="searchindex.js"></script>
<script type="application/json">"copybutton togglebutton"</script>"""


def test_a_page_without_any_of_it_loads_nothing():
    page = parsed(f"<head>{LOADED}</head><nav class='bd-nav'></nav>")
    load_what_is_used(page, "a.html", None)
    assert [str(tag.get("href") or tag.get("type")) for tag in page.head.find_all(True)] == ["x/bootstrap.js", "application/json"]


@pytest.mark.parametrize(
    ("user", "loaded"),
    [("class='math'", 0), ("class='highlight'", 1), ("id='search-results'", 1), ("class='a sd-card'", 1), ("class='toggle'", 1)],
)
def test_a_page_loads_what_something_on_it_uses(user, loaded):
    page = parsed(f"<head>{LOADED}</head><p {user}></p>")
    load_what_is_used(page, "a.html", None)
    assert len(page.head.find_all(True)) == 2 + loaded and not page.select("[src*=fontawesome]")


def test_scripts_wait_for_the_page_in_their_order_and_options_stand_in_it(site):
    made = site()
    (made.written / "_static").mkdir()
    (made.written / "_static" / "documentation_options.js").write_text("const DOCUMENTATION_OPTIONS = {};\n")
    page = parsed(
        '<head><link rel="preload" as="script" href="b.js"><link href="../_static/styles/theme.css?digest=1" rel="stylesheet">'
        '<script src="_static/documentation_options.js?v=1"></script><script src="a.js"></script>'
        "<script>DOCUMENTATION_OPTIONS.pagename = 'a';</script></head><body><script src='b.js'></script></body>"
    )
    load_without_waiting(page, "a.html", made)
    inline, *others = page.select("script")
    assert inline.string == "const DOCUMENTATION_OPTIONS = {};\nDOCUMENTATION_OPTIONS.pagename = 'a';" and not inline.attrs
    assert [(script["src"], script["defer"]) for script in others] == [("a.js", ""), ("b.js", "")]
    assert page.link["href"] == "../_static/basic.css" and len(page.select("link")) == 1
    assert '<script defer src="b.js">' in page.decode(formatter=AS_HTML)


def test_still_figures_are_files_of_their_own(site):
    made = site()
    data = base64.b64encode(b"<svg/>").decode()
    page = parsed(f'<noscript><img src="data:image/svg+xml;base64,{data}"></noscript><img src="data:image/svg+xml;base64,{data}">')
    keep_stills_apart(page, "chapters/a.html", made)
    still, other = page.select("img")
    assert (made.html / "chapters" / still["src"]).resolve().read_bytes() == b"<svg/>" and other["src"].startswith("data:")


def test_the_site_holds_what_its_pages_load(site):
    made = site()
    files = {
        "_static/used.js": "load('deep.js')", "_static/deep.js": "deep.js", "_static/alone.js": "alone.js", "_static/alone.js.map": "",
        "_static/styles/theme.css": '@font-face{src:url(fontawesome.woff)}a{}.fa-x:before,.fa-y:before{content:"1"}b{}\n/*# sourceMappingURL=theme.css.map*/',
        "_static/scripts/fontawesome.js": "", "_static/locales/de/x.po": "", "_static/scripts/x.LICENSE.txt": "mine",
    }  # fmt: skip
    for name, text in files.items():
        (made.html / name).parent.mkdir(parents=True, exist_ok=True)
        (made.html / name).write_text(text)
    (made.html / "a.html").write_text('<script src="_static/used.js"></script><link href="_static/styles/theme.css">')
    leave_out_the_unused(made)
    left = {path.relative_to(made.html / "_static").as_posix() for path in made.html.glob("_static/**/*") if path.is_file()}
    assert left == {"used.js", "deep.js", "styles/theme.css", "scripts/x.LICENSE.txt"}
    assert (made.html / "_static/styles/theme.css").read_text() == "a{}b{}"


def test_the_explorers_data_is_a_script_of_its_own(site):
    made = site()
    page = parsed('<script type="application/vnd.jupyter.widget-state+json">{"state": {"a": "</b>"}}</script>')
    keep_data_apart(page, "chapters/a.html", made)
    file = (made.html / "chapters" / page.script["data-src"]).resolve()
    assert not page.script.string and file.read_text() == 'globalThis.explorersOfThisPage = {"state": {"a": "</b>"}};\n'


# Repairs

REPAIRED = {
    "one_of_each_meta": (
        '<meta name="viewport" content="1"><meta name="viewport" content="2"><meta name="docsearch:version" content="">',
        '<meta content="1" name="viewport">',
    ),
    "no_place_for_advertisements": ('<div class="sidebar-primary-item"><div id="ethical-ad-placement"></div></div>', ""),
    "no_second_title_for_paper": ('<div id="jb-print-docs-body"><h1>Twice</h1></div>', ""),
    "one_logo": (
        '<img class="logo__image only-light" src="a.svg"><img class="logo__image only-dark" src="a.svg">',
        '<img class="logo__image" height="48" src="a.svg" width="48">',
    ),
    "titles_belong_to_a_landmark": (
        '<div class="sidebar-primary-items__start"><div class="sidebar-primary-item"></div><div class="sidebar-primary-item"></div></div>',
        '<div class="sidebar-primary-items__start"><div aria-label="Book title" class="sidebar-primary-item" role="region"></div>'
        '<div class="sidebar-primary-item"></div></div>',
    ),
    "here_you_are": ('<nav class="bd-links"><a class="current" href="#">x</a></nav>', '<nav class="bd-links"><a aria-current="page" class="current" href="#">x</a></nav>'),
    "named_controls": (
        '<button title="Toggle primary sidebar"></button><button aria-label="Other">Text</button><a class="btn" data-bs-title="Go"></a>',
        '<button aria-label="Menu" title="Menu"></button><button>Text</button><a aria-label="Go" class="btn" data-bs-title="Go"></a>',
    ),
    "named_dialogs": ('<dialog id="pst-search-dialog"></dialog>', '<dialog aria-label="Search" id="pst-search-dialog"></dialog>'),
    "forms_can_be_sent": (
        '<form class="bd-search"></form>',
        '<form class="bd-search" role="search"><button class="btn search-submit" type="submit">Search</button></form>',
    ),
    "summaries_hold_phrases": (
        '<details class="hide"><summary aria-label="x"><p class="collapsed">Show</p></summary></details>',
        '<details class="hide"><summary><span class="collapsed">Show</span></summary></details>',
    ),
    "no_stray_breaks": ('<p class="copyright">2026<br></p>', '<p class="copyright">2026</p>'),
    "long_names_break_between_words": (
        "<td><code><span>a_b(x)</span></code></td><p><code>a_b</code></p>", "<td><code><span>a_<wbr>b(<wbr>x)</span></code></td><p><code>a_b</code></p>",
    ),
    "no_comments": ("<p>a<!-- aside --></p>", "<p>a</p>"),
}  # fmt: skip


@pytest.mark.parametrize("repair", html_repairs.REPAIRS, ids=lambda repair: repair.__name__)
def test_each_repair_mends_what_it_names_and_once_is_enough(repair):
    if repair.__name__ == "theme_from_the_start":
        page = parsed('<html><head><script data-cfasync="false">document.documentElement.dataset.theme = "auto"</script></head></html>')
        repair(page)
        assert "prefers-color-scheme: dark" in page.script.string
        return
    given, mended = REPAIRED[repair.__name__]
    page = parsed(given)
    repair(page)
    as_sorted = lambda text: parsed(text).decode(formatter=AS_HTML)
    assert as_sorted(page.decode(formatter=AS_HTML)) == as_sorted(mended)
    repair(page)
    assert as_sorted(page.decode(formatter=AS_HTML)) == as_sorted(mended)


# What a page is about


def test_a_chapter_in_words(site):
    known = site().about("chapters/one.html")
    assert known.title == "One idea" and known.question == "Why?" and known.minutes == 35
    assert known.description.startswith("Why? It shrinks by χ in each layer. More words.") and 100 < len(known.description) <= 200
    assert known.teaches == ("measure σ_w", "predict it")


def test_minutes_come_from_a_table_or_a_list_and_a_page_without_is_no_trouble(site):
    made = site()
    assert made.about("chapters/two.html")[1:] == ("", "Plain.", (), 40)
    assert made.about("chapters/words.html").minutes == 0
    assert made.about("search.html").title == "Search"


def test_a_first_sentence_too_long_stays_whole():
    page = parsed(page_of(f"<section><h1>T</h1><p>{'long ' * 60}end. Next.</p></section>"))
    assert about(page, "t.html", page).description.endswith("end.")


# Address


@pytest.mark.parametrize(
    ("surroundings", "line", "url"),
    [
        ({}, "", ""),
        ({}, "https://github.com/School/Course", "https://school.github.io/Course/"),
        ({"GITHUB_REPOSITORY": "Fork-er/my.course"}, "https://github.com/School/Course", "https://fork-er.github.io/my.course/"),
        ({"GITHUB_REPOSITORY": "Fork/fork.github.io"}, "", "https://fork.github.io/"),
        ({"GITHUB_REPOSITORY": "a/b", "SITE_URL": "https://course.example.org"}, "", "https://course.example.org/"),
        ({"CI_PROJECT_URL": "https://gitlab.com/g/c", "CI_PAGES_URL": "https://g.gitlab.io/c"}, "", "https://g.gitlab.io/c/"),
        ({"CI_PROJECT_URL": "https://gitlab.com/g/c"}, "", ""),
        ({"GITHUB_REPOSITORY": "a/b", "GITHUB_SERVER_URL": "https://git.school.example"}, "", ""),
    ],
)
def test_where_a_site_is_read(site, monkeypatch, surroundings, line, url):
    made = site(line)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    assert site_url(made.source) == made.url == url


# Metadata

HOME = "https://school.github.io/course/"
PAGES = ("chapters/intro.html", "chapters/one.html", "chapters/two.html", "chapters/words.html")


def test_without_an_address_a_page_has_its_description_and_nothing_that_names_one(site):
    made = site()
    for name in (*PAGES, "search.html"):
        page = described(made, name)
        assert page.select_one("meta[name=description]")["content"]
        assert not page.select("link[rel=canonical], meta[property], meta[name^=twitter], script") and "http" not in str(page)
    publish(made)
    complete_redirect(made)
    assert {path.name for path in made.html.rglob("*") if path.is_file()} == {"index.html"}
    assert "canonical" not in (made.html / "index.html").read_text() and "http:" not in (made.html / "index.html").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_with_an_address_each_page_says_where_it_is(site, name):
    made = site("https://github.com/school/course")
    page = described(made, name)
    assert page.select_one("link[rel=canonical]")["href"] == HOME + name
    said = {meta["property"]: meta["content"] for meta in page.select("meta[property]")}
    assert said["og:url"] == HOME + name and said["og:title"] == made.about(name).title and said["og:image"].startswith(HOME)
    assert {"og:type", "og:description", "og:site_name", "og:image:alt", "og:image:width", "og:image:height"} <= set(said)
    assert page.select_one("meta[name='twitter:card']")["content"] == "summary_large_image"
    publish(made)
    assert Image.open(made.html / said["og:image"].removeprefix(HOME)).size == SIZE == (int(said["og:image:width"]), int(said["og:image:height"]))


def test_the_first_page_is_a_course_and_a_chapter_a_part_of_it(site):
    made = site("https://github.com/school/course")
    course, chapter, plain = (described(made, name).select("script[type='application/ld+json']") for name in PAGES[:2] + PAGES[3:])
    course, chapter = json.loads(course[0].string), json.loads(chapter[0].string)
    assert plain == []
    assert course["@type"] == "Course" and course["timeRequired"] == "PT75M" and course["offers"]["category"] == "Free"
    assert [part["url"] for part in course["hasPart"]] == [HOME + "chapters/one.html", HOME + "chapters/two.html"]
    assert {"name", "description", "provider", "hasCourseInstance", "inLanguage", "license", "author"} <= set(course)
    assert chapter["@type"] == "LearningResource" and chapter["timeRequired"] == "PT35M" and chapter["isAccessibleForFree"] is True
    assert chapter["teaches"] == ["measure σ_w", "predict it"] and chapter["isPartOf"]["@id"] == course["@id"] == HOME + PAGES[0]
    assert {"name", "description", "learningResourceType", "educationalLevel", "inLanguage", "license", "author", "url"} <= set(chapter)


def test_the_map_of_the_site_and_the_robots_file(site):
    made = site("https://github.com/school/course")
    publish(made)
    root = ElementTree.parse(made.html / "sitemap.xml").getroot()
    names = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    assert root.tag == f"{{{names['s']}}}urlset"
    assert [place.text for place in root.findall("s:url/s:loc", names)] == [HOME + name for name in PAGES]
    assert (made.html / "robots.txt").read_text().endswith(f"\nSitemap: {HOME}sitemap.xml\n")


def test_the_front_door_is_a_page_of_its_own(site):
    made = site("https://github.com/school/course")
    complete_redirect(made)
    door = parsed((made.html / "index.html").read_text())
    assert door.select_one("link[rel=canonical]")["href"] == HOME + PAGES[0] and door.h1.text == "Gradients"
    assert door.select_one("meta[http-equiv=refresh]")["content"] == f"0; url={PAGES[0]}" and door.a["href"] == PAGES[0]
    once = str(door)
    complete_redirect(made)
    assert str(parsed((made.html / "index.html").read_text())) == once


def test_a_card_is_small_and_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        draw_card(tmp_path / name, "Unstable Gradients", "Vanishing gradients", "Why do the first layers stand still?")
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second and len(first) < 60_000 and Image.open(io.BytesIO(first)).size == (1200, 630)
    assert not re.search(rb"tEXt|tIME", first)
