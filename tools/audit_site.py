"""Measure the built site against its bars, and print a table: exit code 1 where a bar is missed.

    python tools/audit_site.py [--runs N | --quick] [--pages PART ...] [--rows NAME ...]

Timed rows are the median of five runs, with their range. ``_build/audit.json`` has every measurement. The site is served
as GitHub Pages serves it (``audit/server.py``).
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree as ElementTree

from audit import latency, links, look, node, validity, visit
from audit.pages import chapters_of, pages_of, with_explorers
from audit.server import serve
from browser import NoBrowser, chromium, find_chromium, find_firefox, flags
from tqdm import tqdm

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST, NEXT = 900_000, 400_000
SHIFT = 0.02
MEDIAN_MS, WORST_MS = 16, 50
SCORES = {"mobile": 90, "desktop": 98}
UNTIMED = {"accessibility": "accessibility", "best-practices": "best practices", "seo": "SEO"}


@dataclasses.dataclass
class Row:
    """One line of the table.

    Args:
        what: what is measured, and on which pages.
        bar: what it must be.
        value: what it is.
        ok: whether the bar is met; None for what is shown for information.
        worst: the page where it is worst.
        places: a line for each place that misses the bar.
    """

    what: str
    bar: str
    value: str
    ok: bool | None
    worst: str = ""
    places: list[str] = dataclasses.field(default_factory=list)


def none_of(what: str, places: list[str]) -> Row:
    """A row whose bar is 0: ``places`` are lines that begin with a page's name."""
    pages = collections.Counter(place.partition(": ")[0] for place in places)
    worst = pages.most_common(1)[0][0] if pages else ""
    return Row(what, "0", str(len(places)), not places, worst, places)


def most(what: str, bar: float, unit, measured: dict[str, float]) -> Row:
    """A row whose bar is the most that any page may have; ``unit`` writes a number."""
    worst = max(measured, key=measured.get)
    over = [f"{name}: {unit(value)}" for name, value in measured.items() if value > bar]
    return Row(what, f"≤ {unit(bar)}", unit(measured[worst]), not over, worst, over)


def written(values: list[float], digits: int = 0) -> str:
    """The median, and the range where there are several."""
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def _of_runs(runs: list[dict[str, list[float]]], of) -> list[float]:
    """A figure of all pages' presses, for each run."""
    return [of([ms for page in run.values() for ms in page] or [0]) for run in runs]


class Audit:
    """A site on its server, with what every measurement needs."""

    def __init__(self, html: pathlib.Path, base: str, names: list[str], runs: int):
        self.html, self.base, self.names, self.runs = html, base, names, runs
        self.chapters = [name for name in chapters_of(html) if name in names]
        self.live = [name for name in with_explorers(html) if name in names]
        self.data: dict[str, object] = {}

    def _progress(self, items, what: str):
        return tqdm(items, desc=what, unit="", file=sys.stderr, leave=False)

    def visits(self):
        """Transfer, layout shift, complaints, what the pages hold, and each page without JavaScript."""
        everything = chapters_of(self.html)
        found, mute = {}, {}
        with chromium() as browser:
            for name in self._progress(self.names, "visits"):
                at = everything.index(name) if name in everything else None
                then = None if at is None else everything[(at + 1) % len(everything)]
                found[name] = {
                    width: visit.visit(browser, self.base, name, width, then=then if width == 1280 else None)
                    for width in visit.WIDTHS
                }
                mute[name] = visit.visit_without_scripts(browser, self.base, name)
        self.data["visits"] = {
            name: {str(w): {k: v for k, v in one.items() if k not in ("ids", "links", "names")} for w, one in both.items()}
            for name, both in found.items()
        }
        each = [(name, one) for name, both in found.items() for one in both.values()]
        kilobytes = lambda count: f"{count / 1000:.0f} kB"
        if self.chapters:
            first = {name: sum(found[name][1280]["first"].values()) for name in self.chapters}
            after = {name: sum(found[name][1280]["next"].values()) for name in self.chapters}
            following = {everything[(everything.index(name) + 1) % len(everything)]: size for name, size in after.items()}
            yield most("a chapter's transfer, gzipped: first visit", FIRST, kilobytes, first)
            yield most("a chapter's transfer: after another chapter", NEXT, kilobytes, following)
        shift = lambda value: f"{value:.3f}"
        yield most("cumulative layout shift, both widths, read to the end", SHIFT, shift, {name: max(one["shift"] for one in both.values()) for name, both in found.items()})  # fmt: skip
        every = [*each, *mute.items()]
        yield none_of("console errors and warnings, failed requests, other hosts", sorted({f"{name}: {c}" for name, one in every for c in one["complaints"]}))  # fmt: skip
        full = self.names == pages_of(self.html)
        live = {name: both[1280] | {"links": both[1280]["links"] + mute[name]["links"]} for name, both in found.items()}
        yield none_of("broken internal links and anchors" + ("" if full else " (of these pages)"), links.broken(self.html, self.base, live))  # fmt: skip
        yield none_of("images without alternative text", sorted({f"{name}: {c}" for name, one in every for c in one["silent"]}))  # fmt: skip
        yield none_of("pictures that do not load", sorted({f"{name}: {c}" for name, one in each for c in one["blank"]}))  # fmt: skip
        yield none_of("duplicate ids, once scripts have run", sorted({f"{name}: {c}" for name, one in each for c in one["twice"]}))  # fmt: skip
        wide = {f"{name}: {both[390]['sideways']} px" for name, both in found.items() if both[390]["sideways"] > 0}
        yield none_of("pages that scroll sideways on a telephone of 390 px", sorted(wide))
        source = lambda name: (self.html / name).read_text(encoding="utf-8")
        lost = [f"{name}: {place}" for name, one in mute.items() for place in visit.lost_without_scripts(one, visit.explorers_on(source(name)))]  # fmt: skip
        yield none_of("without JavaScript: text, formula or still figure missing", lost)

    def valid(self):
        """HTML, by html-validate."""
        yield none_of("invalid HTML (html-validate)", validity.invalid(self.html, self.names))

    def look(self):
        """axe-core and contrast, in both themes and widths."""
        axe, texts, controls = [], [], []
        with chromium() as browser:
            for name in self._progress(self.names, "axe and contrast"):
                page = browser.new_page(color_scheme="light")
                page.goto(self.base + name)
                page.wait_for_function(visit.READY)
                page.wait_for_timeout(1200)  # the theme draws its icons late
                for width, scheme in look.states(page):
                    state = f"{name}: {width} px, {scheme}: "
                    axe += [f"{state}{rule}: {place}" for rule, place in look.violations(page).items()]
                    texts += [state + place for place in look.faint_text(page)]
                    controls += [state + place for place in look.faint_controls(page)]
                page.close()
        yield none_of("axe-core: violations, light and dark, 1280 and 390 px", axe)
        yield none_of("text under 3:1", texts)
        yield none_of("controls under 3:1", controls)

    def lighthouse(self):
        """Lighthouse on each chapter: the timed category as often as asked, the others once."""
        jobs = [
            {"url": self.base + name, "preset": preset, "categories": ["performance", *([] if run else UNTIMED)]}
            for run in range(self.runs)
            for name in self.chapters
            for preset in SCORES
        ]
        task = {"executablePath": find_chromium(), "args": flags(), "jobs": jobs}
        results = list(self._progress(_sized(node.lines_of("lighthouse.mjs", task), len(jobs)), "Lighthouse"))
        self.data["lighthouse"] = results
        name_of = lambda result: result["url"].removeprefix(self.base)
        failed = [f"{name_of(r)}: {r['preset']}: {r['failed']}" for r in results if r["failed"]]
        if failed:
            yield none_of("Lighthouse: pages it could not load", failed)
        for preset, bar in SCORES.items():
            runs = collections.defaultdict(list)
            for result in results:
                if result["preset"] == preset:
                    runs[name_of(result)].append(result["scores"]["performance"] or 0)
            medians = {name: statistics.median(scores) for name, scores in runs.items()}
            worst = min(medians, key=medians.get)
            missed = [f"{name}: {written(runs[name])}" for name, score in medians.items() if score < bar]
            yield Row(f"Lighthouse performance, {preset}", f"≥ {bar}", written(runs[worst]), not missed, worst, missed)
        for category, words in UNTIMED.items():
            scores = {(name_of(r), r["preset"]): r["scores"][category] or 0 for r in results if category in r["scores"]}
            worst = min(scores, key=scores.get)
            why = [
                f"{name_of(r)}: {r['preset']}: {r['scores'][category]}, {loss['audit']} {loss['place']}"
                for r in results for loss in r["lost"] if loss["category"] == category
            ]  # fmt: skip
            yield Row(f"Lighthouse {words}, both presets", "100", str(scores[worst]), scores[worst] == 100, "" if scores[worst] == 100 else worst[0], why)  # fmt: skip
        shifts = collections.defaultdict(float)
        for result in results:
            shifts[name_of(result)] = max(shifts[name_of(result)], result["shift"] or 0)
        yield most("cumulative layout shift, as Lighthouse loads it, worst run", SHIFT, lambda v: f"{v:.3f}", shifts)

    def latency(self):
        """Slider to picture: the work without a screen's waits; and for information at Chromium's own rate, and on a screen."""
        with chromium(*latency.UNTHROTTLED) as browser:
            of_four = latency.slowdown(browser, latency.SLOWER)
            rate = latency.rate_for(of_four)
            reached = latency.slowdown(browser, rate)
        work = self._presses("work", self.runs, rate, *latency.UNTHROTTLED)
        nominal = self._presses("work", 1, latency.SLOWER, *latency.UNTHROTTLED)
        paints = self._presses("paints", 1, latency.SLOWER)
        self.data["latency"] = {
            "rate": rate, "slowdown": reached, "slowdown_at_four": of_four, "work": work, "work_at_four": nominal, "paints": paints,
        }  # fmt: skip
        by_page = lambda runs, of: {name: statistics.median(of(run[name] or [0]) for run in runs) for name in self.live}
        for what, of, bar in (("median", statistics.median, MEDIAN_MS), ("worst", max, WORST_MS)):
            values, pages = _of_runs(work, of), by_page(work, of)
            over = [f"{name}: {pages[name]:.0f} ms" for name in pages if pages[name] > bar]
            yield Row(f"slider to picture, {reached:.1f}× slower processor: {what}", f"≤ {bar} ms", f"{written(values)} ms", statistics.median(values) <= bar, max(pages, key=pages.get), over)  # fmt: skip
        for words, runs in (
            (f"Chromium's rate of {latency.SLOWER}, here {of_four:.1f}× slower", nominal),
            ("that rate, to the next paint of a 60 Hz screen", paints),
        ):
            pages = by_page(runs, statistics.median)
            if any(pages.values()):
                yield Row(f"  the same at {words}: median", "", f"{written(_of_runs(runs, statistics.median))} ms", None, max(pages, key=pages.get))  # fmt: skip

    def _presses(self, what: str, count: int, rate: float, *more: str) -> list[dict[str, list[float]]]:
        runs = []
        for run in range(count):
            with chromium(*more) as browser:
                pages = self._progress(self.live, f"slider to picture, run {run + 1}")
                runs.append({name: latency.latencies(browser, self.base, name, rate=rate)[what] for name in pages})
        return runs

    def firefox(self):
        """Firefox: each page with an explorer."""
        task = {"executablePath": find_firefox(), "urls": [self.base + name for name in self.live]}
        results = list(self._progress(_sized(node.lines_of("firefox.mjs", task), len(self.live)), "Firefox"))
        self.data["firefox"] = results
        wrong = [f"{r['url'].removeprefix(self.base)}: {place}" for r in results for place in firefox_faults(r)]
        row = none_of("Firefox: pages, sliders and pictures that fail, errors", wrong)
        row.value += f" ({sum(r['moved'] for r in results)} sliders moved)"
        yield row

    def keyboard(self):
        """Every slider position, by the tests that compare each with the data."""
        chosen = "position"
        if self.names != pages_of(self.html):
            chosen += f" and ({' or '.join(pathlib.Path(name).stem for name in self.live) or 'none'})"
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report.xml")
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "site", "-k", chosen, "tests/test_site.py", f"--junit-xml={report}"]  # fmt: skip
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
        fails = [case.get("name") for case in cases if len(case)]
        wrong = [f"{name}: picture is not the data" for name in fails]
        if not cases:
            wrong = [f"tests/test_site.py: no test ran: {run.stdout[-300:]}"]
        row = none_of("every slider position, by keyboard: pictures that are not the data", wrong)
        row.value += f" (of {len(cases)} explorers)"
        yield row


def firefox_faults(result: dict) -> list[str]:
    """What a line of ``firefox.mjs`` says against a page."""
    faults = [*result["wrong"], *(f"does not move: {place}" for place in result["stuck"])]
    if not result["sliders"] or result["pictures"] < result["expected"]:
        faults.append(f"{result['pictures']} of {result['expected']} explorers, {result['sliders']} sliders")
    return faults


class _sized:
    """An iterator that knows its length, for a progress bar."""

    def __init__(self, items, length: int):
        self.items, self.length = items, length

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return self.length


PARTS = ("valid", "visits", "look", "keyboard", "firefox", "latency", "lighthouse")


def table(rows: list[Row]) -> str:
    """The rows as text, and below them the places that miss a bar, five of each."""
    sign = {True: "✓", False: "✗", None: " "}
    cells = [("", "what", "bar", "measured", "worst page")]
    cells += [(sign[r.ok], r.what, r.bar, r.value, pathlib.PurePosixPath(r.worst).stem) for r in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "─" * len(max(lines, key=len)))
    for row in rows:
        if row.places and not row.ok:
            lines += ["", f"✗ {row.what}: {len(row.places)}"]
            lines += [f"    {textwrap.shorten(place, 220, placeholder=' …')}" for place in row.places[:5]]
            lines += [f"    and {len(row.places) - 5} more in audit.json"] if len(row.places) > 5 else []
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the built site against its bars.")
    parser.add_argument("--html", type=pathlib.Path, default=ROOT / "_build" / "html", help="the site's folder")
    parser.add_argument("--runs", type=int, default=5, help="runs of a timed row (default 5)")
    parser.add_argument("--quick", action="store_true", help="one run of each timed row")
    parser.add_argument("--pages", nargs="+", default=[], metavar="PART", help="only pages whose name contains a part")
    parser.add_argument("--rows", nargs="+", default=PARTS, choices=PARTS, help="only these measurements")
    given = parser.parse_args()
    names = [name for name in pages_of(given.html) if not given.pages or any(part in name for part in given.pages)]
    if not names:
        sys.exit("No page of the site has such a name.")
    output, rows = given.html.parent / "audit.json", []
    with serve(given.html) as base:
        audit = Audit(given.html, base, names, 1 if given.quick else given.runs)
        needs = {"keyboard": audit.live, "firefox": audit.live, "latency": audit.live, "lighthouse": audit.chapters}
        for part in given.rows:
            if needs.get(part, names):
                rows += getattr(audit, part)()
    report = {"pages": names, "runs": audit.runs, "rows": [dataclasses.asdict(row) for row in rows], "measured": audit.data}  # fmt: skip
    output.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    print(table(rows))
    missed = sum(row.ok is False for row in rows)
    print(f"\n{len(names)} pages; timed rows: median of {audit.runs}, with the range. {missed} of {sum(row.ok is not None for row in rows)} bars missed. All in {output.name}.")  # fmt: skip
    return int(missed > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NoBrowser, FileNotFoundError, RuntimeError) as error:
        sys.exit(f"audit: {error}")
