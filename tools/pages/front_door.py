"""The site's ``index.html``, which leads to the first page."""

import pathlib
import re


def complete_redirect(html: pathlib.Path) -> None:
    """Jupyter Book's index.html is a bare redirect: give it what browsers and readers of other pages expect."""
    redirect = (html / "index.html").read_text(encoding="utf-8")
    target = re.search(r'http-equiv="Refresh" content="0; url=([^"]+)"', redirect)
    if target is None or redirect.startswith("<!DOCTYPE"):
        return
    # An empty icon in the page itself: a request for one would be cut short by the redirect, and count as failed.
    (html / "index.html").write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>The book</title><link rel="icon" href="data:,">'
        f'<meta http-equiv="Refresh" content="0; url={target[1]}"></head>'
        f'<body><main><h1>The book</h1><p><a href="{target[1]}">Go to the first page</a></p></main></body></html>\n',
        encoding="utf-8",
    )
