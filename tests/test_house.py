"""What holds the repository together."""

import ast
import doctest
import importlib
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

import course_utils
from course_utils.exercises.catalogue import CHAPTERS
from course_utils.grading.set_up import set_up_source

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "course_utils"
# The order of imports: the public modules, with the norm engine below gradients and private ones where they are used.
ORDER = [
    "_build",
    "_checks",
    "_hosts",
    "_kept",
    "_ahead_of_time",
    "_partial",
    "_programs",
    "_shapes",
    "datasets",
    "initializers",
    "networks",
    "norm_engine",
    *list(course_utils._PUBLIC)[3:],
]
ORDER.insert(ORDER.index("explorer"), "_explorer_base")
ORDER.insert(ORDER.index("training_sweep"), "training_engine")
# The same inside the two packages at the end, which know of all above them.
EXERCISES = ["attempt", "exercise", "verdicts", "judging", "reference", *CHAPTERS, "catalogue", "student", "asserting"]
GRADING = [
    "notebooks", "set_up", "proof", "packs", "assign", "submissions", "worker", "sandbox", "collect", "grade", "reports", "autograder",
    "export_nbgrader", "export_gradescope", "export_canvas", "cli",
]  # fmt: skip
WHOLE_ORDER = [
    *(name for name in ORDER if name != "exercises"),
    *(f"exercises.{name}" for name in EXERCISES),
    "exercises",
    *(f"grading.{name}" for name in GRADING),
    "grading",
    "__main__",
]


def tracked():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).exists()]


def source_of(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported_by(module):
    """The modules of ours that a module imports, as they stand in the order."""
    inside = module.split(".") if source_of(module).name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source_of(module).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        start = inside[: len(inside) + 1 - node.level]
        for alias in node.names:
            whole = ".".join([*start, *(node.module.split(".") if node.module else [alias.name])])
            if whole in WHOLE_ORDER:
                yield whole
            else:
                assert alias.name in ("__version__", "attempt") or whole == "", f"{module} imports {whole}.{alias.name}"


@pytest.mark.parametrize("module", WHOLE_ORDER)
def test_imports_run_one_way(module):
    for name in imported_by(module):
        assert WHOLE_ORDER.index(name) < WHOLE_ORDER.index(module), f"{module} imports {name}"


def test_no_module_is_left_out_of_the_order():
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")}
    assert names - {"__init__"} == set(WHOLE_ORDER)


DOCUMENTED = [*(name for name in course_utils._PUBLIC if name != "exercises")]
DOCUMENTED += [f"exercises.{name}" for name in ("exercise", "verdicts", "student", "asserting")]


@pytest.mark.parametrize("module", DOCUMENTED)
def test_examples_in_docstrings_run(module):
    import jax
    import jax.numpy as jnp

    results = doctest.testmod(
        importlib.import_module(f"course_utils.{module}"), extraglobs={"jax": jax, "jnp": jnp}
    )
    assert results.attempted > 0 and results.failed == 0


def test_every_public_name_exists_and_is_documented():
    for name in course_utils._MODULE_OF:
        value = getattr(course_utils, name)
        assert not callable(value) or value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        getattr(course_utils, "tarin")  # noqa: B009


def test_importing_the_package_loads_neither_jax_nor_matplotlib():
    check = "import sys, course_utils; print([m for m in ('jax', 'matplotlib', 'ipywidgets', 'sklearn') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.lock
def test_the_lock_pins_all_and_names_no_host():
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all("==" in line for line in lines)
    assert "://" not in "\n".join(lines)
    for line in lines:
        name, _, version = line.split(" ;")[0].partition("==")
        if " ;" not in line:
            assert importlib.metadata.version(name.split("[")[0]) == version, f"{name}: run make"


def test_nothing_tracked_names_a_machine_or_a_registry():
    ours = [
        path
        for path in tracked()
        if path.suffix in (".py", ".md", ".ipynb", ".js", ".mjs", ".json", ".toml", ".txt", ".yml", ".css")
        or path.name in ("Makefile", "run")
    ]
    pattern = re.compile("/[w]ork/|/[r]oot/|[r]egistry.npmjs|[f]iles.pythonhosted|[p]ypi.org/simple")
    assert [
        path.name
        for path in ours
        if "mathjax" not in path.parts and pattern.search(path.read_text(encoding="utf-8"))
    ] == []


def test_make_help_lists_every_target():
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"book", "test"} <= set(targets)
    assert all(f"make {target} " in text for target in targets)


def test_an_old_python_is_told_so(tmp_path):
    old = tmp_path / "oldpython"
    old.write_text("#!/bin/sh\necho 'The course needs Python 3.11' >&2\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    run = subprocess.run(["make", "book", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode and "3.11" in run.stderr and not (tmp_path / ".venv").exists()


@pytest.mark.slow
@pytest.mark.lock
def test_a_false_claim_fails_the_build_with_chapter_cell_and_statement(tmp_path):
    book = tmp_path / "book"
    (book / "chapters").mkdir(parents=True)
    cells = [nbformat.v4.new_markdown_cell("# Trial"), nbformat.v4.new_code_cell(set_up_source()),
             nbformat.v4.new_code_cell("from course_utils import claim"),
             nbformat.v4.new_code_cell("claim('water is dry', 1 > 2, measured=1)")]  # fmt: skip
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "chapters" / "trial.ipynb")
    (book / "_toc.yml").write_text("format: jb-book\nroot: chapters/trial\n")
    (book / "_config.yml").write_text("execute:\n  execute_notebooks: cache\n")
    build = [sys.executable, ROOT / "tools" / "build_book.py", "--source", book]
    run = subprocess.run(build, capture_output=True, text=True, env={**os.environ, "XLA_FLAGS": ""})
    assert run.returncode == 1
    block = run.stderr[run.stderr.index("The book was not built") :]
    assert (
        "trial" in block
        and "claim('water is dry'" in block
        and "ClaimError" in block
        and "water is dry [measured 1]" in block
    )


TRIAL = """\
import pathlib, sys; sys.path.insert(0, {tools!r})
import build_book; build_book.ROOT = pathlib.Path({book!r})
sys.exit(build_book.build(build_book.ROOT))"""


@pytest.mark.slow
@pytest.mark.lock
def test_a_build_runs_what_changed_and_the_last_chapter_sees_every_claim(tmp_path):
    """A book of two chapters with a package of its own: built, built again, and after each kind of change."""
    (tmp_path / "chapters").mkdir()
    shutil.copytree(PACKAGE, tmp_path / "src" / "course_utils")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/01_trial\nchapters:\n- file: chapters/11_claims\n")
    (tmp_path / "_config.yml").write_text("title: Trial\nexecute:\n  execute_notebooks: cache\n")
    (tmp_path / "requirements.txt").write_text("")

    def chapter(name, *sources):
        cells = [nbformat.v4.new_markdown_cell(f"# {name}"), *map(nbformat.v4.new_code_cell, [set_up_source(), *sources])]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapters" / f"{name}.ipynb")

    def build():
        script = TRIAL.format(tools=str(ROOT / "tools"), book=str(tmp_path))
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "XLA_FLAGS": ""})
        assert run.returncode == 0, run.stdout + run.stderr
        page = (tmp_path / "_build" / "html" / "chapters" / "11_claims.html").read_text(encoding="utf-8")
        return re.findall(r"executed \d of \d: (\w+)", run.stdout), page

    chapter("01_trial", "from course_utils import claim", "claim('Water is wet', 2 > 1, measured=2)")
    chapter("11_claims", "from course_utils import read_claims, statements_table", "statements_table(read_claims())")
    executed, page = build()
    assert executed == ["01_trial", "11_claims"] and "Water is wet" in page
    assert build() == ([], page)
    chapter("01_trial", "from course_utils import claim", "claim('Fire is hot', 2 > 1, measured=2)")
    executed, page = build()
    assert executed == ["01_trial", "11_claims"] and "Fire is hot" in page and "Water is wet" not in page
    (tmp_path / "src" / "course_utils" / "new.py").write_text("")
    assert build()[0] == ["01_trial", "11_claims"]
