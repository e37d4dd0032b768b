"""The book as Sphinx reads it, and what the site ships beside its pages.

Sphinx reads ``_build/book``: the executed chapters, their set-up cells and buttons with the address of the site that is
being built. So a fork's site names the fork, and no address or commit makes a chapter run anew.
"""

import importlib
import pathlib
import shutil

import nbformat
import yaml
from address import address, revision
from strip import strip

from course_utils.grading.set_up import (
    has_set_up,
    package_at,
    self_contained,
    with_links_to,
    with_set_up,
)

WIDGETS = "application/vnd.jupyter.widget-state+json"
COLAB = "https://colab.research.google.com"
BRANCH = "notebooks"
"""The branch that Colab opens: chapters with the address and commit of the site, pushed when it is published."""


def on_github(url: str) -> bool:
    """Whether Colab can open a repository's notebooks."""
    return url.startswith("https://github.com/")


def site_config(text: str, url: str) -> str:
    """The book's configuration for the site at hand: nothing runs in Sphinx, and Colab's button where it leads somewhere."""
    config = yaml.safe_load(text)
    config.setdefault("execute", {})["execute_notebooks"] = "off"
    config.pop("repository", None)
    if on_github(url):
        # Here, since the book's own theme options would hide Jupyter Book's `repository` and `launch_buttons`.
        options = {"repository_url": url, "repository_branch": BRANCH, "launch_buttons": {"colab_url": COLAB}}
        config["sphinx"]["config"]["html_theme_options"].update(options, path_to_docs="")
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _write(path: pathlib.Path, text: str) -> None:
    """Write what is new: Sphinx reads again what was touched."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _at_address(notebook: nbformat.NotebookNode, source: str) -> nbformat.NotebookNode:
    return with_set_up(notebook, source) if has_set_up(notebook) else notebook


def with_current_front_end(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The executed notebook with its explorers' JavaScript and CSS as they are now: what drew nothing when it was executed."""
    for model in notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}).values():
        module, _, name = model["state"].get("_anywidget_id", "").rpartition(".")
        if module:
            picture = getattr(importlib.import_module(module), name)
            model["state"] |= {"_esm": picture._esm, "_css": picture._css}
    return notebook


def stage(source: pathlib.Path, executed: pathlib.Path, book: pathlib.Path) -> None:
    """Lay out in ``book`` what Sphinx reads.

    Args:
        source: the book's folder.
        executed: holds its executed chapters.
        book: the folder to lay it out in; what is there and unchanged stays untouched.
    """
    url = address(source)
    texts = {
        pathlib.Path("_config.yml"): site_config((source / "_config.yml").read_text(encoding="utf-8"), url),
        pathlib.Path("_toc.yml"): (source / "_toc.yml").read_text(encoding="utf-8"),
    }
    for path in (source / "chapters").glob("*.md"):
        texts[path.relative_to(source)] = path.read_text(encoding="utf-8")
    for path in executed.glob("*.ipynb"):
        notebook = with_current_front_end(nbformat.read(path, as_version=4))
        notebook = _at_address(notebook, package_at(url, revision()))
        texts[pathlib.Path("chapters", path.name)] = nbformat.writes(notebook)
    for path in book.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.relative_to(book) not in texts:
            path.unlink()
    for name, text in texts.items():
        _write(book / name, text)
    assets, given = book / "assets", (source / "assets").resolve()
    if assets.is_symlink() and assets.resolve() != given:  # a copied folder still points to where it came from
        assets.unlink()
    if given.exists() and not assets.exists():
        assets.symlink_to(given, target_is_directory=True)


def ship(source: pathlib.Path, html: pathlib.Path, wheel: pathlib.Path) -> None:
    """Put the package's wheel on the site, and behind each chapter's download button a notebook that carries it."""
    for old in (html / "_static").glob("course_utils-*.whl"):
        old.unlink()
    shutil.copy(wheel, html / "_static")
    for path in (source / "chapters").glob("*.ipynb"):
        notebook = strip(nbformat.read(path, as_version=4))
        if has_set_up(notebook):
            _write(html / "_sources" / "chapters" / path.name, nbformat.writes(self_contained(notebook, wheel)))


def write_for_colab(source: pathlib.Path, folder: pathlib.Path) -> None:
    """Write the chapters that Colab opens, for ``make push-notebooks``; nothing where the course has no address on GitHub."""
    shutil.rmtree(folder, ignore_errors=True)
    url = address(source)
    if not on_github(url):
        return
    for path in (source / "chapters").glob("*.ipynb"):
        notebook = strip(nbformat.read(path, as_version=4))
        notebook = with_links_to(_at_address(notebook, package_at(url, revision())), url, BRANCH)
        _write(folder / "chapters" / path.name, nbformat.writes(notebook) + "\n")
    for path in (source / "chapters").glob("*.md"):
        _write(folder / "chapters" / path.name, path.read_text(encoding="utf-8"))
    _write(
        folder / "README.md",
        f"# The chapters for Colab\n\nWritten by [the course]({url}) when it publishes its site: do not edit.\n"
        f"They install the package of commit `{revision()}`.\n",
    )
