"""A visit to a page: what came over the wire, what moved, what went wrong, and what the page then holds."""

import re

from playwright.sync_api import Page

WIDTHS = {1280: {"viewport": {"width": 1280, "height": 900}}, 390: {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}}  # fmt: skip
# Explorers far down a page sleep until the reader moves or prints.
READY = """() => dispatchEvent(new Event('beforeprint')) && !document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')
  || (document.documentElement.dataset.widgets === 'ready' && document.querySelector('.ug-curve > svg .ug-mark'))"""

# Their greatest sum in a window of at most 5 s without a gap of 1 s is the page's CLS. A visit gives no input, so every shift
# counts: what Chromium takes for input is its own making of a telephone, which hid the first half second.
WATCH_SHIFTS = """
  window.__shifts = [];
  new PerformanceObserver(list => {
    for (const e of list.getEntries())
      window.__shifts.push([e.startTime, e.value, e.sources?.map(s => s.node?.className || s.node?.nodeName).join(', ')]);
  }).observe({ type: 'layout-shift', buffered: true });"""

HOLDS = """() => {
  const all = [...document.querySelectorAll('*')];
  const ids = all.map(e => e.id).filter(Boolean);
  const where = e => e.outerHTML.replace(/\\s+/g, ' ').slice(0, 120);
  return {
    ids, names: [...document.querySelectorAll('a[name]')].map(a => a.name),
    twice: [...new Set(ids.filter((id, i) => ids.indexOf(id) !== i))],
    links: [...document.querySelectorAll('a[href], area[href]')].map(a => [a.getAttribute('href'), a.href]).filter(([, to]) => typeof to === 'string'),
    silent: [...document.querySelectorAll('img:not([alt]), input[type=image]:not([alt]), area:not([alt])')].map(where),
    blank: [...document.images].filter(i => i.complete && i.currentSrc && !i.naturalWidth && i.getClientRects().length).map(where),
  };
}"""

# Not against innerWidth, which grows on a telephone that zooms out to show all of a page that is too wide.
SIDEWAYS = "width => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - width"


def watch(page: Page, base: str) -> list[str]:
    """A list that fills with what goes wrong on a page: console errors and warnings, failed requests, foreign hosts."""
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda r: None if r.failure == "csp" else complaints.append(f"failed: {r.url}"))
    page.on("response", lambda r: complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    allowed = (base, f"blob:{base}", "data:", "blob:null")
    page.on(
        "request", lambda r: None if r.url.startswith(allowed) else complaints.append(f"foreign: {r.url}")
    )
    return complaints


def scroll_through(page: Page) -> None:
    """Read a page from top to bottom, most of a window at a time, so that all that loads late has loaded."""
    page.evaluate("""async () => {
      const wait = time => new Promise(done => setTimeout(done, time));
      for (let y = 0; y < document.documentElement.scrollHeight; y += 0.8 * innerHeight) { scrollTo({ top: y, behavior: 'instant' }); await wait(40); }
      await wait(200);
    }""")
    page.wait_for_load_state("networkidle")


def shift_of(shifts: list) -> float:
    """The cumulative layout shift, by its definition in Web Vitals."""
    worst = total = 0.0
    first = last = float("-inf")
    for start, value, _ in shifts:
        if start - last > 1000 or start - first > 5000:
            first, total = start, 0.0
        last, total = start, total + value
        worst = max(worst, total)
    return worst


class _Wire:
    """Bytes that a page's requests bring over the wire, headers included; what the cache answers counts nothing."""

    def __init__(self, page: Page):
        self.session, self.bytes, self.urls = page.context.new_cdp_session(page), {}, {}
        self.session.send("Network.enable")
        self.session.on(
            "Network.requestWillBeSent", lambda e: self.urls.setdefault(e["requestId"], e["request"]["url"])
        )
        self.session.on(
            "Network.loadingFinished", lambda e: self.bytes.update({e["requestId"]: e["encodedDataLength"]})
        )

    def taken(self) -> dict[str, int]:
        """What came since the last call, by address."""
        came = {self.urls.get(key, key): round(count) for key, count in self.bytes.items() if count}
        self.bytes.clear()
        return came


def visit(browser, base: str, name: str, width: int, *, then: str | None = None) -> dict:
    """Open a page with an empty cache, read it to its end, and go on to the page ``then`` with the cache it left.

    Returns:
        ``complaints``, ``shift`` and what made it, ``first`` and ``next`` (bytes by address), ``sideways`` (pixels that
        the page is too wide) and what the page holds: ids, links, images without a text.
    """
    context = browser.new_context(**WIDTHS[width])
    context.add_init_script(WATCH_SHIFTS)
    page = context.new_page()
    complaints, wire = watch(page, base), _Wire(page)

    def read(name):
        page.goto(base + name, wait_until="load")
        page.wait_for_function(READY, timeout=30_000)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)  # what moves late moves under the reader's eyes
        scroll_through(page)
        return wire.taken()

    first = read(name)
    found = {
        **page.evaluate(HOLDS), "url": page.url, "first": first, "next": {},
        "sideways": page.evaluate(SIDEWAYS, width), "shifts": page.evaluate("window.__shifts"),
    }  # fmt: skip
    if then:
        found["next"] = read(then)
    found["shift"] = shift_of(found["shifts"])
    found["complaints"] = list(complaints)  # before the context closes, which cuts short what is still on its way
    context.close()
    return found


WITHOUT_SCRIPTS = """() => {
  const seen = e => { const s = getComputedStyle(e); return e.getClientRects().length > 0 && s.visibility === 'visible' && s.opacity !== '0'; };
  const aside = 'details:not([open]) *, .onlyprint, .onlyprint *, #jb-print-docs-body *, figcaption, dialog *';
  const article = document.querySelector('article') || document.querySelector('main') || document.body;
  const prose = [...article.querySelectorAll('p, li, h1, h2, h3, pre, td, th')].filter(e => !e.matches(aside) && e.textContent.trim());
  const where = e => e.outerHTML.replace(/\\s+/g, ' ').slice(0, 120);
  return {
    words: prose.filter(seen).map(e => e.innerText).join(' ').split(/\\s+/).length,
    hidden: prose.filter(e => !seen(e)).map(where),
    formulas: article.querySelectorAll('.math').length,
    mute: [...article.querySelectorAll('.math')].filter(e => !e.querySelector('img[alt], math') && !/\\S/.test(e.textContent)).map(where),
    stills: [...article.querySelectorAll('noscript img')].filter(seen).length,
    unloaded: [...article.querySelectorAll('img')].filter(i => seen(i) && !i.naturalWidth).map(where),
    links: [...document.querySelectorAll('a[href]')].map(a => [a.getAttribute('href'), a.href]).filter(([, to]) => typeof to === 'string'),
    silent: [...document.querySelectorAll('img:not([alt])')].map(where),
  };
}"""


def visit_without_scripts(browser, base: str, name: str) -> dict:
    """What a page holds and shows to a reader without JavaScript."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    complaints = watch(page, base)
    page.goto(base + name, wait_until="load")
    for image in page.locator("article img").all():  # pictures far down load when they are looked at
        if image.is_visible():
            image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    found = page.evaluate(WITHOUT_SCRIPTS) | {"url": page.url}
    found["complaints"] = list(complaints)
    context.close()
    return found


def lost_without_scripts(found: dict, explorers: int) -> list[str]:
    """What a reader without JavaScript does not get, from ``visit_without_scripts``."""
    lost = [f"not shown: {place}" for place in found["hidden"]]
    lost += [f"formula without its source: {place}" for place in found["mute"]]
    lost += [f"picture not loaded: {place}" for place in found["unloaded"]]
    if found["stills"] < explorers:
        lost.append(f"{explorers} explorers and {found['stills']} still figures")
    return lost


def explorers_on(text: str) -> int:
    """How many explorers a page has, from its source."""
    return len(re.findall(r'<script[^>]*"application/vnd\.jupyter\.widget-view\+json"', text))
