"""What the theme and its extensions write that is not valid, or that a screen reader cannot name: mended here.

What depends on the window's width is left to ``assets/a11y.js``.
"""

import re

from bs4 import BeautifulSoup, Comment

from .site import Site


def mend(page: BeautifulSoup, name: str, site: Site) -> None:
    """Every repair, one after the other."""
    for repair in REPAIRS:
        repair(page)


def one_of_each_meta(page: BeautifulSoup) -> None:
    """Sphinx, Jupyter Book and the theme each set the viewport, and the theme writes for a search service we do not use."""
    for extra in page.select("meta[name=viewport]")[1:] + page.select("meta[name^=docsearch]"):
        extra.extract()


def theme_from_the_start(page: BeautifulSoup) -> None:
    """The theme finds out late whether "auto" is dark: a reader in the dark would see a flash of the light page."""
    for script in page.select("head script[data-cfasync]"):
        script.string = (
            "{const kept=(name)=>{try{return localStorage.getItem(name)}catch{return null}};"
            "const {dataset}=document.documentElement;const mode=kept('mode')||'auto';dataset.mode=mode;"
            "dataset.theme=mode==='auto'?(matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light'):mode;}"
        )


def no_place_for_advertisements(page: BeautifulSoup) -> None:
    """The theme reserves one in the sidebar."""
    for place in page.select("#ethical-ad-placement"):
        place.find_parent(class_="sidebar-primary-item").extract()


def no_second_title_for_paper(page: BeautifulSoup) -> None:
    """The theme prints the title twice, and between the two a list of contents without page numbers."""
    for block in page.select("#jb-print-docs-body"):
        block.extract()


def one_logo(page: BeautifulSoup) -> None:
    """The theme shows one logo in the light and one in the dark; ours is the same file. Its size keeps its place free."""
    for light in page.select(".logo__image.only-light"):
        dark = light.find_next_sibling(class_="only-dark")
        if dark and dark["src"] == light["src"]:
            dark.extract()
            light["class"] = ["logo__image"]
        light.attrs |= {"width": "48", "height": "48"}


def titles_belong_to_a_landmark(page: BeautifulSoup) -> None:
    """Who jumps from landmark to landmark would miss the book's title, which stands in none."""
    for brand in page.select(".sidebar-primary-items__start > .sidebar-primary-item:first-child"):
        brand.attrs |= {"role": "region", "aria-label": "Book title"}


def here_you_are(page: BeautifulSoup) -> None:
    """The contents mark the page at hand by its looks only."""
    for link in page.select(".bd-links a.current"):
        link["aria-current"] = "page"


WORDS = {
    "Toggle primary sidebar": "Menu",
    "Toggle secondary sidebar": "Contents",
    "Color mode": "Light, dark or as the system",
}
"""Tooltips that speak of the page's construction, in a reader's words."""


def named_controls(page: BeautifulSoup) -> None:
    """A control's text is its name; one that shows only an icon has its tooltip's words."""
    for button in page.select("button, a.btn"):
        tooltip = "title" if button.get("title") else "data-bs-title"
        words = WORDS.get(button.get(tooltip), button.get(tooltip))
        if words:
            button[tooltip] = words
        if button.get_text(strip=True):
            button.attrs.pop("aria-label", None)
        elif words:
            button["aria-label"] = words


def named_dialogs(page: BeautifulSoup) -> None:
    """The theme's dialogs open without a word."""
    names = {
        "pst-search-dialog": "Search",
        "pst-primary-sidebar-modal": "Menu",
        "pst-secondary-sidebar-modal": "Contents",
    }
    for dialog in page.select("dialog[id]"):
        dialog.attrs.setdefault("aria-label", names.get(dialog["id"], "Dialog"))


def forms_can_be_sent(page: BeautifulSoup) -> None:
    """The search forms have no button: on some phones and with some aids there is no Enter key either."""
    for form in page.select("form.bd-search"):
        if not form.select_one("[type=submit]"):
            button = page.new_tag("button", attrs={"class": "btn search-submit", "type": "submit"})
            button.string = "Search"
            form.append(button)
        form["role"] = "search"


def summaries_hold_phrases(page: BeautifulSoup) -> None:
    """myst-nb puts paragraphs into a summary, where only phrases may stand, and gives it a name that differs from its text."""
    for summary in page.select("details.hide > summary"):
        summary.attrs.pop("aria-label", None)
        for paragraph in summary.select("p"):
            paragraph.name = "span"


def no_stray_breaks(page: BeautifulSoup) -> None:
    """A line break ends the footer's last line."""
    for line in page.select(".copyright br"):
        line.extract()


def long_names_break_between_words(page: BeautifulSoup) -> None:
    """In a narrow table a name such as layer_gradient_norms(...) would break in the middle of a word."""
    for code in page.select("td code"):
        for text in code.find_all(string=True):
            first, *rest = re.split(r"(?<=[_(])(?=.)", text)
            text.replace_with(first, *(part for piece in rest for part in (page.new_tag("wbr"), piece)))


def no_comments(page: BeautifulSoup) -> None:
    """Remarks of the theme's authors to each other travel with each page."""
    for comment in page.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()


REPAIRS = (
    one_of_each_meta,
    theme_from_the_start,
    no_place_for_advertisements,
    no_second_title_for_paper,
    one_logo,
    titles_belong_to_a_landmark,
    here_you_are,
    named_controls,
    named_dialogs,
    forms_can_be_sent,
    summaries_hold_phrases,
    no_stray_breaks,
    long_names_break_between_words,
    no_comments,
)
