"""Makes an assignment: the student's notebook, the table of points, and the pack to grade it with."""

import copy
import csv
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import nbformat

from ..exercises.catalogue import by_id, chapter_of, course_exercises, load_exercises, pick
from ..exercises.exercise import Exercise
from .notebooks import ExerciseCells, exercise_cells, is_solution, read_notebook
from .packs import Pack, slug, write_pack
from .proof import faults_of
from .set_up import carrying, is_set_up

_CHECKED_LATER = "*Your instructor's tests check this answer. There is no `check` for it here.*"


class _Source(NamedTuple):
    exercise: Exercise
    cells: ExerciseCells
    own: bool


def assign(
    ids: Sequence[str],
    *,
    title: str,
    due: str = "",
    out: pathlib.Path,
    chapters: pathlib.Path,
    own_folders: Sequence[pathlib.Path] = (),
    carry: bool = False,
) -> Pack:
    """Write an assignment into a new folder.

    Args:
        ids: exercises, in the order of the assignment.
        title: the assignment's title; it also names the student's notebook.
        due: when it is due, as the students read it.
        out: the folder to make.
        chapters: the folder of the course's chapters.
        own_folders: folders with exercises of the instructor's own: an ``exercises.py`` and an ``exercises.ipynb``.
        carry: whether the students' notebook carries the package.

    Raises:
        ValueError: for an unknown id, exercises of one's own that are not proved, or a folder that holds something.
    """
    if not title.strip():
        raise ValueError("title must not be empty")
    if len(set(ids)) != len(ids) or not ids:
        raise ValueError(f"name each exercise once, at least one; got {' '.join(ids) or 'none'}")
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise ValueError(
            f"{out} is not empty: name a folder that does not exist yet, so that no pack is lost"
        )
    own = by_id(e for folder in own_folders for e in load_exercises(folder / "exercises.py").values())
    clash = set(own) & set(course_exercises())
    if clash:
        raise ValueError(f"the course has exercises of these names already: {', '.join(sorted(clash))}")
    exercises = by_id(pick({**course_exercises(), **own}, id) for id in ids)
    sources = [
        _source(exercise, exercise.id in own, chapters, own_folders) for exercise in exercises.values()
    ]
    whole = _notebook(title, due, sources, _set_up(chapters))
    pack = write_pack(
        out / "pack",
        title=title,
        due=due,
        ids=ids,
        own_files=[f / "exercises.py" for f in own_folders],
        notebook=whole,
    )
    given = student_notebook(whole)
    nbformat.write(
        carrying(given, chapters.resolve().parent) if carry else given, out / f"{slug(title)}.ipynb"
    )
    with (out / "points.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["exercise", "title", "level", "minutes", "points", "skills"])
        for e in exercises.values():
            table.writerow([e.id, e.title, e.level, e.minutes, e.points, "; ".join(e.skills)])
        minutes = sum(e.minutes for e in exercises.values())
        table.writerow(["total", "", "", minutes, pack.points, ""])
    return pack


def _source(
    exercise: Exercise, own: bool, chapters: pathlib.Path, own_folders: Sequence[pathlib.Path]
) -> _Source:
    """Where an exercise's cells stand; for one of the instructor's own, also its proof."""
    paths = (
        [f / "exercises.ipynb" for f in own_folders]
        if own
        else [chapters / f"{chapter_of(exercise.id)}.ipynb"]
    )
    for path in paths:
        notebook = read_notebook(path)
        cells = exercise_cells(notebook).get(exercise.id)
        if cells is None:
            continue
        if own and (
            faults := faults_of(
                exercise, stub=cells.stub.source, solution=cells.solution.source, seeds=range(5)
            )
        ):
            raise ValueError(f"{exercise.id} is not ready to be assigned: {faults[0]}")
        return _Source(exercise, cells, own)
    raise ValueError(f"{exercise.id} has no cells in {', '.join(map(str, paths))}")


def _set_up(chapters: pathlib.Path) -> nbformat.NotebookNode:
    """The chapters' set-up cell."""
    cells = read_notebook(chapters / "01_backpropagation.ipynb").cells
    return _copied(next(filter(is_set_up, cells)), "set-up")


def _notebook(
    title: str, due: str, sources: Sequence[_Source], set_up: nbformat.NotebookNode
) -> nbformat.NotebookNode:
    """The assignment with its solutions."""
    points = sum(source.exercise.points for source in sources)
    new = nbformat.v4
    rows = [
        f"| {i} | {s.exercise.title} | {s.exercise.minutes} minutes | {s.exercise.points:g} |"
        for i, s in enumerate(sources, 1)
    ]
    opening = [f"# {title}", "", *([f"**Due:** {due}", ""] if due else []), f"{points:g} points in all.", ""]
    opening += ["| | exercise | about | points |", "|---|---|---|---|", *rows, ""]
    opening += [
        "Write each answer in the cell below its statement, and keep the names that stand there: the grader looks for them. "
        "`check` tries your answer on a few cases, as often as you like. The grader tries it on others. "
        '`hint("ID")` gives a hint, one more at each call.'
    ]
    cells = [
        new.new_markdown_cell("\n".join(opening), id="opening"),
        set_up,
        new.new_code_cell("from course_utils import check, hint", id="import-check"),
    ]
    for number, (exercise, given, own) in enumerate(sources, 1):
        statement = [_copied(cell, f"statement-{exercise.id}-{i}") for i, cell in enumerate(given.statement)]
        heading = f"## {number}. {exercise.title} ({exercise.points:g} {'point' if exercise.points == 1 else 'points'})"
        statement[0].source = re.sub(r"\A#[^\n]*", lambda _, heading=heading: heading, statement[0].source)
        check = (
            new.new_markdown_cell(_CHECKED_LATER, id=f"check-{exercise.id}")
            if own
            else _copied(given.check, f"check-{exercise.id}")
        )
        cells += [
            *statement,
            _copied(given.stub, f"stub-{exercise.id}"),
            check,
            _copied(given.solution, f"solution-{exercise.id}"),
        ]
    notebook = new.new_notebook(
        cells=cells,
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    nbformat.validate(notebook)
    return notebook


def _copied(cell, id: str):
    cell = copy.deepcopy(cell)
    cell.id = id
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def student_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook without its solutions."""
    given = copy.deepcopy(notebook)
    given.cells = [cell for cell in given.cells if not is_solution(cell)]
    return given
