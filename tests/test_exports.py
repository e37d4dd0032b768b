"""Exports, run by what they are for: nbgrader itself, and Gradescope's scripts as Gradescope runs them."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

import grading_trial
import nbformat
import pytest
from grading_trial import HONEST, STUBS, notebook_of, open_to_others

from course_utils.grading.export_gradescope import export_gradescope
from course_utils.grading.export_nbgrader import export_nbgrader

pytestmark = [pytest.mark.slow, pytest.mark.lock]
ROOT = pathlib.Path(__file__).resolve().parent.parent
NBGRADER = ROOT / ".venv-nbgrader" / "bin"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Three exercises of one's own, and one of the course's."""
    return grading_trial.make_pack(tmp_path_factory.mktemp("exports"), "vanishing-1")


def solution_of(pack, id):
    cell = next(cell for cell in pack.notebook().cells if cell.id == f"solution-{id}")
    return cell.source.removesuffix(f'\n\ncheck("{id}", {pack.exercises[id].name})')


def filled(release, answers):
    """The student's notebook with answers in the place of stubs."""
    notebook = nbformat.read(release, as_version=4)
    for cell in notebook.cells:
        id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if id in answers:
            cell.source = answers[id]
    return notebook


def test_nbgrader_generates_grades_and_exports(pack, tmp_path):
    course = tmp_path / "course"
    export_nbgrader(pack, course)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "COURSE_BUILD")},
        "PATH": f"{NBGRADER}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "JUPYTER_PLATFORM_DIRS": "1",
    }

    def nbgrader(*arguments):
        run = subprocess.run([NBGRADER / "nbgrader", *arguments], cwd=course, capture_output=True, text=True, env=environment)
        assert run.returncode == 0, run.stdout + run.stderr

    nbgrader("generate_assignment", "trial")
    release = course / "release" / "trial" / "trial.ipynb"
    given = release.read_text()
    assert "BEGIN" not in given and "assert_correct" not in given and str(pack.seed) not in given
    lines = {line.strip() for cell in json.loads(given)["cells"] for line in "".join(cell["source"]).splitlines()}
    for id in pack.exercises:
        stub = next(cell.source for cell in pack.notebook().cells if cell.id == f"stub-{id}")
        secret = {line.strip() for line in solution_of(pack, id).splitlines()} - {line.strip() for line in stub.splitlines()} - {""}
        assert secret and not secret & lines
    right = {**HONEST, "vanishing-1": solution_of(pack, "vanishing-1")}
    classmates = {
        "full": right,
        "blank": {},
        "between": {"trial-1": right["trial-1"], "trial-2": "half = 2.0", "vanishing-1": right["vanishing-1"]},
        "loop": {"trial-1": right["trial-1"], "trial-2": "half = 1 / 0"},
    }
    for student, answers in classmates.items():
        folder = course / "submitted" / student / "trial"
        folder.mkdir(parents=True)
        nbformat.write(filled(release, answers), folder / "trial.ipynb")
    nbgrader("autograde", "trial")
    nbgrader("export")
    with open(course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {student: float(row["score"]) for student, row in rows.items()} == {"full": 6, "blank": 0, "between": 2, "loop": 1}
    assert all(float(row["max_score"]) == pack.points == 6 for row in rows.values())
    nbgrader("generate_feedback", "trial")
    assert "This is the double" in (course / "feedback" / "between" / "trial" / "trial.html").read_text()


# Gradescope: a folder in the place of /autograder.


@pytest.fixture
def autograder(pack, tmp_path):
    """Grades one submission as Gradescope would: files by name. Returns results.json, and what the scripts said."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("Gradescope runs its scripts as root, and so must this")
    export_gradescope(pack, tmp_path / "autograder.zip")
    root = pathlib.Path(tempfile.mkdtemp(prefix="autograder-"))
    root.chmod(0o755)
    (root / "hold").mkdir()

    def grade(files, spoil=lambda source: None):
        for name in ("source", "submission", "results"):
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir()
        with zipfile.ZipFile(tmp_path / "autograder.zip") as file:
            file.extractall(root / "source")
        shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
        if not (root / "venv").exists():
            (root / "venv").symlink_to(sys.prefix)
        for name, content in files.items():
            (root / "submission" / name).write_text(content)
        spoil(root / "source")
        run = subprocess.run(
            open_to_others(root / "hold", "bash", root / "run_autograder"), capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "AUTOGRADER": str(root)},
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads((root / "results" / "results.json").read_text()), run.stderr, root

    yield grade
    shutil.rmtree(root)


def test_gradescopes_scripts_grade_a_submission(pack, autograder):
    right = notebook_of(*HONEST.values(), solution_of(pack, "vanishing-1"))
    results, _, _ = autograder({"homework.ipynb": json.dumps(right), "notes.txt": "hello"})
    assert results["score"] == 6 and [test["score"] for test in results["tests"]] == [1, 2, 2, 1]
    results, _, _ = autograder({"homework.ipynb": json.dumps(notebook_of(HONEST["trial-1"], "half = 2.0"))})
    assert results["score"] == 1 and "This is the double" in results["tests"][1]["output"]


def test_in_gradescopes_container_a_submission_reads_neither_pack_nor_results(pack, autograder):
    spy = """
import glob, os
seen = []
for top in glob.glob("/tmp/autograder-*"):
    for name in ("source", "source/pack", "source/lib", "results", "submission"):
        try: seen.append(os.listdir(top + "/" + name))
        except PermissionError: pass
assert os.getuid() > 1000 and seen == [], (os.getuid(), seen)
half = 0.5
"""
    results, _, root = autograder({"homework.ipynb": json.dumps(notebook_of(spy))})
    assert results["tests"][1]["status"] == "passed", results
    assert (root / "source" / "pack").exists()


@pytest.mark.parametrize("files", [{}, {"a.txt": "x"}, {"a.ipynb": "{}", "b.ipynb": "{}"}])
def test_gradescope_without_one_notebook_says_what_to_submit(autograder, files):
    results, _, _ = autograder(files)
    assert results["score"] == 0 and "Submit one notebook" in results["output"]


def test_gradescope_with_a_broken_pack_gives_no_score_and_asks_for_the_instructor(autograder):
    results, said, _ = autograder(
        {"a.ipynb": json.dumps(notebook_of(*STUBS))}, spoil=lambda source: (source / "pack" / "pack.json").write_text("{")
    )
    assert "score" not in results and "tell your instructor" in results["output"] and "damaged" in said
