"""Exports a pack as a course folder of nbgrader 0.9."""

import base64
import pathlib
import textwrap

import nbformat

from .notebooks import is_solution
from .packs import Pack

_CONFIG = '''\
"""nbgrader's settings for this course."""

c = get_config()
c.CourseDirectory.course_id = "unstable-gradients"
# The stub stands outside the solution's region, so nothing takes the region's place.
c.ClearSolutions.code_stub = {"python": ""}
c.ExecutePreprocessor.timeout = 120
'''
_README = """\
# {title}, for nbgrader

The kernel that runs these notebooks needs the course's package: `pip install course_utils` into nbgrader's environment.

    nbgrader generate_assignment {slug}
    # hand out release/{slug}/, collect into submitted/STUDENT/{slug}/{slug}.ipynb
    nbgrader autograde {slug}
    nbgrader generate_feedback {slug}
    nbgrader export

nbgrader runs a submission in the same process as its tests, with the rights of the user who starts it. A submission can
patch the tests, and read your files. `course grade` isolates submissions; nbgrader does not.
"""


def export_nbgrader(pack: Pack, out: pathlib.Path) -> None:
    """Write a course folder: settings, and the source of the assignment with hidden tests.

    Args:
        pack: the assignment.
        out: the folder to make.

    Raises:
        ValueError: where the folder holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty: name a folder that does not exist yet")
    folder = out / "source" / pack.slug
    folder.mkdir(parents=True)
    (out / "nbgrader_config.py").write_text(_CONFIG, encoding="utf-8")
    (out / "README.md").write_text(_README.format(title=pack.title, slug=pack.slug), encoding="utf-8")
    nbformat.write(_source(pack), folder / f"{pack.slug}.ipynb")


def _source(pack: Pack) -> nbformat.NotebookNode:
    """The assignment's notebook in nbgrader's form: stub and solution in one cell, and a locked cell of tests after it."""
    notebook = pack.notebook()
    solutions = {
        cell.id.removeprefix("solution-"): cell.source for cell in notebook.cells if is_solution(cell)
    }
    own = {
        id: base64.b64encode(path.read_bytes()).decode()
        for path in pack.folder.glob("exercises_*.py")
        for id in pack.own
    }
    cells = []
    for cell in notebook.cells:
        kind, _, id = cell.id.partition("-")
        if is_solution(cell):
            continue
        if kind == "stub" and id in pack.exercises:
            solution = solutions[id].removesuffix(f'\n\ncheck("{id}", {pack.exercises[id].name})')
            cell.source += f"\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
            cell.metadata = {"nbgrader": _marked(cell, id, grade=False)}
        if kind == "check" and id in pack.exercises:
            cell = _tests(pack, id, own.get(id, ""))
        cells.append(cell)
    notebook.cells = cells
    return notebook


def _tests(pack: Pack, id: str, own: str) -> nbformat.NotebookNode:
    exercise = pack.exercises[id]
    seen = (
        f'check("{id}", {exercise.name})'
        if id not in pack.own
        else "# Your instructor's tests check this answer."
    )
    lines = textwrap.wrap(own, 90)
    source = ", own=(\n" + "".join(f'    "{line}"\n' for line in lines) + ")" if own else ""
    hidden = f'assert_correct("{id}", {exercise.name}, seed={pack.seed}{source})'
    cell = nbformat.v4.new_code_cell(
        f"{seen}\n### BEGIN HIDDEN TESTS\nfrom course_utils.exercises.asserting import assert_correct\n{hidden}\n### END HIDDEN TESTS",
        id=f"check-{id}",
    )
    cell.metadata = {"nbgrader": {**_marked(cell, f"check-{id}", grade=True), "points": exercise.points}}
    return cell


def _marked(cell, grade_id: str, *, grade: bool) -> dict:
    return {
        "grade": grade, "solution": not grade, "locked": grade, "task": False,
        "grade_id": grade_id, "cell_type": "code", "schema_version": 3,
    }  # fmt: skip
