"""Finds submissions and reads their code. A submission is a stranger's file: whatever it holds, this ends with cells or a reason."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from .set_up import only_installs

LARGEST_FILE = 100 * 2**20
LARGEST_CODE = 2 * 2**20


class Submission(NamedTuple):
    """One student's file."""

    student: str
    path: pathlib.Path


class UnreadableError(ValueError):
    """A submission whose code cannot be read."""


def find_submissions(paths: Sequence[pathlib.Path]) -> list[Submission]:
    """Every file to grade, with the name of its student, in alphabetical order.

    A file given by itself is named after its stem. In a folder, a file that is alone with the folder is named after the
    folder (``alice/homework.ipynb``), any other after its own path. Hidden files and checkpoints are left out.

    Raises:
        ValueError: where a path does not exist, or nothing is found.
    """
    found: dict[pathlib.Path, str] = {}
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            found.update(_in_folder(path))
        elif path.exists():
            found[path] = path.stem
        else:
            raise ValueError(f"there is no file or folder {path}")
    if not found:
        raise ValueError(f"no notebooks in {', '.join(map(str, paths))}")
    names = list(found.values())
    return sorted(
        Submission(str(path.with_suffix("")) if names.count(name) > 1 else name, path)
        for path, name in found.items()
    )


def _in_folder(root: pathlib.Path):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = pathlib.Path(folder)
        notebooks = [name for name in files if name.endswith(".ipynb") and not name.startswith(".")]
        # A file that is no notebook is a student's too, unless a notebook stands beside it in a folder of its own.
        others = (
            []
            if notebooks and here != root
            else [n for n in files if not n.startswith(".") and n not in notebooks]
        )
        for name in (*notebooks, *others):
            alone = len(notebooks) + len(others) == 1 and here != root
            place = here if alone else (here / name).with_suffix("")
            yield here / name, place.relative_to(root).as_posix()


def code_cells(path: pathlib.Path) -> list[tuple[int, str]]:
    """The numbers and sources of a notebook's code cells, without those that only install the course's package.

    Raises:
        UnreadableError: says what is wrong with the file.
    """
    if path.suffix != ".ipynb":
        raise UnreadableError(f"a {path.suffix or 'nameless kind of'} file, not a notebook (.ipynb)")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnreadableError(
                f"the file is larger than {LARGEST_FILE >> 20} MiB: clear its outputs and save it again"
            )
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UnreadableError(f"the file cannot be opened: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableError("the file is not text in UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the file is not JSON, as a notebook is: {str(error)[:100]}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        raise UnreadableError(
            "a notebook in an old format: open it and save it again" if old else "the file has no cells"
        )
    cells = []
    for number, cell in enumerate(notebook["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = _source(cell).replace("\r\n", "\n")
            # The package of the machine that grades is the one that counts.
            if not only_installs(source):
                cells.append((number, source))
    if sum(len(source) for _, source in cells) > LARGEST_CODE:
        raise UnreadableError(f"its code is longer than {LARGEST_CODE >> 20} million characters")
    return cells


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
