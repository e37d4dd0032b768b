"""Take the README's picture of an explorer from the built site.

python tools/picture.py
"""

import io
import pathlib

from browser import find_chromium, flags
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "_build" / "html" / "chapters" / "02_vanishing_gradients.html"
PICTURE = ROOT / "assets" / "explorer.png"


def main() -> None:
    """Photograph the first explorer of chapter 2 with its sliders, at a depth and weight scale that vanish."""
    chromium = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags())
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=2, color_scheme="light")
        page.goto(PAGE.as_uri())
        page.locator("#explorer-1").scroll_into_view_if_needed()  # it wakes when someone comes near
        page.wait_for_selector(".ug-curve > svg .ug-mark", state="attached")
        explorer = page.locator(".widget-subarea").first
        explorer.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(explorer.screenshot()))
        browser.close()
    # Flat colours: a palette is a third of the size.
    picture.convert("RGB").quantize(64).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {picture.width} × {picture.height}, {PICTURE.stat().st_size >> 10} kB")


if __name__ == "__main__":
    main()
