"""The command `course`, as an instructor uses it: assignments, classes, exports, and what it says when something is wrong."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import grading_trial
import nbformat
import pytest
from grading_trial import HONEST, notebook_of

from course_utils import __version__
from course_utils.exercises.catalogue import course_exercises
from course_utils.grading.cli import main
from course_utils.grading.packs import read_pack

pytestmark = [pytest.mark.slow, pytest.mark.lock]
ROOT = pathlib.Path(__file__).resolve().parent.parent
COURSE = [sys.executable, "-m", "course_utils"]
HALF_RIGHT = [HONEST["trial-1"], "half = 2.0", grading_trial.STUBS["trial-3"][0]]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return grading_trial.make_pack(tmp_path_factory.mktemp("command"))


def run(*arguments, **more):
    return subprocess.run([*COURSE, *map(str, arguments)], capture_output=True, text=True, **more)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def says(capsys, *arguments):
    """The exit status of the command and all that it prints."""
    status = main([str(argument) for argument in arguments])
    seen = capsys.readouterr()
    return status, seen.out + seen.err


# Listing and assigning.


def test_help_shows_each_command_and_an_example():
    text = run("--help").stdout
    assert all(name in text for name in ("exercises", "assign", "grade", "export", "examples:"))
    for name in ("exercises", "assign", "grade", "export"):
        shown = run(name, "--help")
        assert shown.returncode == 0 and "usage: course" in shown.stdout
    script = pathlib.Path(sys.executable).with_name("course")
    assert subprocess.run([script, "--version"], capture_output=True, text=True).stdout == f"course_utils {__version__}\n"


def test_the_list_of_exercises(capsys):
    _, text = says(capsys, "exercises")
    assert all(id in text for id in course_exercises())
    _, text = says(capsys, "exercises", "--json")
    rows = json.loads(text)
    assert [row["id"] for row in rows] == list(course_exercises())
    assert {"chapter", "minutes", "points", "skills", "level", "title"} <= rows[0].keys()


def test_an_assignment_of_the_courses_exercises(capsys, tmp_path):
    ids = ["clipping-1", "vanishing-2"]
    status, text = says(capsys, "assign", *ids, "--title", "Homework 1", "--due", "1 December", "--out", tmp_path / "hw")
    assert status == 0 and "homework-1.ipynb" in text
    given = nbformat.read(tmp_path / "hw" / "homework-1.ipynb", as_version=4)
    source = "\n".join(cell.source for cell in given.cells)
    assert "**Due:** 1 December" in source and 'check("clipping-1", ' in source
    assert source.index("clipping-1") < source.index("vanishing-2")
    rows = table(tmp_path / "hw" / "points.csv")
    assert [row["exercise"] for row in rows] == [*ids, "total"]
    assert float(rows[-1]["points"]) == sum(course_exercises()[id].points for id in ids)
    other = read_pack(tmp_path / "hw" / "pack")
    assert main(["assign", *ids, "--title", "Homework 1", "--out", str(tmp_path / "again")]) == 0
    assert read_pack(tmp_path / "again" / "pack").seed != other.seed
    assert other.folder.stat().st_mode & 0o077 == 0


def test_no_line_of_a_solution_reaches_the_student(capsys, tmp_path):
    """Over all exercises: what a solution has and its stub and statement have not stands nowhere in the student's notebook."""
    assert main(["assign", *course_exercises(), "--title", "All", "--out", str(tmp_path / "all")]) == 0
    given = (tmp_path / "all" / "all.ipynb").read_text()
    lines_given = {line.strip() for cell in json.loads(given)["cells"] for line in "".join(cell["source"]).splitlines()}
    whole = nbformat.read(tmp_path / "all" / "pack" / "with_solutions.ipynb", as_version=4)
    solutions = [cell.source for cell in whole.cells if "solution" in cell.metadata.get("tags", [])]
    assert len(solutions) == len(course_exercises())
    common = {line.strip() for cell in whole.cells if not cell.metadata.get("tags") for line in cell.source.splitlines()}
    secret = {line.strip() for source in solutions for line in source.splitlines()} - common
    assert len(secret) > 3 * len(solutions)
    assert secret & lines_given == set()
    assert "@title Solution" not in given and '"solution"' not in given


def test_all_solutions_in_one_notebook_earn_full_marks(tmp_path, capsys):
    """Every exercise of the course in one name space, in the sandbox, under a fresh seed."""
    assert main(["assign", *course_exercises(), "--title", "All", "--out", str(tmp_path / "all")]) == 0
    shutil.copy(tmp_path / "all" / "pack" / "with_solutions.ipynb", tmp_path / "best.ipynb")
    status, text = says(capsys, "grade", tmp_path / "all" / "pack", tmp_path / "best.ipynb", "--out", tmp_path / "out")
    assert status == 0, text
    (row,) = table(tmp_path / "out" / "grades.csv")
    assert float(row["total"]) == float(row["max"]) == sum(e.points for e in course_exercises().values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["assign", "vanishin-1", "--title", "x"], "the nearest are vanishing-1"),
        (["assign", "vanishing-1", "vanishing-1", "--title", "x"], "name each exercise once"),
        (["assign", "vanishing-1", "--title", " "], "title must not be empty"),
        (["assign", "vanishing-1", "--title", "x", "--chapters", "nowhere"], "no chapters in nowhere"),
        (["assign", "own-1", "--title", "x", "--own", "nowhere"], "cannot read nowhere"),
    ],
)
def test_a_wrong_request_is_told_what_is_allowed(capsys, tmp_path, arguments, told):
    status, text = says(capsys, *arguments, "--out", tmp_path / "new")
    assert status == 2 and told in text and not (tmp_path / "new").exists()


def test_an_assignment_never_overwrites(capsys, tmp_path):
    (tmp_path / "kept").write_text("mine")
    status, text = says(capsys, "assign", "vanishing-1", "--title", "x", "--out", tmp_path)
    assert status == 2 and "not empty" in text and (tmp_path / "kept").read_text() == "mine"


def test_an_exercise_of_ones_own_that_is_not_proved_is_refused(capsys, tmp_path):
    grading_trial.make_pack(tmp_path)
    path = tmp_path / "own" / "exercises.py"
    path.write_text(path.read_text().replace('Mistake("half = 2.0", "double")', 'Mistake("half = 0.5", "double")'))
    status, text = says(capsys, "assign", "trial-2", "--title", "x", "--own", tmp_path / "own", "--out", tmp_path / "new")
    assert status == 2 and "trial-2 is not ready" in text and "half = 0.5" in text


def test_the_worked_example_is_assigned_and_its_solutions_earn_full_marks(capsys, tmp_path):
    example = ROOT / "examples" / "own_exercises"
    status, _ = says(capsys, "assign", "own-1", "vanishing-1", "own-2", "--own", example, "--title", "Mixed", "--out", tmp_path / "m")
    assert status == 0
    assert "instructor's tests check" in (tmp_path / "m" / "mixed.ipynb").read_text()
    solved = json.loads((tmp_path / "m" / "pack" / "with_solutions.ipynb").read_text())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "best.ipynb").write_text(json.dumps(solved))
    status, text = says(capsys, "grade", tmp_path / "m" / "pack", tmp_path / "in", "--out", tmp_path / "out")
    (row,) = table(tmp_path / "out" / "grades.csv")
    assert status == 0 and row["total"] == row["max"], text


def test_the_page_for_instructors_leads_from_nothing_to_a_graded_class(tmp_path):
    """Every command of the page, as it stands there and in its order, in a folder with the chapters and the example."""
    text = (ROOT / "chapters" / "instructors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.startswith("course ")]
    assert len(commands) == 7
    (tmp_path / "chapters").symlink_to(ROOT / "chapters")
    (tmp_path / "my_exercises").symlink_to(ROOT / "examples" / "own_exercises")
    (tmp_path / "submissions").mkdir()
    (tmp_path / "canvas.csv").write_text(GRADEBOOK)
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        if " grade " in command:
            shutil.copy(tmp_path / "hw1" / "pack" / "with_solutions.ipynb", tmp_path / "submissions" / "doejane_101_1_hw.ipynb")
            shutil.copy(tmp_path / "hw1" / "homework-1.ipynb", tmp_path / "submissions" / "mroe.ipynb")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, command + done.stderr
    best, blank = table(tmp_path / "graded" / "grades.csv")
    assert best["total"] == best["max"] and blank["total"] == "0"
    rows = table(tmp_path / "import.csv")
    assert [row["Homework 1"] for row in rows] == [best["max"], f"{float(best['total'])}", "0.0", ""]


# Grading a class.


def class_of(folder, count):
    """Submissions of every kind: by the number's rest, full marks, one right of three, blank, unreadable."""
    folder.mkdir()
    kinds = [notebook_of(*HONEST.values()), notebook_of(*HALF_RIGHT), notebook_of(), None]
    for i in range(count):
        kind = kinds[i % 4]
        (folder / f"student{i:03d}.ipynb").write_text("nothing" if kind is None else json.dumps(kind))
    return folder


def totals(path):
    return {row["student"]: float(row["total"]) for row in table(path)}


def expected(count):
    return {f"student{i:03d}": (5.0, 1.0, 0.0, 0.0)[i % 4] for i in range(count)}


def test_two_hundred_submissions_side_by_side_killed_and_gone_on_with(pack, tmp_path):
    """A class is graded, killed in the middle, and started again: nothing is lost, and nothing graded twice."""
    folder, out = class_of(tmp_path / "in", 200), tmp_path / "out"
    command = [*COURSE, "grade", pack.folder, folder, "--jobs", "4", "--out", out]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while len(list((out / "graded").glob("*.json"))) < 60:
        assert first.poll() is None
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in (out / "graded").glob("*.json")}
    assert 60 <= len(kept) < 200 and not (out / "grades.csv").exists()
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert totals(out / "grades.csv") == expected(200)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert f"{len(kept)}/200" in second.stderr or f"{len(kept) + 1}/200" in second.stderr  # the bar begins where the first run ended
    assert "50 of them unreadable" in second.stdout
    assert len(list((out / "feedback").glob("*.html"))) == len(list((out / "gradescope").glob("*.json"))) == 200
    survivors = subprocess.run(["pgrep", "-f", "bwrap.*worker.py"], capture_output=True, text=True).stdout
    assert first.pid not in map(int, survivors.split())


def test_a_changed_submission_is_graded_anew_and_again_grades_all(pack, tmp_path, capsys):
    folder, out = class_of(tmp_path / "in", 4), tmp_path / "out"
    arguments = ("grade", pack.folder, folder, "--out", out, "--jobs", "2")
    assert says(capsys, *arguments)[0] == 0
    assert totals(out / "grades.csv") == expected(4)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "graded").iterdir()}
    (folder / "student002.ipynb").write_text(json.dumps(notebook_of(*HONEST.values())))
    says(capsys, *arguments)
    after = {path.name: path.stat().st_mtime_ns for path in (out / "graded").iterdir()}
    assert totals(out / "grades.csv") == {**expected(4), "student002": 5.0}
    assert sum(before[name] != after[name] for name in before) == 1
    says(capsys, *arguments, "--again")
    assert all((out / "graded" / name).stat().st_mtime_ns != when for name, when in after.items())


def test_names_feedback_and_gradescopes_results(pack, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    for name, sources in {"alice/work": HONEST.values(), "bob/work": HALF_RIGHT, "=SUM(A1)": ["1 / 0"], "<b>eve</b>": ["half = '<script>'"]}.items():
        path = folder / f"{name.replace('</', '<|')}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook_of(*sources)))
    (folder / "carol").mkdir()
    (folder / "carol" / "work.pdf").write_text("%PDF")
    (folder / "alice" / ".ipynb_checkpoints").mkdir()
    (folder / "alice" / ".ipynb_checkpoints" / "work.ipynb").write_text("{}")
    status, text = says(capsys, "grade", pack.folder, folder, "--out", out)
    assert status == 0
    rows = {row["student"]: row for row in table(out / "grades.csv")}
    assert set(rows) == {"alice", "bob", "carol", "'=SUM(A1)", "<b>eve<|b>"}
    assert rows["alice"]["total"] == rows["alice"]["max"] == "5" and rows["bob"]["trial-1"] == "1"
    assert "not a notebook" in rows["carol"]["note"] and "carol: " in text
    page = (out / "feedback" / "bob.html").read_text()
    assert "This is the double" in page and "✓ Correct" in page and "1 of 5 points" in page
    eve = next((out / "feedback").glob("*eve*.html")).read_text()
    assert "<script>" not in eve and "<b>eve" not in eve
    results = json.loads((out / "gradescope" / "bob.json").read_text())
    assert results["score"] == 1 and [test["status"] for test in results["tests"]] == ["passed", "failed", "failed"]
    assert {"name", "score", "max_score", "output"} <= results["tests"][0].keys()


WITHOUT_ROOT = """
import os, glob
found = []
for place in ("{pack}/pack.json", "/etc/passwd", "{home}"):
    try:
        found.append(os.listdir(place) if os.path.isdir(place) else open(place).read())
    except OSError: pass
for place in glob.glob("/cache/*") + ["/cache/x", "/course/worker.py", "/x"]:
    for act in (lambda: os.chmod(place, 0o777), lambda: open(place, "ab").write(b"x"), lambda: os.remove(place)):
        try:
            act()
            found.append(place)
        except OSError: pass
found += [name for name in os.listdir("/proc") if name.isdecimal() and int(name) > 20]
found += [line for line in open("/proc/self/status") if line.startswith("CapEff") and int(line.split()[1], 16)]
assert found == [] and len(open("/proc/net/route").readlines()) == 1, found
half = 0.5
"""


def test_an_instructor_without_root_isolates_as_well(pack, tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("without root, every other test shows this")
    home = pathlib.Path(tempfile.mkdtemp(prefix="instructor-"))
    try:
        shutil.copytree(pack.folder, home / "pack")
        (home / "in").mkdir()
        spy = WITHOUT_ROOT.format(pack=home / "pack", home=home)
        (home / "in" / "spy.ipynb").write_text(json.dumps(notebook_of(HONEST["trial-1"], spy, "import os\nos.kill(-1, 9)")))
        (home / "hold").mkdir()
        for path in (home, *home.rglob("*")):
            os.chown(path, 1000, 1000)
        command = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", *COURSE, "grade", home / "pack", home / "in", "--out", home / "out"]
        environment = {**os.environ, "HOME": str(home), "COURSE_UTILS_CACHE": str(home / "cache")}
        done = subprocess.run(grading_trial.open_to_others(home / "hold", *command), capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        (row,) = table(home / "out" / "grades.csv")
        assert (row["trial-1"], row["trial-2"], row["trial-3"]) == ("1", "2", "0"), next((home / "out" / "feedback").iterdir()).read_text()
    finally:
        shutil.rmtree(home)


def test_where_isolation_is_impossible_nothing_runs_unless_told(pack, tmp_path):
    folder = class_of(tmp_path / "in", 2)
    empty = tmp_path / "bin"
    empty.mkdir()
    environment = {**os.environ, "PATH": str(empty)}
    refused = run("grade", pack.folder, folder, "--out", tmp_path / "out", env=environment)
    assert refused.returncode == 3 and "cannot be isolated" in refused.stderr and "--no-isolation" in refused.stderr
    assert not (tmp_path / "out" / "grades.csv").exists()
    allowed = run("grade", pack.folder, folder, "--out", tmp_path / "out", "--no-isolation", env=environment)
    assert allowed.returncode == 0 and totals(tmp_path / "out" / "grades.csv") == expected(2)


def test_a_pack_from_another_version_says_so(capsys, pack, tmp_path):
    for change, told in ({"course_utils": "0.0.1"}, "course_utils 0.0.1"), ({"format": 99}, "pack format 99"):
        folder = tmp_path / f"pack{len(told)}"
        folder.mkdir()
        data = json.loads((pack.folder / "pack.json").read_text()) | change
        (folder / "pack.json").write_text(json.dumps(data))
        status, text = says(capsys, "grade", folder, tmp_path, "--out", tmp_path / "out")
        assert status == 2 and "from another version" in text and told in text
    status, text = says(capsys, "grade", tmp_path, tmp_path, "--out", tmp_path / "out")
    assert status == 2 and "is no pack" in text


def test_submissions_that_are_not_there_are_told(capsys, pack, tmp_path):
    status, text = says(capsys, "grade", pack.folder, tmp_path / "nowhere", "--out", tmp_path / "out")
    assert status == 2 and "nowhere" in text
    (tmp_path / "empty").mkdir()
    status, text = says(capsys, "grade", pack.folder, tmp_path / "empty", "--out", tmp_path / "out")
    assert status == 2 and "no notebooks" in text


def test_a_machine_on_which_the_solutions_fail_grades_nothing(capsys, pack, tmp_path):
    folder = tmp_path / "pack"
    folder.mkdir()
    for path in pack.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes().replace(b"half = 0.5", b"half = 0.7"))
    status, text = says(capsys, "grade", folder, class_of(tmp_path / "in", 1), "--out", tmp_path / "out")
    assert status == 4 and "nothing was graded" in text and "trial-2" in text


# Exports.

GRADEBOOK = """\
Student,ID,SIS User ID,SIS Login ID,Section,Trial (77),Quiz (78)
    Points Possible,,,,,5,10
"Doe, Jane",101,,jdoe,A,,9
"Roe, Max",102,,mroe,A,,8
"Poe, Edgar",103,,epoe,A,,7
"""


def test_canvas_grades_are_joined_to_the_gradebook(capsys, pack, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, sources in {"doejane_101_9_hw": HONEST.values(), "doejane_LATE_101_8_hw": [], "mroe": HALF_RIGHT, "stranger": []}.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook_of(*sources)))
    says(capsys, "grade", pack.folder, folder, "--out", tmp_path / "out")
    (tmp_path / "book.csv").write_text(GRADEBOOK)
    export = ("export", pack.folder, "--to", "canvas", "--gradebook", tmp_path / "book.csv", "--out", tmp_path / "canvas.csv")
    assert says(capsys, *export)[0] == 2
    status, text = says(capsys, *export, "--grades", tmp_path / "out" / "grades.csv")
    assert status == 0 and "stranger" in text and "Doe, Jane has 2 submissions" in text
    rows = table(tmp_path / "canvas.csv")
    assert list(rows[0]) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Trial (77)"]
    assert [row["Trial (77)"] for row in rows] == ["5", "5.0", "1.0", ""]
    status, text = says(capsys, *export[:-4], "--gradebook", tmp_path / "out" / "grades.csv", "--grades", tmp_path / "out" / "grades.csv", "--out", tmp_path / "x.csv")
    assert status == 2 and "not a gradebook" in text


def test_gradescopes_zip_holds_what_its_scripts_use(capsys, pack, tmp_path):
    path = tmp_path / "autograder.zip"
    assert says(capsys, "export", pack.folder, "--to", "gradescope", "--out", path)[0] == 0
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        assert {"setup.sh", "run_autograder", "requirements.txt", "pack/pack.json", "lib/course_utils/grading/worker.py"} <= names
        pins = file.read("requirements.txt").decode().split()
        assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", pin) for pin in pins) and {"jax", "nbformat", "psutil"} <= {pin.split("==")[0] for pin in pins}
        for script in ("setup.sh", "run_autograder"):
            assert file.getinfo(script).external_attr >> 16 & 0o111
            assert subprocess.run(["bash", "-n"], input=file.read(script)).returncode == 0
    status, text = says(capsys, "export", pack.folder, "--to", "gradescope", "--out", path)
    assert status == 2 and "exists" in text
