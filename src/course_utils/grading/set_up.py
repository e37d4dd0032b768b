"""The set-up cell that every notebook of the course begins with, and notebooks that carry the package themselves.

The set-up cell is one text everywhere, but for where the package is to be had: ``set_up_source`` writes it in the
chapters, ``with_set_up`` in copies of them. It installs the package alone, and what that needs only where something is
missing: Colab's image lacks what one of its own packages asks for (jedi, for ipython), and pip would add that too.
"""

import base64
import contextlib
import copy
import os
import pathlib
import re
import tempfile

import nbformat

from .. import __version__

SET_UP = """\
# @title Set-up: run this cell first
# Installs the course's package where it is missing, and changes no other package.
import subprocess
import sys
import tempfile
from importlib import invalidate_caches, util

VERSION, SOURCE = "{version}", {source}
PIP = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]
pip = lambda *words: subprocess.run([*PIP, *words], capture_output=True, text=True)
here = lambda: util.find_spec("course_utils") and __import__("course_utils").__version__
why = "since the course has no public address yet"
if SOURCE and here() != VERSION:
    with tempfile.NamedTemporaryFile("w", delete=False) as keep:
        keep.write(pip("list", "--format=freeze", "--exclude=course_utils").stdout)
    run = pip("install", "--quiet", "--no-deps", SOURCE)
    if "course_utils" in pip("check").stdout.replace("-", "_"):  # it needs what is not here
        run = pip("install", "--quiet", f"--constraint={{keep.name}}", "course_utils")
        run.returncode and pip("uninstall", "--yes", "course_utils")
    why = f"and pip says why:\\n\\n{{run.stderr}}"
    for name in [name for name in sys.modules if name.split(".")[0] == "course_utils"]:
        del sys.modules[name]
    invalidate_caches()
if here() != VERSION:
    raise SystemExit(
        f"course_utils {{VERSION}} could not be installed, {{why}}\\n"
        "Is there a network? Two ways need none. Take this notebook from its page's download\\n"
        "button: that copy carries the package. Or run `pip install .` in the course's folder."
    )
print(f"course_utils {{VERSION}} is ready.")"""
CARRIED = '''\
# @title The course's package, carried in this notebook
# Run this cell too. The next one installs the package from it, so that nothing is downloaded.
import base64
import pathlib
import tempfile

WHEEL = pathlib.Path(tempfile.mkdtemp(), "{name}")
WHEEL.write_bytes(base64.b64decode("""
{text}
"""))
print(f"{{WHEEL.name}} is unpacked.")'''
# Shown as a line to open: by Colab, by JupyterLab and Notebook 7.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}


def package_at(address: str, revision: str) -> str:
    """What pip installs: the package of the repository at ``address``, at a tag or commit; empty without an address."""
    return f"git+{address}@{revision}" if address else ""


def set_up_source(source: str = "") -> str:
    """The text of the set-up cell.

    Args:
        source: what pip installs where the package is missing; empty where it is nowhere to be had.
    """
    return SET_UP.format(version=__version__, source=f'"{source}"')


def is_set_up(cell) -> bool:
    """Whether a cell is the set-up cell, of any version and wherever its package comes from."""
    return cell.cell_type == "code" and cell.source.startswith(SET_UP.partition("\n")[0])


def _whatever(template: str, **patterns: str) -> re.Pattern:
    """Matches a template with any values of its variables, each of a pattern."""
    text = re.escape(template.format(**{name: f"<{name}>" for name in patterns}))
    for name, pattern in patterns.items():
        text = text.replace(f"<{name}>", pattern)
    return re.compile(text)


_GIVEN = (
    _whatever(SET_UP, version=r"[\w.+]+", source=r"\S+"),
    _whatever(CARRIED, name=r"\S+", text=r"[\w+/=\n]+"),
)


def only_installs(source: str) -> bool:
    """Whether a cell is the course's own, unaltered: the set-up cell, or the package that a notebook carries."""
    return any(pattern.fullmatch(source.strip()) for pattern in _GIVEN)


def has_set_up(notebook: nbformat.NotebookNode) -> bool:
    """Whether a notebook has a set-up cell."""
    return any(map(is_set_up, notebook.cells))


def _set_up_cell(notebook: nbformat.NotebookNode):
    if not has_set_up(notebook):
        raise ValueError("the notebook has no set-up cell")
    return next(filter(is_set_up, notebook.cells))


def with_set_up(notebook: nbformat.NotebookNode, source: str) -> nbformat.NotebookNode:
    """A copy of a notebook whose set-up cell installs the package from ``source``.

    Raises:
        ValueError: where the notebook has no set-up cell.
    """
    notebook = copy.deepcopy(notebook)
    _set_up_cell(notebook).source = set_up_source(source)
    return notebook


def build_wheel(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Build the package's wheel from the course's folder, the same bytes each time. Returns its path.

    Raises:
        ValueError: where ``root`` is not the course's folder.
    """
    from hatchling.build import build_wheel as build

    if not (root / "pyproject.toml").exists():
        raise ValueError(f"{root.resolve()} is not the course's folder: there is no pyproject.toml")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(root):
        return folder / build(str(folder))


def self_contained(notebook: nbformat.NotebookNode, wheel: pathlib.Path) -> nbformat.NotebookNode:
    """A copy of a notebook that carries the package in a folded cell, and needs neither network nor address.

    Args:
        notebook: a notebook with a set-up cell.
        wheel: the package's wheel.

    Raises:
        ValueError: where the notebook has no set-up cell.
    """
    notebook = copy.deepcopy(notebook)
    set_up = _set_up_cell(notebook)
    set_up.source = SET_UP.format(version=__version__, source="str(WHEEL)")
    text = base64.b64encode(wheel.read_bytes()).decode()
    # Lines short enough for editors, and few.
    lines = "\n".join(text[i : i + 1000] for i in range(0, len(text), 1000))
    carried = nbformat.v4.new_code_cell(
        CARRIED.format(name=wheel.name, text=lines), id="carried-package", metadata=copy.deepcopy(FOLDED)
    )
    notebook.cells.insert(notebook.cells.index(set_up), carried)
    return notebook


def carrying(notebook: nbformat.NotebookNode, root: pathlib.Path) -> nbformat.NotebookNode:
    """:func:`self_contained`, with the package of the course's folder ``root``."""
    with tempfile.TemporaryDirectory() as folder:
        return self_contained(notebook, build_wheel(root, pathlib.Path(folder)))


LINK = re.compile(r"\]\((?!\w+:|#)(?P<file>[\w/.-]+)(?P<place>#[\w-]+)?\)")


def with_links_to(notebook: nbformat.NotebookNode, address: str, branch: str) -> nbformat.NotebookNode:
    """A copy of a chapter for Colab, where a link to a file beside it leads nowhere.

    Links to chapters open in Colab; links to pages of prose open where the repository shows them.

    Args:
        notebook: a chapter.
        address: the repository's, on GitHub.
        branch: holds the chapters and pages, in ``chapters``.
    """
    colab = address.replace("https://github.com/", "https://colab.research.google.com/github/")

    def absolute(match):
        base = colab if match["file"].endswith(".ipynb") else address
        return (
            f"]({base}/blob/{branch}/{os.path.normpath('chapters/' + match['file'])}{match['place'] or ''})"
        )

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(absolute, cell.source)
    return notebook
