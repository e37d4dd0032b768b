"""The grader beside nbgrader's, on the same class: CPU seconds a submission, over every third chapter's homework."""

import csv
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

import nbformat
from workloads import workload

ROOT = pathlib.Path(__file__).resolve().parent.parent
NBGRADER = ROOT / ".venv-nbgrader" / "bin"
HOMEWORKS = ("backpropagation", "initialization", "skip", "diagnosis")  # every third chapter, with all of its exercises
CLASS = 10


def homework(prefix, folder):
    """A chapter's exercises as an assignment: the pack, and the notebook with solutions that a class hands in."""
    from course_utils.exercises.catalogue import course_exercises
    from course_utils.grading.assign import assign

    ids = [id for id in course_exercises() if id.rpartition("-")[0] == prefix]
    pack = assign(ids, title="Homework", out=folder / "assignment", chapters=ROOT / "chapters")
    return pack, pack.notebook()


def a_submission(graded):
    """CPU seconds a submission over all homeworks."""
    seconds = []
    for prefix in HOMEWORKS:
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(graded(prefix, pathlib.Path(folder)) / CLASS)
    return {"seconds": statistics.mean(seconds)}


def cpu_seconds(command, **more):
    """CPU seconds of a command and of all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, text=True, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def graded_by_course(prefix, folder):
    """CPU seconds of `course grade` for a class, with a warm cache."""
    pack, solved = homework(prefix, folder)
    (folder / "in").mkdir()
    for i in range(CLASS):
        nbformat.write(solved, folder / "in" / f"student{i}.ipynb")
    command = [sys.executable, "-m", "course_utils", "grade", pack.folder, "--jobs", "1"]
    warm = [*command, folder / "in" / "student0.ipynb", "--out", folder / "warm"]
    subprocess.run(warm, check=True, capture_output=True)
    seconds = cpu_seconds([*command, folder / "in", "--out", folder / "out"])
    with (folder / "out" / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASS and all(row["total"] == row["max"] for row in rows)
    # A sandbox is not waited for by our process: its own clock, from its start to its end, is in the table.
    return seconds + sum(float(row["cpu_seconds"]) for row in rows)


def graded_by_nbgrader(prefix, folder):
    """CPU seconds of `nbgrader autograde` for the same class."""
    from course_utils.grading.export_nbgrader import export_nbgrader

    pack, solved = homework(prefix, folder)
    course = folder / "course"
    export_nbgrader(pack, course)
    answers = {cell.id.removeprefix("solution-"): cell.source for cell in solved.cells if cell.id.startswith("solution-")}
    environment = {**os.environ, "PATH": f"{NBGRADER}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    environment.pop("PYTHONPATH", None)
    settings = {"cwd": course, "env": environment}
    generate, export = ([NBGRADER / "nbgrader", *words] for words in (["generate_assignment", pack.slug], ["export"]))
    subprocess.run(generate, check=True, capture_output=True, **settings)
    given = nbformat.read(course / "release" / pack.slug / f"{pack.slug}.ipynb", as_version=4)
    for cell in given.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    for i in range(CLASS):
        place = course / "submitted" / f"student{i}" / pack.slug
        place.mkdir(parents=True)
        nbformat.write(given, place / f"{pack.slug}.ipynb")
    seconds = cpu_seconds([NBGRADER / "nbgrader", "autograde", pack.slug], **settings)
    subprocess.run(export, check=True, capture_output=True, **settings)
    with (course / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASS and all(float(row["score"]) == pack.points for row in rows)
    return seconds


@workload
def grading_ours():
    return a_submission(graded_by_course)


@workload
def grading_nbgrader():
    return a_submission(graded_by_nbgrader)
