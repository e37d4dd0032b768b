"""What search engines, previews of links and catalogues of courses read of a page.

A page's description needs no address. All else names one, so that it is there only when the site has one.
"""

import json
import xml.etree.ElementTree as ElementTree

from bs4 import BeautifulSoup
from cards import SIZE, draw_card

from .site import FIRST, Site

LANGUAGE = "en"
LEVEL = "Intermediate"
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
CARDS = "_static/cards"
NOT_FOR_CATALOGUES = ("search.html",)


def describe(page: BeautifulSoup, name: str, site: Site) -> None:
    """Say in the head of a page what it is about and, where the site has an address, where it is."""
    known = site.about(name)
    if name == FIRST:
        page.title.string = site.title  # not the book's title twice
    _meta(page, name="description", content=known.description)
    if not site.url or name in NOT_FOR_CATALOGUES:
        return
    url = site.url + name
    page.head.append(page.new_tag("link", attrs={"rel": "canonical", "href": url}))
    properties = {
        "og:type": "website" if name == FIRST else "article",
        "og:site_name": site.title,
        "og:title": known.title,
        "og:description": known.description,
        "og:url": url,
        "og:image": site.url + _card(name),
        "og:image:type": "image/png",
        "og:image:width": str(SIZE[0]),
        "og:image:height": str(SIZE[1]),
        "og:image:alt": f"{known.title}. {known.question}".strip(),
    }
    for key, content in properties.items():
        _meta(page, property=key, content=content)
    _meta(page, name="twitter:card", content="summary_large_image")
    if structured := _course(site) if name == FIRST else _chapter(name, site):
        data = page.new_tag("script", attrs={"type": "application/ld+json"})
        # A text of ours could hold the end of a script.
        data.string = json.dumps(structured, ensure_ascii=False).replace("</", "<\\/")
        page.head.append(data)


def publish(site: Site) -> None:
    """Write the files that go with an address: a map of the site, the robots' file that names it, and a card for each page."""
    if not site.url:
        return
    pages = [name for name in site.names if name not in NOT_FOR_CATALOGUES]
    ElementTree.register_namespace("", "http://www.sitemaps.org/schemas/sitemap/0.9")
    # No dates: only the whole history would know them, and what publishes has the last commit.
    root = ElementTree.Element("{http://www.sitemaps.org/schemas/sitemap/0.9}urlset")
    for name in pages:
        place = ElementTree.SubElement(root, "{http://www.sitemaps.org/schemas/sitemap/0.9}url")
        ElementTree.SubElement(place, "{http://www.sitemaps.org/schemas/sitemap/0.9}loc").text = (
            site.url + name
        )
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(site.html / "sitemap.xml", encoding="utf-8", xml_declaration=True)
    (site.html / "robots.txt").write_text(
        f"User-agent: *\nAllow: /\n\nSitemap: {site.url}sitemap.xml\n", encoding="utf-8"
    )
    for name in pages:
        known = site.about(name)
        draw_card(site.html / _card(name), site.title, known.title if name != FIRST else "", known.question)


def _meta(page: BeautifulSoup, **attributes: str) -> None:
    page.head.append(page.new_tag("meta", attrs=attributes))


def _card(name: str) -> str:
    return f"{CARDS}/{name.rpartition('/')[2].removesuffix('.html')}.png"


def _author(site: Site) -> dict:
    return {"@type": "Organization", "name": site.config["author"], "url": site.url}


def _common(name: str, site: Site) -> dict:
    """What a course and a chapter have alike, in the words of schema.org."""
    known = site.about(name)
    return {
        "@id": site.url + name,
        "url": site.url + name,
        "name": known.title,
        "description": known.description,
        "image": site.url + _card(name),
        "inLanguage": LANGUAGE,
        "educationalLevel": LEVEL,
        "license": LICENCE,
        "isAccessibleForFree": True,
        "author": _author(site),
    }


def _course(site: Site) -> dict:
    """The course as a whole, with its chapters."""
    minutes = sum(site.about(name).minutes for name in site.chapters)
    parts = [
        {
            "@type": "LearningResource",
            "@id": site.url + name,
            "url": site.url + name,
            "name": site.about(name).title,
        }
        for name in site.chapters
    ]
    return {
        "@context": "https://schema.org",
        "@type": "Course",
        **_common(FIRST, site),
        "name": site.title,
        "provider": _author(site),
        "timeRequired": _duration(minutes),
        "teaches": [site.about(name).question or site.about(name).title for name in site.chapters],
        "hasPart": parts,
        "offers": {"@type": "Offer", "category": "Free"},
        "hasCourseInstance": {
            "@type": "CourseInstance",
            "courseMode": "Online",
            "courseWorkload": _duration(minutes),
        },
    }


def _chapter(name: str, site: Site) -> dict | None:
    """A chapter; nothing for a page of another kind."""
    if name not in site.chapters:
        return None
    known = site.about(name)
    return {
        "@context": "https://schema.org",
        "@type": "LearningResource",
        **_common(name, site),
        "learningResourceType": ["interactive tutorial", "exercise"],
        **({"timeRequired": _duration(known.minutes)} if known.minutes else {}),
        "teaches": list(known.teaches) or known.question or known.title,
        "isPartOf": {"@type": "Course", "@id": site.url + FIRST, "url": site.url + FIRST, "name": site.title},
    }


def _duration(minutes: int) -> str:
    """Minutes as ISO 8601 writes them."""
    return f"PT{minutes}M"
