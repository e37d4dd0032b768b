"""A page loads what something on it uses, and the site holds what some page asks for."""

import base64
import hashlib
import pathlib
import re
import shutil

from bs4 import BeautifulSoup, Tag

from .site import Site

# What a script or stylesheet is known by (its address, or its own text), and what on a page uses it.
USED_BY = (
    ("fontawesome", None),
    ("design-tabs|sphinx-design", "[class^='sd-'], [class*=' sd-']"),
    ("togglebutton|toggleHint|toggleOpenOnPrint", ".toggle, .admonition.dropdown"),
    (r"clipboard\.min|copybutton", ".highlight"),
    (r"mathjax|window\.MathJax =", None),  # `formulas` has set them
    ("searchtools|language_data|searchindex", "#search-results"),
)


def load_what_is_used(page: BeautifulSoup, name: str, site: Site) -> None:
    """Take away the scripts and stylesheets that a page has no use for."""
    loaded = page.select("script:not([type]), link[rel=stylesheet], link[rel=preload]")
    for pattern, user in USED_BY:
        if user is None or not page.select_one(user):
            for element in loaded:
                if re.search(pattern, _known_by(element)):
                    element.extract()


def _known_by(element: Tag) -> str:
    return element.get("src") or element.get("href") or element.string or ""


def load_without_waiting(page: BeautifulSoup, name: str, site: Site) -> None:
    """Let no script hold up the page: options stand in it, and the others run when it is there, in their order."""
    # Preloaded and then loaded at the end of the body: a deferred script in the head is both at once.
    for preload in page.select("link[rel=preload][as=script]"):
        preload.extract()
    for script in page.select("body script[src]"):
        page.head.append(script.extract())
    for script in page.select("script[src]"):
        script["defer"] = ""
    options = page.select_one("script[src*='documentation_options.js']")
    if options:
        file = site.written / "_static" / "documentation_options.js"
        said = [
            s
            for s in page.select("head script:not([src])")
            if (s.string or "").startswith("DOCUMENTATION_OPTIONS.")
        ]
        text = "\n".join([file.read_text(encoding="utf-8").strip(), *(s.extract().string for s in said)])
        options.attrs.clear()
        options.string = text
    # This stylesheet says only that another is wanted, which a browser would learn late.
    for style in page.select("link[href*='_static/styles/theme.css']"):
        style["href"] = re.sub(r"styles/theme\.css.*", "basic.css", style["href"])


def keep_data_apart(page: BeautifulSoup, name: str, site: Site) -> None:
    """Move the explorers' data into a script of its own: most of a chapter, and not needed for its first words.

    A script, since a page that is opened from disk may load no other file. The bundle asks for it when an explorer wakes.
    """
    for state in page.select("script[type='application/vnd.jupyter.widget-state+json']"):
        text = f"globalThis.explorersOfThisPage = {state.string.strip()};\n"
        file = site.html / "_static" / "explorers" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        state.string = ""
        state["data-src"] = f"{'../' * name.count('/')}_static/explorers/{file.name}"


def keep_stills_apart(page: BeautifulSoup, name: str, site: Site) -> None:
    """Move the still figures of readers without JavaScript into files, which no one else loads."""
    start = "data:image/svg+xml;base64,"
    for still in page.select(f"noscript img[src^='{start}']"):
        drawing = base64.b64decode(still["src"].removeprefix(start))
        file = site.html / "_images" / f"{hashlib.sha256(drawing).hexdigest()[:32]}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(drawing)
        still["src"] = f"{'../' * name.count('/')}_images/{file.name}"


# Left over from how the site is made.
OF_THE_WORKSHOP = (
    ".buildinfo",
    "_static/*webpack-macros.html",
    "_static/icons",
    "_static/locales",
    "_static/mathjax",
    "_static/scripts/fontawesome*",
    "_static/vendor/fontawesome",
    "_static/widgets/*.json",
    "_static/widgets/*.mjs",
    "_static/widgets/entry.js",
    "_static/widgets/sanitize-stub.js",
    "_static/**/*.map",
)
ICON_RULE = re.compile(r'(?<=\})(?:\.fa-[\w-]+:before,?)+\{content:"[^"]*"\}')
ICON_FONT = re.compile(r"@font-face\{[^}]*fontawesome[^}]*\}")
SOURCE_MAP = re.compile(r"\n?(?://|/\*)# sourceMappingURL=.*")


def leave_out_the_unused(site: Site) -> None:
    """Take from the site what none of its pages loads."""
    for pattern in OF_THE_WORKSHOP:
        for path in site.html.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    styles_and_scripts = [*site.html.glob("_static/**/*.css"), *site.html.glob("_static/**/*.js")]
    for path in styles_and_scripts:
        if path.parent.name in ("styles", "scripts"):  # the theme's
            path.write_text(_lighter(path.read_text(encoding="utf-8")), encoding="utf-8")
    texts = {
        path: path.read_text(encoding="utf-8") for path in (*site.html.rglob("*.html"), *styles_and_scripts)
    }
    folders = ("_images", "_static", "_static/scripts", "_static/styles", "_static/images")
    while unused := [
        path for folder in folders for path in (site.html / folder).glob("*") if _unused(path, texts)
    ]:
        for path in unused:
            path.unlink()
            texts.pop(path, None)


def _lighter(text: str) -> str:
    """A file of the theme without the rules of icons that no page shows, and without maps to what it was made from."""
    for pattern in (ICON_FONT, ICON_RULE, SOURCE_MAP):
        text = pattern.sub("", text)
    return text


def _unused(path: pathlib.Path, texts: dict[pathlib.Path, str]) -> bool:
    """Whether a file's name stands in no page, stylesheet or script but itself."""
    if path.is_dir() or "LICENSE" in path.name:
        return False
    return not any(path.name in text for other, text in texts.items() if other != path)
