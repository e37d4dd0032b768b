"""Proves the exercises beside this file: python -m pytest test_own_exercises.py"""

import pathlib

import nbformat
import pytest

from course_utils.exercises.catalogue import load_exercises
from course_utils.grading.notebooks import exercise_cells
from course_utils.grading.proof import faults_of

FOLDER = pathlib.Path(__file__).resolve().parent
EXERCISES = load_exercises(FOLDER / "exercises.py")
CELLS = exercise_cells(nbformat.read(FOLDER / "exercises.ipynb", as_version=4))


def test_the_notebook_holds_each_exercise_once_in_order():
    assert list(CELLS) == list(EXERCISES)


@pytest.mark.parametrize("id", EXERCISES)
def test_the_solution_passes_the_stub_is_blank_and_each_mistake_is_told_the_right_thing(id):
    cells = CELLS[id]
    assert faults_of(EXERCISES[id], stub=cells.stub.source, solution=cells.solution.source) == []
