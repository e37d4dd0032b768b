"""Take a picture of each page, light and dark, wide and narrow, and make a page to leaf through them.

    python tools/shots.py [--pages PART ...]

The pictures go to ``_build/shots``: ``index.html`` there shows the four of each page side by side.
"""

import argparse
import html
import pathlib
import shutil
import sys

from audit.look import STATES, states
from audit.pages import pages_of
from audit.server import serve
from audit.visit import READY, scroll_through
from browser import NoBrowser, chromium
from tqdm import tqdm

ROOT = pathlib.Path(__file__).resolve().parent.parent

LEAF = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Pictures of the site</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #777; color: #fff; }}
  nav {{ position: sticky; top: 0; padding: .5rem 1rem; background: #222; }}
  nav a {{ color: #fff; margin-right: .8rem; }}
  section {{ padding: 1rem; scroll-margin-top: 4rem; }}
  div {{ display: flex; gap: 1rem; align-items: flex-start; overflow-x: auto; }}
  figure {{ margin: 0; }}
  img {{ display: block; max-height: 90vh; object-fit: cover; object-position: top; }}
</style></head>
<body><nav>{links}</nav>{sections}</body></html>
"""


def leaf(names: list[str]) -> str:
    """The page that shows the pictures of the pages named."""
    links = "".join(f'<a href="#{slug(name)}">{html.escape(slug(name))}</a>' for name in names)
    pictures = lambda name: "".join(
        f'<figure><a href="{file_of(name, *state)}"><img loading="lazy" src="{file_of(name, *state)}" '
        f'alt="{html.escape(name)}, {state[0]} pixels wide, {state[1]}" width="{state[0] // (2 if state[0] > 600 else 1)}"></a>'
        f"<figcaption>{state[0]} px, {state[1]}</figcaption></figure>"
        for state in STATES
    )
    sections = "".join(f'<section id="{slug(name)}"><h2>{html.escape(name)}</h2><div>{pictures(name)}</div></section>' for name in names)  # fmt: skip
    return LEAF.format(links=links, sections=sections)


def slug(name: str) -> str:
    """A page's name without folder and ending."""
    return name.removesuffix(".html").replace("/", "-").removeprefix("chapters-")


def file_of(name: str, width: int, scheme: str) -> str:
    """The file of one picture."""
    return f"{slug(name)}-{width}-{scheme}.png"


def shoot(browser, site: pathlib.Path, folder: pathlib.Path, names: list[str]) -> None:
    """Take the pictures of the pages named, whole pages, and write what shows them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with serve(site) as base:
        for name in tqdm(names, desc="pages", unit="", file=sys.stderr):
            page = browser.new_page(color_scheme="light", reduced_motion="reduce")
            page.goto(base + name)
            page.wait_for_function(READY)
            for width, scheme in states(page):
                scroll_through(page)  # what loads late must be there
                page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
                page.screenshot(path=folder / file_of(name, width, scheme), full_page=True, animations="disabled")
            page.close()
    (folder / "index.html").write_text(leaf(names), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take pictures of the built site.")
    parser.add_argument("--pages", nargs="+", default=[], metavar="PART", help="only pages whose name contains a part")
    parts, site = parser.parse_args().pages, ROOT / "_build" / "html"
    names = [name for name in pages_of(site) if not parts or any(part in name for part in parts)]
    if not names:
        sys.exit("No page of the site has such a name.")
    try:
        with chromium() as browser:
            shoot(browser, site, ROOT / "_build" / "shots", names)
    except NoBrowser as error:
        sys.exit(str(error))
    print(f"Open _build/shots/index.html: {len(names)} pages, {len(names) * len(STATES)} pictures")
