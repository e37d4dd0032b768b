"""Every exercise: its solution passes, its stub is blank, and each planted mistake is told the right thing."""

import ast
import pathlib
import re

import jax
import nbformat
import pytest

from course_utils.exercises.catalogue import CHAPTERS, chapter_of, course_exercises
from course_utils.grading.notebooks import exercise_cells
from course_utils.grading.proof import faults_of

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "chapters"
CELLS = {
    id: cells
    for chapter in CHAPTERS.values()
    for id, cells in exercise_cells(nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4)).items()
}
EXERCISES = course_exercises()


def without_check(source):
    """A solution without its last line, which checks it."""
    *lines, last = source.strip().splitlines()
    assert last.startswith("check(")
    return "\n".join(lines)


def definition(source, name):
    """A function's signature and docstring; for a value, only that it is assigned."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            assert ast.get_docstring(node), f"{name} has no docstring"
            return ast.unparse(node.args), ast.get_docstring(node)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return "a value"
    raise AssertionError(f"{name} is not defined")


def test_the_chapters_hold_each_exercise_once_in_order():
    assert list(CELLS) == list(EXERCISES)
    for chapter in CHAPTERS.values():
        levels = [EXERCISES[id].level for id in CELLS if chapter_of(EXERCISES[id].id) == chapter]
        assert {"easy", "medium", "hard"} == set(levels), chapter
        assert levels == sorted(levels, key=("easy", "medium", "hard").index), chapter


@pytest.mark.parametrize("id", EXERCISES)
def test_hints_are_plain_text(id):
    """They are shown as they stand, but for code in backticks."""
    assert [hint for hint in EXERCISES[id].hints if re.search(r"(?<!\*)\*\w[\w ]*\*(?!\*)|\$|\\", re.sub(r"`[^`]*`", "", hint))] == []


@pytest.mark.parametrize("id", EXERCISES)
def test_a_statement_names_level_and_minutes(id):
    exercise, first = EXERCISES[id], CELLS[id].statement[0].source
    heading = f"### Exercise {id.rpartition('-')[2]}: {exercise.title}\n\n*{exercise.level.capitalize()}, {exercise.minutes} minutes.*"
    assert first.startswith(heading), f"{id}: the statement must open with\n{heading}"


@pytest.mark.parametrize("id", EXERCISES)
def test_a_solution_is_folded_and_keeps_the_stubs_signature(id):
    cells, name = CELLS[id], EXERCISES[id].name
    assert cells.solution.metadata.tags == ["solution", "hide-cell"]
    assert cells.solution.metadata.cellView == "form"
    assert cells.solution.metadata.mystnb == {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
    assert cells.solution.source.startswith("# @title Solution\n")
    assert cells.solution.source.endswith("\n" + cells.check.source)
    assert cells.check.source == f'check("{id}", {name})'
    assert definition(cells.stub.source, name) == definition(cells.solution.source, name)


@pytest.mark.parametrize("id", EXERCISES)
def test_an_exercise_is_proved(id):
    with jax.numpy_rank_promotion("allow"):  # as in a student's session
        faults = faults_of(EXERCISES[id], stub=CELLS[id].stub.source, solution=without_check(CELLS[id].solution.source))
    assert faults == []
