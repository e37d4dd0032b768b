"""The grader against strangers: each submission earns what its honest part earns, learns nothing and disturbs no other."""

import json
import os
import pathlib
import shutil
import sys

import grading_trial
import pytest
from grading_trial import HONEST, notebook_of

from course_utils.exercises.attempt import decode
from course_utils.grading import grade as grade_module
from course_utils.grading import sandbox as sandbox_module
from course_utils.grading.grade import grade_one, prepared_sandbox
from course_utils.grading.sandbox import Limits
from course_utils.grading.submissions import Submission

pytestmark = [
    pytest.mark.slow,
    pytest.mark.lock,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="isolation is for Linux"),
]
LIMITS = Limits(step_seconds=8, wall_seconds=120, memory_bytes=2**30, reply_bytes=2**22)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return grading_trial.make_pack(tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def sandbox(pack):
    with prepared_sandbox(pack, "namespaces", LIMITS) as ready:
        yield ready


@pytest.fixture
def graded(pack, sandbox, tmp_path):
    """Grades a notebook, given as data, text or bytes."""

    def grade(notebook, name="student.ipynb"):
        path = tmp_path / name
        path.write_bytes(notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())
        return grade_one(Submission("student", path), pack, sandbox)

    return grade


def statuses(result):
    return [outcome.status for outcome in result.outcomes]


ALL = ["correct"] * 3


def test_honest_work_is_correct_and_the_untouched_notebook_is_not_attempted(pack, graded):
    assert statuses(graded(notebook_of(*HONEST.values()))) == ALL
    untouched = (pack.folder.parent / "trial.ipynb").read_bytes()
    assert statuses(graded(untouched)) == ["not attempted"] * 3


# What stands beside honest answers to the first and the last exercise, and what the middle one is then.
BESIDE = {
    "an endless loop": "while True: pass",
    "an endless loop that swallows exceptions": "while True:\n    try: sum(range(1000))\n    except BaseException: pass",
    "an endless loop in a thread": "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()",
    "an exit": "import os\nos._exit(0)",
    "an exit by exception": "raise SystemExit",
    "a crash": "import ctypes\nctypes.string_at(0)",
    "a signal to itself": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "a signal to all": "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "a fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "children that stay": "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(60); os._exit(0)",
    "a memory bomb": "hoard = []\nwhile True: hoard.append(bytearray(10**8))",
    "a memory bomb in children": "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        x = b'x' * (200 * 2**20); time.sleep(60)\ntime.sleep(60)",
    "a file that fills the disk": "with open('big', 'wb') as f:\n    while True: f.write(b'x' * 10**6)",
    "many files": "for i in range(10**6):\n    open(f'f{i}', 'wb').write(b'x' * 10**6)",
    "a flood of output": "import os, sys\nfor _ in range(3000): print('x' * 10**5); os.write(1, b'y' * 10**5); os.write(2, b'z' * 10**5)",
    "deep recursion": "def down(n): return down(n + 1)\ndown(0)",
    "deeper recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef down(n): return down(n + 1)\ndown(0)",
    "a syntax error": "def broken(:",
    "a null byte": "x = '\0'",
    "magic commands": "%matplotlib inline\n!pip install nothing\nfiles = !ls\n?print",
    "a cell of another language": "%%bash\nrm -rf /",
    "a question to the user": "input('your name?')",
    "a changed working folder": "import os, shutil\nos.chdir('/')\nshutil.rmtree('/home/student', ignore_errors=True)",
    "a changed builtins": "import builtins\nbuiltins.len = lambda x: 1 / 0\nbuiltins.isinstance = lambda *a: True",
    "a deleted import": "import sys\nfor name in list(sys.modules): sys.modules.pop(name)",
    "a signal handler": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)",
    "an exit hook": "import atexit, os\natexit.register(os._exit, 1)",
    "a hook on tracing": "import sys\nsys.settrace(lambda *a: 1 / 0)",
    "a closed stream": "import os\nos.close(0); os.close(1); os.close(2)",
}  # fmt: skip


@pytest.mark.parametrize("what", BESIDE)
def test_what_stands_beside_honest_answers_costs_them_nothing(graded, what):
    result = graded(notebook_of(HONEST["trial-1"], BESIDE[what], HONEST["trial-3"]))
    if what in ("a changed builtins", "a deleted import"):  # these break the submission's own Python, honest part included
        assert "correct" not in statuses(result)[1:2] and len(result.outcomes) == 3
    else:
        assert statuses(result) == ["correct", "not attempted", "correct"]


WITHIN = {
    "an endless loop": "def twice(x):\n    while True: pass",
    "an endless loop that swallows exceptions": "def twice(x):\n    while True:\n        try: sum(range(1000))\n        except BaseException: pass",
    "an exit": "import os\ndef twice(x): os._exit(0)",
    "deep recursion": "def twice(x): return twice(x)",
    "a huge reply": "import numpy as np\ndef twice(x): return np.zeros(10**8)",
    "a huge list": "def twice(x): return [0.0] * 10**7",
    "a huge text": "def twice(x): return 'x' * 10**8",
    "a list in itself": "def twice(x):\n    a = []\n    a.append(a)\n    return a",
    "an endless iterator": "def twice(x):\n    while True: yield 1",
    "an object that pickles as code": "class Evil:\n    def __reduce__(self): return (eval, ('1/0',))\ndef twice(x): return Evil()",
    "an object that is an array to the eye": "class Evil:\n    def __array__(self, *a, **k): return object\ndef twice(x): return Evil()",
    "an object equal to all": "class Evil(float):\n    def __eq__(self, other): return True\n    __hash__ = float.__hash__\ndef twice(x): return Evil(0)",
    "an error whose text fails": "class Evil(Exception):\n    def __str__(self): raise SystemExit\ndef twice(x): raise Evil",
    "text for numbers": "def twice(x): return str(2 * x)",
    "complex numbers": "def twice(x): return 2 * x + 0j",
    "nothing": "def twice(x): 2 * x",
    "NaN": "def twice(x): return x * float('nan')",
    "objects": "import numpy as np\ndef twice(x): return np.array([None, 1, 'a'], dtype=object)",
}  # fmt: skip


@pytest.mark.parametrize("what", WITHIN)
def test_what_a_bad_function_does_costs_only_its_own_exercise(graded, what):
    first, second, third = statuses(graded(notebook_of(*list(HONEST.values())[:2], WITHIN[what])))
    assert (first, second) == ("correct", "correct") and third in ("not yet", "raised an error")


@pytest.mark.parametrize("what", ["an exit", "an endless loop that swallows exceptions"])
def test_a_bad_function_of_the_first_exercise_does_not_keep_the_others_from_being_asked(graded, what):
    first = WITHIN[what].replace("def twice", "def length")
    assert statuses(graded(notebook_of(first, *list(HONEST.values())[1:]))) == ["raised an error", "correct", "correct"]


CHEATS = {
    "shadowed comparisons": "import numpy as np\nfor name in ('allclose', 'isclose', 'array_equal', 'all', 'testing'):\n    setattr(np, name, lambda *a, **k: True)",
    "shadowed JAX": "import jax.numpy as jnp\njnp.allclose = jnp.array_equal = lambda *a, **k: True",
    "a patched check": "import course_utils, course_utils.exercises as e\ncourse_utils.check = e.check = lambda *a: True\ncheck = course_utils.check\ncheck('trial-3', None)",
    "a forged module": "import sys, types\nm = types.ModuleType('course_utils.exercises.judging')\nm.judge = lambda *a: 'correct'\nsys.modules['course_utils.exercises.judging'] = m",
    "forged replies": "import os, json\nfor fd in range(3, 60):\n    try:\n        for line in ({'exercise': 'trial-3', 'status': 'correct'}, {'exercise': 'trial-3', 'answers': 7}, {'exercise': 'trial-3', 'answers': [{'value': {'list': []}}]}, {'points': 100}, {'done': True}): os.write(fd, (json.dumps(line) + chr(10)).encode())\n    except OSError: pass",
    "malformed replies": "import os\nfor fd in range(3, 60):\n    try: os.write(fd, b'[' * 10**5 + b'\\n{\\n' + b'{\"a\": ' * 10**4 + b'\\n' + bytes(range(256)))\n    except OSError: pass",
    "an object equal to all": "class twice:\n    def __init__(self, x): pass\n    def __eq__(self, other): return True\n    __hash__ = None",
    "a patched worker": "import __main__, sys\nfor m in list(sys.modules.values()):\n    if getattr(m, '__file__', '') and 'attempt' in str(m.__file__): m.answers = lambda *a: [{'status': 'correct'}]",
    "a patched worker through its frames": "import sys\nf = sys._getframe()\nwhile f:\n    if 'answers' in f.f_locals or 'attempt' in f.f_locals:\n        a = f.f_locals.get('attempt')\n        if a: a.answers = lambda *a: [{'value': {'plain': True}}] * 9\n    f = f.f_back",
}  # fmt: skip


@pytest.mark.parametrize("what", CHEATS)
def test_no_cheat_earns_a_point(graded, what):
    result = graded(notebook_of(CHEATS[what], *list(HONEST.values())[:2], "def twice(x): return 3 * x"))
    assert statuses(result)[2] != "correct"
    if "worker" not in what:  # these break the submission's own answers
        assert statuses(result)[:2] == ["correct", "correct"]


LOOK = """
import glob, os, subprocess
loot = []
def look(*places):
    for place in places:
        try:
            loot.append(place + ": " + (str(os.listdir(place)) if os.path.isdir(place) else open(place, "rb").read().decode("latin1"))[:2000])
        except OSError:
            pass
"""


def loot_of(sandbox, code):
    """What a submission that collects things in `loot` gets out, judged or not."""
    run = sandbox.run({"cells": [[1, LOOK], [2, code]], "asks": {"x-1": ["loot", None]}})
    (answer,) = next(message["answers"] for message in run.messages if "exercise" in message)
    errors = [message["error"] for message in run.messages if message.get("error")]
    assert errors == []
    return decode(answer["value"])


def test_the_judge_the_pack_and_others_cannot_be_read(sandbox, pack, tmp_path):
    other = tmp_path / "other.ipynb"
    other.write_text("secret")
    root = pathlib.Path(sandbox_module.__file__).resolve().parent.parent
    places = [pack.folder, pack.folder / "pack.json", other, root / "exercises", root / "grading" / "grade.py", root, root.parent.parent / "chapters", "/etc/passwd", "/etc/shadow", "/home", os.environ.get("HOME", "/root") + "/.cache"]  # fmt: skip
    assert loot_of(sandbox, f"look(*{[str(place) for place in places]!r})") == ["/home: ['student']"]


def test_neither_judge_nor_references_can_be_imported(sandbox):
    code = """
import importlib
for name in ("course_utils.exercises.judging", "course_utils.exercises.vanishing", "course_utils.exercises.catalogue",
             "course_utils.grading", "course_utils.grading.grade", "grading_trial", "exercises_1"):
    try: loot.append(importlib.import_module(name).__name__)
    except ImportError: pass
import course_utils.exercises
loot.append(sorted(n for n in dir(course_utils.exercises) if not n.startswith("_")))
"""
    assert loot_of(sandbox, code) == [["check", "hint"]]


def test_an_installed_package_is_covered(sandbox, monkeypatch, tmp_path):
    """Where the package is installed, not linked to its sources, its folder among the packages is empty and stays so."""
    installed = tmp_path / "course_utils"
    installed.mkdir()
    tmp_path.chmod(0o755)
    (installed / "references.py").write_text("secret")
    monkeypatch.setattr(sandbox_module.sysconfig, "get_path", lambda name: str(tmp_path))
    code = f"""
look({str(installed)!r}, {str(installed / "references.py")!r})
try:
    open({str(installed / "x")!r}, "w")
    loot.append("written")
except OSError:
    pass
"""
    assert loot_of(sandbox, code) == [f"{installed}: []"]


def test_the_seed_is_neither_in_the_environment_nor_in_any_frame_or_object(sandbox, pack, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "do not tell")
    code = f"""
import gc, sys
loot += [name for name in os.environ if "SECRET" in name or "TOKEN" in name]
frame = sys._getframe()
while frame:
    loot += [name for name, value in (*frame.f_locals.items(), *frame.f_globals.items()) if isinstance(value, int) and value + 1 == {pack.seed + 1}]
    frame = frame.f_back
loot += ["found" for thing in gc.get_objects() if isinstance(thing, (list, tuple)) for item in thing if isinstance(item, int) and item + 1 == {pack.seed + 1}]
"""
    assert loot_of(sandbox, code) == []


def test_other_processes_are_out_of_sight(sandbox):
    code = """
for pid in filter(str.isdigit, os.listdir("/proc")):
    line = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")[0].decode()
    if os.path.basename(line) not in ("bwrap",) and not os.path.basename(line).startswith("python"): loot.append(line)
    for name in ("environ", "mem", "root", "cwd", "fd"):
        if pid != str(os.getpid()): look(f"/proc/{pid}/{name}")
loot += [str(os.getppid())] if os.getppid() > 2 else []
"""
    assert loot_of(sandbox, code) == []


def test_there_is_no_network(sandbox):
    code = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", 22)), (socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("::1", 22))):
    try:
        with socket.socket(family) as s:
            s.settimeout(1)
            s.connect(address)
        loot.append(str(address))
    except OSError as error:
        if error.errno == 111 and address[0] not in ("127.0.0.1", "::1"): loot.append(str(error))
loot += [name for _, name in socket.if_nameindex() if name not in ("lo",) and open(f"/proc/net/dev").read().count(name)  and not name.startswith(("sit", "ip6", "tun", "gre", "erspan", "tunl"))]
"""
    assert loot_of(sandbox, code) == []


def test_nothing_can_be_written_outside_the_folder_which_is_empty(sandbox):
    code = """
loot += os.listdir(".")
for place in ("/x", "/tmp/x", "/usr/x", "/dev/shm/x", "/home/x", "/etc/x", os.environ["JAX_COMPILATION_CACHE_DIR"] + "/x", loot_file := __import__("attempt").__file__):
    try:
        open(place, "ab").write(b"x")
        loot.append(place)
    except OSError:
        pass
open("here", "w").write("x")
"""
    assert loot_of(sandbox, code) == []
    assert loot_of(sandbox, "loot += os.listdir('.')") == []


def test_it_is_no_privileged_user_and_cannot_become_one(sandbox):
    code = """
loot += [] if os.getuid() > 1000 and os.getgid() > 1000 and os.getgroups() in ([], [os.getgid()]) else ["user"]
for attempt_at in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot("/"), lambda: os.mknod("x", 0o20666, 0x101)):
    try:
        attempt_at()
        loot.append("privilege")
    except OSError:
        pass
status = open("/proc/self/status").read()
loot += [line for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapAmb")) and int(line.split()[1], 16)]
loot += [] if "NoNewPrivs:\\t1" in status else ["new privileges"]
"""
    assert loot_of(sandbox, code) == []


def test_limits_hold_and_cannot_be_raised(sandbox):
    code = """
import resource
for name, most in (("RLIMIT_DATA", 2**30), ("RLIMIT_FSIZE", 16 * 2**20), ("RLIMIT_NPROC", 200), ("RLIMIT_CPU", 150), ("RLIMIT_CORE", 0)):
    hard = resource.getrlimit(getattr(resource, name))[1]
    if not 0 <= hard <= most: loot.append(name)
    try:
        resource.setrlimit(getattr(resource, name), (hard + 1, hard + 1))
        loot.append("raised " + name)
    except (ValueError, OSError):
        pass
"""
    assert loot_of(sandbox, code) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (BESIDE["an endless loop that swallows exceptions"], "longer than 8 s"),
        (BESIDE["a memory bomb in children"], "more than 1 GiB of memory"),
        ("import os\nfor fd in range(3, 60):\n    try:\n        while True: os.write(fd, b'x' * 10**5)\n    except OSError: pass", "wrote more than it may"),
        (BESIDE["an exit"], "ended before it was done"),
    ],
    ids=["time", "memory", "replies", "exit"],
)
def test_what_goes_over_a_limit_is_stopped_and_says_why(sandbox, code, why):
    assert why in sandbox.run({"cells": [[1, code]], "asks": {}}).why


def test_nothing_of_this_machine_is_bound_writable(sandbox):
    """As root the files' owner protects them too; without root only this does."""
    assert "--bind" not in sandbox._bubblewrap(None) and "--bind" in sandbox._bubblewrap(sandbox.cache)


def test_a_submission_cannot_poison_the_compile_cache_for_the_next(tmp_path):
    pack = grading_trial.make_pack(tmp_path, "vanishing-1")
    solution = next(cell.source for cell in pack.notebook().cells if cell.id == "solution-vanishing-1")
    poison = """
import glob, os, jax
folder = os.environ["JAX_COMPILATION_CACHE_DIR"]
for path in glob.glob(folder + "/*") + [folder]:
    for act in (lambda: open(path, "wb").write(b"x"), lambda: os.remove(path), lambda: os.chmod(path, 0o777)):
        try: act()
        except OSError: pass
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x * 7 + 3)(1.0)
"""
    with prepared_sandbox(pack, "namespaces", LIMITS) as sandbox:
        before = {path: path.read_bytes() for path in sandbox.cache.rglob("*") if path.is_file()}
        assert any("jit" in path.name for path in before)
        path = tmp_path / "student.ipynb"
        path.write_text(json.dumps(notebook_of(poison, *HONEST.values(), solution)))
        assert statuses(grade_one(Submission("student", path), pack, sandbox)) == [*ALL, "correct"]
        assert {path: path.read_bytes() for path in sandbox.cache.rglob("*") if path.is_file()} == before
        if os.geteuid() == 0:
            assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in (sandbox.cache, *sandbox.cache.rglob("*")))


def test_the_cache_holds_nothing_of_a_secret_solution(sandbox):
    """What the solutions of one's own exercises compile is not there for a submission to read."""
    assert [path.name for path in sandbox.cache.rglob("*") if path.is_file() and "sqrt" in path.name] == []


def test_a_submission_that_breaks_the_grader_is_a_row_and_the_others_go_on(pack, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("breaks", "works"):
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook_of(*HONEST.values())))

    def fragile(submission, *arguments):
        if submission.student == "breaks":
            raise RuntimeError("unforeseen")
        return grade_one(submission, *arguments)

    monkeypatch.setattr(grade_module, "grade_one", fragile)
    broken, whole = grade_module.grade(pack, [folder], out=tmp_path / "out", limits=LIMITS)
    assert "unforeseen" in broken.problems[0] and not broken.readable and statuses(whole) == ALL
    monkeypatch.undo()
    assert statuses(grade_module.grade(pack, [folder], out=tmp_path / "out", limits=LIMITS)[0]) == ALL


def assigned(pack):
    """The student's notebook with honest answers in the place of the stubs."""
    notebook = json.loads((pack.folder.parent / "trial.ipynb").read_text())
    for cell in notebook["cells"]:
        if cell["id"].startswith("stub-"):
            cell["source"] = HONEST[cell["id"].removeprefix("stub-")]
    return notebook


def stripped_of_metadata(notebook):
    notebook["metadata"] = {}
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    return notebook


def without_checks(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if "check" not in cell["id"] and cell["cell_type"] == "code"]
    return notebook


def duplicated(notebook):
    blanks = [{**cell, "source": grading_trial.STUBS[cell["id"].removeprefix("stub-")][0]} for cell in notebook["cells"] if cell["id"].startswith("stub-")]  # fmt: skip
    notebook["cells"] = notebook["cells"] + blanks
    return notebook


def reordered(notebook):
    notebook["cells"] = notebook["cells"][::-1]
    return notebook


@pytest.mark.parametrize("change", [stripped_of_metadata, without_checks, duplicated, reordered], ids=lambda f: f.__name__)
def test_a_notebook_mangled_by_its_editor_keeps_its_points(pack, graded, change):
    assert statuses(graded(change(assigned(pack)))) == ALL


@pytest.mark.parametrize("minor", range(6))
def test_every_notebook_format_of_version_4_is_read(graded, minor):
    assert statuses(graded(notebook_of(*HONEST.values(), minor=minor))) == ALL


def test_a_cell_that_uses_what_a_later_cell_defines_gets_a_second_try(graded):
    assert statuses(graded(notebook_of("half = one() / 2", "def one(): return 1.0", HONEST["trial-1"], HONEST["trial-3"]))) == ALL


def test_an_answer_is_asked_with_the_names_of_its_own_moment(graded):
    """A later cell that calls something else by the same name does not change an earlier answer; a helper may come later."""
    first = "power = 2\ndef length(x):\n    return root(sum(x**power))"
    later = "power = 1\nfactor = 2\ndef root(x): return x**0.5\ndef twice(x):\n    return factor * x**power"
    assert statuses(graded(notebook_of(first, "half = 0.5", later, "factor = 9; x = 3"))) == ALL


def test_windows_line_ends_a_byte_order_mark_and_lists_of_lines(graded):
    sources = [source.replace("\n", "\r\n").splitlines(keepends=True) for source in HONEST.values()]
    text = json.dumps(notebook_of(*sources), indent=1).replace("\n", "\r\n")
    assert statuses(graded(b"\xef\xbb\xbf" + text.encode())) == ALL


def test_a_notebook_of_50_megabytes(graded):
    notebook = notebook_of(*HONEST.values())
    notebook["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}]
    assert statuses(graded(notebook)) == ALL


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"%PDF-1.4", "not JSON"),
        (b"\xff\xfe\x00", "not text"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no cells"),
        (b"[1, 2]", "no cells"),
        (b'{"cells": 3}', "no cells"),
        (b'{"worksheets": [], "nbformat": 3}', "old format"),
        (json.dumps(notebook_of("x = 1\n" * 10**6)).encode(), "longer than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unreadable_file_says_why(graded, content, reason):
    result = graded(content)
    assert not result.readable and reason in result.problems[0] and statuses(result) == ["not attempted"] * 3


def test_odd_cells_are_passed_over(graded):
    notebook = notebook_of(*HONEST.values())
    notebook["cells"] += [None, 3, {"cell_type": "code"}, {"cell_type": "code", "source": None}, {"cell_type": "code", "source": [1, None]}, {"source": "x"}]
    assert statuses(graded(notebook)) == ALL


def test_the_line_that_failed_is_named(graded):
    result = graded(notebook_of("def length(x):\n    y = x + 1\n    return y / nothing", "half = 1 / 0", "def twice(x) return x"))
    assert "In line 3: return y / nothing" in result.outcomes[0].told
    assert "The cell that defines half failed" in result.outcomes[1].told and "ZeroDivisionError" in result.outcomes[1].told
    assert "SyntaxError" in result.outcomes[2].told and "def twice(x) return x" in result.outcomes[2].told


def test_a_system_that_cannot_isolate_is_told_so_and_nothing_runs(monkeypatch, tmp_path, pack):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(sandbox_module.IsolationError, match="bubblewrap"):
        sandbox_module.Sandbox(tmp_path, "namespaces")
