"""How a page sets its formulas: a few at a time, so that a phone answers its reader in between."""

from bs4 import BeautifulSoup

from .site import Site

# MathJax by itself sets all formulas of a page in one go: half a second on a phone.
IN_TURNS = """
window.MathJax.startup = {
  async pageReady() {
    const formulas = [...document.querySelectorAll('.math')];
    while (formulas.length) {
      await MathJax.typesetPromise(formulas.splice(0, 8));
      await new Promise((done) => setTimeout(done));
    }
  },
};"""


def set_formulas_in_turns(page: BeautifulSoup, name: str, site: Site) -> None:
    """Tell MathJax to let the browser work between one handful of formulas and the next."""
    for script in page.select("script:not([src])"):
        if (script.string or "").startswith("window.MathJax ="):
            script.string = script.string + ";" + IN_TURNS
