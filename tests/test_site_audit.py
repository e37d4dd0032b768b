"""What the site must hold, as far as no clock is needed: bytes, counts, HTML, Lighthouse's untimed categories, Firefox.

``make audit`` measures the rest, and Lighthouse and Firefox on every page: here they see a few. Each measurement is proved
on a page with planted faults.
"""

import gzip
import http.server
import json
import statistics
import threading
import time
import urllib.error
import urllib.request

import audit_site
import pytest
import shots
from audit import latency, links, look, node, validity, visit
from audit.pages import chapters_of, pages_of
from audit.server import serve
from browser import find_chromium, find_firefox, flags
from bs4 import BeautifulSoup
from site_pages import CHAPTER, PAGES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.site]

SEEN_BY_LIGHTHOUSE = ["index.html", CHAPTER, "chapters/glossary.html"]


# ---- the site --------------------------------------------------------------------------------------------------


def test_no_page_is_left_out(site):
    assert set(PAGES) == set(pages_of(site))


def test_every_page_is_valid_html(site):
    assert validity.invalid(site, pages_of(site)) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_quiet_and_whole(browser, address, site, name):
    """With an empty cache, wide and narrow, and without JavaScript. How far it shifts hangs on the clock: `make audit` tells."""
    chapters = chapters_of(site)
    then = chapters[(chapters.index(name) + 1) % len(chapters)] if name in chapters else None
    wide, narrow = visit.visit(browser, address, name, 1280, then=then), visit.visit(browser, address, name, 390)
    mute = visit.visit_without_scripts(browser, address, name)
    everything = links.as_written(site, pages_of(site)) | {name: wide | {"links": wide["links"] + mute["links"]}}
    faults = {
        "complaints": wide["complaints"] + narrow["complaints"] + mute["complaints"],
        "broken links": links.broken(site, address, everything),
        "images without alternative text": wide["silent"] + narrow["silent"] + mute["silent"],
        "pictures not loaded": wide["blank"] + narrow["blank"],
        "duplicate ids": wide["twice"] + narrow["twice"],
        "lost without JavaScript": visit.lost_without_scripts(mute, visit.explorers_on((site / name).read_text())),
    }
    assert {what: places for what, places in faults.items() if places} == {}
    assert narrow["sideways"] <= 0
    if then:
        assert sum(wide["first"].values()) <= audit_site.FIRST, wide["first"]
        assert sum(wide["next"].values()) <= audit_site.NEXT, wide["next"]


def test_axe_sees_a_faint_colour_of_code(open_page):
    """Though it is given one word of each look."""
    page = open_page(CHAPTER, color_scheme="light")
    assert look.violations(page, colours_only=True) == {}
    words = page.evaluate("document.querySelectorAll('.highlight pre span').length")
    page.add_style_tag(content=".bd-article .highlight pre span.s2 { color: #bbb !important; }")
    assert "s2" in look.violations(page, colours_only=True)["color-contrast"]
    assert page.evaluate("document.querySelectorAll('.highlight pre span').length") == words < 200


@pytest.mark.parametrize("name", ["index.html", "search.html", CHAPTER])
def test_controls_stand_out(open_page, name):
    page = open_page(name)
    page.wait_for_timeout(1200)  # the theme draws its icons late
    found = {state: faint for state in look.states(page) if (faint := look.faint_controls(page))}
    assert found == {}


def test_lighthouse_finds_nothing_that_needs_no_clock(address):
    jobs = [{"url": address + name, "preset": "mobile", "categories": list(audit_site.UNTIMED)} for name in SEEN_BY_LIGHTHOUSE]  # fmt: skip
    task = {"executablePath": find_chromium(), "args": flags(), "jobs": jobs}
    results = list(node.lines_of("lighthouse.mjs", task))
    assert len(results) == len(jobs) and [result["failed"] for result in results] == [None] * len(jobs)
    assert [(result["url"], loss) for result in results for loss in result["lost"]] == []
    assert all(set(result["scores"].values()) == {100} for result in results)


def test_firefox_moves_the_sliders_of_a_chapter_and_a_broken_explorer_does_not_pass(address, planted):
    task = {"executablePath": find_firefox(), "urls": [address + CHAPTER, planted + "index.html"]}
    chapter, broken = node.lines_of("firefox.mjs", task)
    assert audit_site.firefox_faults(chapter) == [] and chapter["moved"] >= 2
    faults = audit_site.firefox_faults(broken)
    assert "does not move: explorer 1, slider 2" in faults and broken["moved"] == 1
    assert any("planted error" in fault for fault in faults)


# ---- what measures it ------------------------------------------------------------------------------------------

# One page with every fault that the audit knows. The first slider works, and takes 30 ms; the second does nothing.
PLANTED = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Planted</title><link rel="icon" href="data:,"></head>
<body style="margin: 0; background: #fff"><article>
<p id="late" style="height: 300px">This one moves.</p>
<p id="same">One</p><p id="same">Two, and <a href="#nowhere">an anchor</a>, <a href="gone.html">a page</a>, <a href="#made">made</a>.</p>
<p style="color: #bbb">Faint words.</p><p style="color: #888">Clear words.</p>
<input aria-label="faint" style="display: block; margin: 20px; border: 1px solid #ccc; background: #fff">
<input aria-label="clear" style="display: block; margin: 20px; border: 1px solid #555; background: #fff">
<button style="display: block; margin: 20px; border: 0; background: #fff; color: #ccc" class="faint">Press</button>
<button style="display: block; margin: 20px; border: 0; background: #fff; color: #555" class="clear">Press</button>
<img src="missing.png"><div style="width: 1000px">wide</div>
<span class="math"></span><p style="display: none" id="hidden">Shown by a script.</p>
<div><div class="ug-explorer" data-depth="1"><svg width="50" height="50"><path d="M0 0h5"></path></svg></div>
<input type="range" aria-label="works" id="works"><input type="range" aria-label="stuck" id="stuck"></div>
</article>
<script>
  console.error('planted error');
  document.querySelector('article').append(Object.assign(document.createElement('a'), { id: 'made', href: '#made', textContent: 'made' }));
  document.querySelector('#hidden').style.display = 'block';
  setTimeout(() => { document.querySelector('#late').style.marginTop = '200px'; }, 400);
  const root = document.querySelector('.ug-explorer');
  document.querySelector('#works').addEventListener('input', () => {
    const end = performance.now() + 30;
    while (performance.now() < end);
    root.querySelector('path').setAttribute('d', `M0 0h${5 + 10 * Math.random()}`);
  });
</script></body></html>
"""


@pytest.fixture(scope="module")
def planted_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    (folder / "index.html").write_text(PLANTED, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def planted(planted_folder):
    with serve(planted_folder) as base:
        yield base


def test_a_visit_sees_every_planted_fault(browser, planted, planted_folder):
    seen = visit.visit(browser, planted, "index.html", 390)
    assert any("planted error" in c for c in seen["complaints"]) and f"404: {planted}missing.png" in seen["complaints"]
    assert seen["twice"] == ["same"] and len(seen["silent"]) == 1 and len(seen["blank"]) == 1
    assert seen["sideways"] > 500 and audit_site.SHIFT < seen["shift"] < 1
    wide = visit.visit(browser, planted, "index.html", 1280, then="index.html")
    assert links.broken(planted_folder, planted, {"index.html": wide}) == ["index.html: #nowhere", "index.html: gone.html"]  # fmt: skip
    size = len(gzip.compress(PLANTED.encode(), 6))
    assert size < wide["first"][planted + "index.html"] < size + 500
    assert planted + "missing.png" in wide["first"]


def test_a_request_to_another_host_is_a_complaint(browser, planted):
    page = browser.new_page()
    complaints = visit.watch(page, planted)
    page.goto(planted)
    page.evaluate("fetch('http://127.0.0.2:9/').catch(() => null)")
    page.wait_for_timeout(200)
    assert "foreign: http://127.0.0.2:9/" in complaints
    page.close()


def test_what_a_reader_without_javascript_does_not_get(browser, planted):
    lost = visit.lost_without_scripts(visit.visit_without_scripts(browser, planted, "index.html"), 1)
    assert [line.partition(":")[0] for line in lost] == [
        "not shown", "formula without its source", "picture not loaded", "1 explorers and 0 still figures",
    ]  # fmt: skip


def test_faint_words_and_controls_are_seen_and_clear_ones_are_not(browser, planted):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(planted)
    page.wait_for_timeout(600)
    assert [text.partition(" in ")[0] for text in look.faint_text(page)] == ["1.92 “Faint words.”", "1.61 “Press”"]
    assert [c.split()[1] for c in look.faint_controls(page)] == ["input.", "button.faint"]
    assert look.violations(page)["image-alt"].startswith("<img")
    page.close()


def test_latency_is_at_least_what_the_page_takes(browser, planted):
    measured = latency.latencies(browser, planted, "index.html", presses=6)
    assert len(measured["work"]) == 6  # the slider that moves nothing gives none
    assert 30 <= statistics.median(measured["work"]) < 200


def test_a_rate_is_found_that_slows_a_page_four_times(browser):
    rate = latency.rate_for(latency.slowdown(browser, latency.SLOWER))
    assert 1 < rate < 6
    assert latency.slowdown(browser, rate) == pytest.approx(latency.SLOWER, rel=0.25)
    assert latency.slowdown(browser, 2 * rate) > 1.5 * latency.SLOWER


def test_layout_shift_is_that_of_the_worst_window():
    shift = lambda *pairs: visit.shift_of([[start, value, ""] for start, value in pairs])
    assert shift() == 0
    assert shift((0, 0.1), (900, 0.1), (2500, 0.15)) == pytest.approx(0.2)
    assert shift(*[(i * 900, 0.01) for i in range(20)]) == pytest.approx(0.06)  # a window ends after 5 s


def test_invalid_html_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<!DOCTYPE html><html lang="en"><head><title>A</title></head><body><p id="x"><div id="x"></div></p></body></html>'
    )
    rules = {line.split(": ")[1] for line in validity.invalid(tmp_path, ["a.html"])}
    assert {"no-dup-id", "close-order"} <= rules or {"no-dup-id", "element-permitted-content"} <= rules


def test_the_server_zips_caches_and_misses_as_pages_does(planted):
    def ask(path, **headers):
        try:
            return urllib.request.urlopen(urllib.request.Request(planted + path, headers=headers))
        except urllib.error.HTTPError as error:
            return error

    zipped = ask("index.html", **{"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.read()).decode() == PLANTED and zipped.headers["Cache-Control"] == "max-age=600"
    assert ask("", **{"If-None-Match": ask("").headers["ETag"]}).status == 304
    assert ask("").read().decode() == PLANTED and ask("gone").status == 404


def test_the_table_names_what_misses_a_bar():
    rows = [
        audit_site.none_of("faults", ["a.html: one", "b.html: two", "b.html: three"]),
        audit_site.most("size", 10, "{:.0f} kB".format, {"a.html": 9, "b.html": 10}),
    ]
    assert [(row.ok, row.value, row.worst) for row in rows] == [(False, "3", "b.html"), (True, "10 kB", "b.html")]
    text = audit_site.table(rows)
    assert "✗  faults" in text and "✓  size" in text and "    b.html: three" in text
    assert audit_site.written([3, 9, 4]) == "4 (3–9)" and audit_site.written([3]) == "3"


def test_shots_are_four_pictures_of_a_page_and_one_to_leaf_through(browser, planted_folder, tmp_path):
    shots.shoot(browser, planted_folder, tmp_path / "shots", ["index.html"])
    names = {path.name for path in (tmp_path / "shots").iterdir()}
    pictures = {shots.file_of("index.html", *state) for state in look.STATES}
    assert names == {"index.html", *pictures}
    leaf = (tmp_path / "shots" / "index.html").read_text()
    assert all(f'src="{picture}"' in leaf for picture in pictures)


@pytest.mark.lock
def test_the_lock_names_no_host_and_pins_everything():
    lock = json.loads((node.HERE / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or package["integrity"], name


# ---- links to other sites --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outside():
    """``tools/links.py``; not at the top, since Colab's set, where no test of the site runs, is without requests."""
    import links

    return links


def test_the_list_of_links_is_what_the_sources_hold(outside):
    assert outside.read() == outside.links_of(ROOT), "make links WRITE=1 makes the list anew"


def test_links_are_well_formed(outside):
    assert outside.faults(outside.read()) == []


def test_the_site_links_to_nothing_that_is_not_on_the_list(outside, site):
    pages = [BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser") for name in pages_of(site)]
    found = {link["href"] for page in pages for link in page.select("a[href^=http]")}
    assert found and {link for link in found if not outside.is_own(link, ROOT)} <= set(outside.read())


def test_faults_of_form_are_found(outside):
    bad = [
        "http://a.org/x", "https://a.org/y?utm_source=z", "https://localhost/", "https://arxiv.org/abs/1502.01852",
        "https://arxiv.org/pdf/1502.01852v1.pdf", "https://www.b.org/c/", "https://b.org/c",
    ]  # fmt: skip
    assert [fault.split(": ", 1)[1] for fault in outside.faults(bad)] == [
        "not https", "tracks its readers by utm_source", "no plain host",
        "another spelling of https://arxiv.org/abs/1502.01852", "another spelling of https://www.b.org/c/",
    ]  # fmt: skip


def test_links_in_prose_end_where_the_sentence_goes_on(outside):
    text = "See [a](https://a.org/x_(y)), https://b.org/c. And <https://c.org/d>; not https://github.com/OWNER/REPOSITORY."
    assert outside.links_in(text) == {"https://a.org/x_(y)", "https://b.org/c", "https://c.org/d"}


class _Planted(http.server.BaseHTTPRequestHandler):
    """/200, /404 and so on answer with that status; 301 leads to /200; /nohead has no HEAD; /slow takes 3 seconds."""

    def do_GET(self):
        name = self.path.strip("/")
        if name == "slow":
            time.sleep(3)
        status = {"slow": 200, "nohead": 405 if self.command == "HEAD" else 200}.get(name) or int(name)
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_links_are_asked_for_and_the_dead_ones_named(outside, capsys):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Planted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, checker = f"http://127.0.0.1:{server.server_port}/", outside.Checker(timeout=1, pause=0.01, retries=1)
    names = ["200", "301", "302", "403", "404", "500", "nohead", "slow"]
    assert outside.report([base + name for name in names], checker) == 1
    said = capsys.readouterr().out
    assert outside.report([base + "200", base + "403", base + "301"], checker) == 0
    server.shutdown()
    server.server_close()
    assert f"{base}301: moved for good to {base}200" in said and f"{base}403: turns programs away" in said
    assert f"{base}404: dead: 404" in said and f"{base}500: dead: 500" in said and f"{base}slow: dead: no answer in 1 s" in said
    assert "8 links: 3 answer, 1 have moved, 1 turn programs away, 3 are dead" in said
    assert outside.report([base + "200"], checker) == 2  # nobody there any more
    assert "No network" in capsys.readouterr().out
