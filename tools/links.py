"""Links to other sites: one list, made from the sources; their form; and, where there is a network, whether they answer.

    python tools/links.py [--write]      check that every link of the list answers (--write: make the list anew first)

A link is dead that answers 404, 500 and the like, or not at all. Redirects for good are reported, and so are sites that
turn programs away (401, 403, 429): look at those by hand. Exit code 1 where a link is dead, 2 without a network.
"""

import argparse
import concurrent.futures
import dataclasses
import pathlib
import re
import sys
import threading
import time
from urllib.parse import parse_qsl, urlsplit

import nbformat
import requests
from address import address, configured
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "links.txt"
LINK = re.compile(r"https?://[^\s<>\"'`\]|\\{}]+")
# Addresses that are no links: a placeholder, this machine, names of vocabularies and namespaces.
NO_LINKS = ("https://github.com/OWNER/", "https://OWNER.", "http://localhost", "http://127.0.0.1", "http://www.w3.org/", "https://schema.org", "https://example.")  # fmt: skip
TRACKS = re.compile(r"utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|ref|ref_src|ref_url|source|spm")
TURNED_AWAY = (401, 403, 429, 999)
GOODBYE = (301, 308)
PROBES = 5
"""So many hosts are asked first: where none can be reached, it is not theirs to answer for."""


def _texts(source: pathlib.Path):
    """What people read, or the package shows them."""
    for path in sorted((source / "chapters").glob("*.ipynb")):
        yield "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    prose = [source / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for path in sorted([*(source / "chapters").glob("*.md"), *(source / "examples").rglob("*.md"), *(source / "src").rglob("*.py"), *prose]):  # fmt: skip
        if path.exists() and "grading" not in path.parts:  # which holds beginnings of addresses
            yield path.read_text(encoding="utf-8")


def _whole(link: str) -> str:
    """A link without what a sentence puts after it; a closing bracket belongs to it where it was opened in it."""
    link = link.rstrip(".,;:!?*")
    while link.endswith(")") and link.count("(") < link.count(")"):
        link = link[:-1].rstrip(".,;:!?*")
    return link


def links_in(text: str) -> set[str]:
    """The links to other sites in a text."""
    return {_whole(link) for link in LINK.findall(text) if not link.startswith(NO_LINKS)}


def links_of(source: pathlib.Path) -> list[str]:
    """Every link to another site that the sources hold, sorted; the course's own address is none."""
    found = set().union(*map(links_in, _texts(source)))
    return sorted(link for link in found if not is_own(link, source))


def is_own(link: str, source: pathlib.Path) -> bool:
    """Whether a link leads to the course itself: to its repository, or to Colab's view of it."""
    paths = {urlsplit(own).path for own in (configured(source), address(source)) if own}
    return any(path in link for path in paths)


def spelling(link: str) -> str:
    """The same for two links that mean the same page."""
    parts = urlsplit(link)
    host = parts.netloc.lower().removeprefix("www.").removeprefix("dx.")
    path = re.sub(r"/index\.html?$", "/", parts.path).rstrip("/")
    if host == "arxiv.org":
        path = re.sub(r"^/(pdf|html)/", "/abs/", re.sub(r"(\.pdf|v\d+)+$", "", path))
    if host == "doi.org":
        path = path.lower()
    return f"{host}{path}?{parts.query}#{parts.fragment}"


def faults(links: list[str]) -> list[str]:
    """What is wrong with the form of links: a line each."""
    found, seen = [], {}
    for link in links:
        parts = urlsplit(link)
        if parts.scheme != "https":
            found.append(f"{link}: not https")
        if "." not in parts.netloc or "@" in parts.netloc:
            found.append(f"{link}: no plain host")
        tracks = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if TRACKS.fullmatch(name)]
        if tracks:
            found.append(f"{link}: tracks its readers by {', '.join(tracks)}")
        twin = seen.setdefault(spelling(link), link)
        if twin != link:
            found.append(f"{link}: another spelling of {twin}")
    return found


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a link: ``ok``, ``moved`` (and where to), ``refused``, ``dead`` (and why) or ``offline``."""

    link: str
    state: str
    detail: str = ""


class Checker:
    """Asks for links, one at a time and at most one a second from each host.

    Args:
        timeout: seconds to wait for an answer.
        pause: seconds between two questions to the same host.
        retries: how often to ask again where a server is busy or does not answer.
    """

    def __init__(self, timeout: float = 20, pause: float = 1, retries: int = 2):
        self.timeout, self.pause = timeout, pause
        self.hosts: dict[str, threading.Lock] = {}
        retry = Retry(retries, status_forcelist=(429, 500, 502, 503, 504), backoff_factor=pause, raise_on_status=False, respect_retry_after_header=False)  # fmt: skip
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "Mozilla/5.0 (compatible; link check of the course Unstable Gradients)"
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def _ask(self, link: str) -> requests.Response:
        """The answer to HEAD, or to GET where a server will not have HEAD."""
        answer = self.session.head(link, timeout=self.timeout, allow_redirects=True)
        if answer.status_code >= 400:
            answer = self.session.get(link, timeout=self.timeout, allow_redirects=True, stream=True)
            answer.close()
        return answer

    def check(self, link: str) -> Answer:
        with self.hosts.setdefault(urlsplit(link).netloc, threading.Lock()):
            try:
                answer = self._ask(link)
            except requests.exceptions.Timeout:
                return Answer(link, "dead", f"no answer in {self.timeout:g} s")
            except requests.exceptions.ConnectionError as error:
                timed_out = "timed out" in str(error)
                return Answer(link, "dead" if timed_out else "offline", f"no answer in {self.timeout:g} s" if timed_out else "cannot be reached")  # fmt: skip
            except requests.exceptions.RequestException as error:
                return Answer(link, "dead", f"{type(error).__name__}: {error}")
            finally:
                time.sleep(self.pause)
        if answer.status_code in TURNED_AWAY:
            return Answer(link, "refused", str(answer.status_code))
        if answer.status_code >= 400:
            return Answer(link, "dead", str(answer.status_code))
        if any(step.status_code in GOODBYE for step in answer.history):
            return Answer(link, "moved", answer.url)
        return Answer(link, "ok")


def report(links: list[str], checker: Checker) -> int:
    """Ask for every link, say what came of it, and return the exit code."""
    hosts = {urlsplit(link).netloc: link for link in links}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        first = list(pool.map(checker.check, list(hosts.values())[:PROBES]))
        if first and all(answer.state == "offline" for answer in first):
            print(f"No network: none of {len(first)} hosts could be reached, so nothing is known of {len(links)} links.")
            return 2
        answers = list(tqdm(pool.map(checker.check, links), total=len(links), desc="links", unit="", file=sys.stderr))
    words = {"dead": "dead", "offline": "dead", "moved": "moved for good to", "refused": "turns programs away, look by hand"}
    for answer in sorted(answers, key=lambda answer: (answer.state, answer.link)):
        if answer.state != "ok":
            print(f"{answer.link}: {words[answer.state]}{':' if answer.state != 'moved' else ''} {answer.detail}")
    count = lambda *states: sum(answer.state in states for answer in answers)
    dead = count("dead", "offline")
    print(f"{len(links)} links: {count('ok')} answer, {count('moved')} have moved, {count('refused')} turn programs away, {dead} are dead")
    return int(dead > 0)


def read() -> list[str]:
    """The list."""
    return LIST.read_text(encoding="utf-8").split()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check the links to other sites.")
    parser.add_argument("--write", action="store_true", help="make the list anew from the sources first")
    parser.add_argument("--timeout", type=float, default=20, help="seconds to wait for an answer (default 20)")
    given = parser.parse_args()
    if given.write:
        LIST.write_text("".join(f"{link}\n" for link in links_of(ROOT)), encoding="utf-8")
    links = read()
    wrong = faults(links)
    if wrong:
        sys.exit("\n".join(wrong))
    sys.exit(report(links, Checker(timeout=given.timeout)))
