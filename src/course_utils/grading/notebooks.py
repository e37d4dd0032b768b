"""Exercises as they stand in a notebook: a statement, a stub, a check and a solution, cell by cell."""

import json
import pathlib
import re
from typing import NamedTuple

import nbformat

CHECK = re.compile(r'check\("([\w-]+)", (\w+)\)')
HEADING = re.compile(r"#{2,4} ")
SOLUTION = "solution"
"""The tag of a cell that no student receives."""


class ExerciseCells(NamedTuple):
    """The cells of one exercise."""

    statement: list
    stub: nbformat.NotebookNode
    check: nbformat.NotebookNode
    solution: nbformat.NotebookNode


def read_notebook(path: pathlib.Path) -> nbformat.NotebookNode:
    """A notebook, in format 4.5.

    Raises:
        ValueError: names the file, and what is wrong with it.
    """
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (json.JSONDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from None


def is_solution(cell) -> bool:
    """Whether a cell is a solution."""
    return SOLUTION in cell.metadata.get("tags", [])


def exercise_cells(notebook: nbformat.NotebookNode) -> dict[str, ExerciseCells]:
    """The exercises of a notebook by id, in its order.

    An exercise begins with a Markdown cell that opens with a heading. Then come the stub, one cell of code; the line
    ``check("ID", NAME)``, alone in its cell; and the solution, one cell with the tag ``solution``.

    Raises:
        ValueError: where one of them is missing; it names the exercise.
    """
    found: dict[str, ExerciseCells] = {}
    cells = notebook.cells
    for i, cell in enumerate(cells):
        match = (
            CHECK.fullmatch(cell.source.strip())
            if cell.cell_type == "code" and not is_solution(cell)
            else None
        )
        if match is None:
            continue
        id = match[1]
        if id in found:
            raise ValueError(f"{id} is checked twice")
        if i == 0 or cells[i - 1].cell_type != "code":
            raise ValueError(f"{id}: no stub before its check")
        if i + 1 == len(cells) or not is_solution(cells[i + 1]):
            raise ValueError(f"{id}: no cell with the tag 'solution' after its check")
        start = i - 2
        while start >= 0 and cells[start].cell_type == "markdown" and not HEADING.match(cells[start].source):
            start -= 1
        if start < 0 or cells[start].cell_type != "markdown":
            raise ValueError(f"{id}: no statement that opens with a heading before its stub")
        found[id] = ExerciseCells(cells[start : i - 1], cells[i - 1], cell, cells[i + 1])
    return found
