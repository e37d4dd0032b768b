"""Find a Chromium and a Firefox for the tests of the built site, or install them, and say which.

python tools/browser.py
"""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import sys

from apt import install

# Quiet and self-contained: no first-run pages, and no requests of the browser's own.
FLAGS = (
    "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-sync", "--no-first-run",
)  # fmt: skip


class NoBrowser(RuntimeError):
    """No browser of a kind was found and none could be installed."""


def flags() -> list[str]:
    """Chromium's command line; as root its sandbox cannot start."""
    return [*FLAGS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]


def _on_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if pathlib.Path(path).exists() else None


def _install_by_playwright() -> str | None:
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"],
        check=False,
        timeout=300,
        stdout=sys.stderr,
    )
    return _playwrights()


def _install_by_apt() -> str | None:
    install("chromium")
    return _on_path()


@functools.cache
def find_chromium() -> str:
    """Path of a Chromium: the one named by CHROMIUM, Playwright's, one on the PATH, or one installed now."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not pathlib.Path(named).exists():
            raise NoBrowser(f"CHROMIUM names {named}, which does not exist")
        return named
    ways = (
        ("Playwright's Chromium", _playwrights),
        ("Chromium on the PATH", _on_path),
        ("Debian's Chromium, installed now", _install_by_apt),
        ("Playwright's Chromium, installed now", _install_by_playwright),
    )
    for name, way in ways:
        try:
            path = way()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        if path:
            print(f"browser: {name}, {path}", file=sys.stderr)
            return path
    raise NoBrowser(
        "The tests of the site need Chromium: none was found, and neither the system's package manager nor Playwright "
        "could install one. Install it, or set CHROMIUM to its path."
    )


@contextlib.contextmanager
def chromium(*more: str):
    """A headless Chromium, driven by Playwright; ``more`` goes on its command line."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()  # first: it may start a Playwright of its own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags(), *more])
        yield browser
        browser.close()


@functools.cache
def find_firefox() -> str:
    """Path of a Firefox: the one named by FIREFOX, one on the PATH, or Debian's, installed now."""
    named = os.environ.get("FIREFOX")
    if named:
        if not pathlib.Path(named).exists():
            raise NoBrowser(f"FIREFOX names {named}, which does not exist")
        return named
    on_path = lambda: next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    path = on_path()
    if not path:
        install("firefox-esr")
        path = on_path()
    if not path:
        raise NoBrowser(
            "One test of the site needs Firefox: none was found, and the system's package manager could not install "
            "one. Install it, or set FIREFOX to its path."
        )
    return path


if __name__ == "__main__":
    try:
        print(find_chromium(), find_firefox(), sep="\n")
    except NoBrowser as error:
        sys.exit(str(error))
