"""The site's ``index.html``, which leads to the first page."""

import html as markup
import re

from .site import Site

DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<meta name="description" content="{description}">
{canonical}<meta http-equiv="refresh" content="0; url={target}">
<link rel="icon" href="data:,">
<style>body {{ font-family: system-ui, sans-serif; margin: 20vh auto; max-width: 32rem; padding: 0 1rem }}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{description}</p>
<p><a href="{target}">Read the course</a></p>
</main>
</body>
</html>
"""


def complete_redirect(site: Site) -> None:
    """Jupyter Book's index.html is a bare redirect: give it what browsers, search engines and readers expect.

    Its icon is an empty one in the page itself: a request for one would be cut short by the redirect, and count as failed.
    """
    redirect = (site.html / "index.html").read_text(encoding="utf-8")
    target = re.search(r'http-equiv="Refresh" content="0; url=([^"]+)"', redirect)
    if target is None or redirect.startswith("<!DOCTYPE"):
        return
    canonical = f'<link rel="canonical" href="{site.url}{target[1]}">\n' if site.url else ""
    words = {"title": site.title, "description": site.about(target[1]).description}
    words = {key: markup.escape(text) for key, text in words.items()}
    (site.html / "index.html").write_text(
        DOOR.format(target=target[1], canonical=canonical, **words), encoding="utf-8"
    )
