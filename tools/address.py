"""The course's public address: one line of `_config.yml`, from which every other place is written.

python tools/address.py                                         tells which places differ from that line
python tools/address.py --write                                 mends them
python tools/address.py --write https://github.com/OWNER/REPO   changes the line, and every place ("" takes it away)
"""

import os
import pathlib
import re
import sys

import nbformat

from course_utils import __version__
from course_utils.grading.set_up import is_set_up, package_at, set_up_source

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE = re.compile(r'^(repository:\n  url: )"(.*)"', re.MULTILINE)
ALLOWED = re.compile(r"https://[\w.-]+(/[\w.~-]+){2,}")
RELEASE = f"v{__version__}"


def configured(root: pathlib.Path = ROOT) -> str:
    """The address that `_config.yml` names; empty where the course has none."""
    line = LINE.search((root / "_config.yml").read_text(encoding="utf-8"))
    return line[2] if line else ""


def address(root: pathlib.Path = ROOT) -> str:
    """The address that a site built now belongs to: the repository's that publishes it, or the one of `_config.yml`."""
    where = os.environ
    if where.get("GITHUB_REPOSITORY"):
        return f"{where.get('GITHUB_SERVER_URL', 'https://github.com')}/{where['GITHUB_REPOSITORY']}"
    return where.get("CI_PROJECT_URL") or configured(root)


def site_url(root: pathlib.Path = ROOT) -> str:
    """Where the site built now is read, with a slash at the end; empty where nobody can know.

    The workflow that publishes says it (``SITE_URL`` on GitHub, GitLab's own ``CI_PAGES_URL``), an own domain included.
    Elsewhere GitHub's rule holds: ``OWNER.github.io/REPOSITORY``, or the first part alone for a repository of that name.
    """
    said = os.environ.get("SITE_URL") or os.environ.get("CI_PAGES_URL")
    if said:
        return f"{said.removesuffix('/')}/"
    repository = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", address(root))
    if repository is None:
        return ""
    host, name = f"{repository[1].lower()}.github.io", repository[2]
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def revision() -> str:
    """What a site built now is built from: the commit that is being published, or the release."""
    return os.environ.get("GITHUB_SHA") or os.environ.get("CI_COMMIT_SHA") or RELEASE


def checked(url: str) -> str:
    """An address as the course writes it.

    Raises:
        ValueError: unless it is one of a public repository.
    """
    plain = url.strip().removesuffix("/").removesuffix(".git")
    if plain and not ALLOWED.fullmatch(plain):
        raise ValueError(f"the address must look like https://github.com/OWNER/REPOSITORY, got {url!r}")
    return plain


def _config(text: str, url: str) -> str:
    return LINE.sub(rf'\1"{url}"', text)


def _notebook(text: str, url: str) -> str:
    notebook = nbformat.reads(text, as_version=4)
    source = set_up_source(package_at(url, RELEASE))
    for cell in filter(is_set_up, notebook.cells):
        cell.source = source
    return nbformat.writes(notebook) + "\n"


def _citation(text: str, url: str) -> str:
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    return text + (f'repository-code: "{url}"\n' if url else "")


def _metadata(text: str, url: str) -> str:
    text = re.sub(r"^\[project\.urls\]\n.*\n\n", "", text, flags=re.MULTILINE)
    section = f'[project.urls]\nRepository = "{url}"\n\n' if url else ""
    return text.replace("[project.scripts]\n", section + "[project.scripts]\n")


def places(root: pathlib.Path):
    """Every file that holds the address, with what writes it there."""
    yield root / "_config.yml", _config
    yield root / "CITATION.cff", _citation
    yield root / "pyproject.toml", _metadata
    for path in sorted([*root.glob("chapters/*.ipynb"), *root.glob("examples/*/*.ipynb")]):
        yield path, _notebook


def differing(url: str, root: pathlib.Path = ROOT) -> dict[pathlib.Path, str]:
    """The files that would change if the address were ``url``, with their new texts."""
    texts = {path: (path.read_text(encoding="utf-8"), write) for path, write in places(root)}
    return {path: new for path, (old, write) in texts.items() if (new := write(old, url)) != old}


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    given = [argument for argument in arguments if argument != "--write"]
    try:
        url = checked(given[0]) if given else configured()
    except ValueError as error:
        print(f"address: {error}", file=sys.stderr)
        return 2
    changes = differing(url)
    for path, text in changes.items():
        print(f"{path.relative_to(ROOT)}: {'written' if write else 'differs'}")
        if write:
            path.write_text(text, encoding="utf-8")
    print(f"address: {url or 'none'}; {len(changes)} files {'written' if write else 'differ'}")
    return 1 if changes and not write else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
