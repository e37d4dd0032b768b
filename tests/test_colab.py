"""Colab's versions: Google's list, the file made from it, and the environment installed from that."""

import importlib.metadata
import pathlib
import subprocess
import sys
import tomllib

import colab
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "requirements-colab.txt").read_text(encoding="utf-8")
PINS = colab.read_pins(TEXT)
# DESIGN.md, section 6.
DESIGN = {
    "jax": "0.7.2", "jaxlib": "0.7.2", "optax": "0.2.8", "matplotlib": "3.10.0", "numpy": "2.1.3", "scikit-learn": "1.6.1",
    "ipywidgets": "7.7.1", "anywidget": "0.9.21", "ipython": "7.34.0", "ipykernel": "6.17.1", "nbclient": "0.10.4", "nbformat": "5.11.1",
}  # fmt: skip


# The file.


def test_it_pins_what_the_design_names():
    """A later list has other versions, of the same packages."""
    assert set(DESIGN) <= set(PINS.colab)
    assert PINS.date > "2026-08-19" or {name: PINS.colab[name] for name in DESIGN} == DESIGN


def test_all_that_the_wheel_needs_is_in_colab_already():
    """So that the set-up cell installs the package and nothing else."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for requirement in map(Requirement, needed):
        assert requirement.specifier.contains(PINS.colab[canonicalize_name(requirement.name)]), requirement


def test_it_pins_what_pyproject_asks_for_now():
    pinned = {**PINS.colab, **PINS.ours}
    for requirement in map(Requirement, colab.wanted()):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), f"{requirement}: run make colab-list"


def test_it_is_written_by_the_tool_and_not_by_hand():
    assert colab.write_pins(PINS) == TEXT
    assert "jedi" not in PINS.colab and "ask for jedi" in TEXT
    assert "ask for jedi" not in colab.write_pins(PINS._replace(colab={**PINS.colab, "jedi": "0.20"}))


# The environment.

# `make drift` runs the tests of `make test-colab` too, with other versions.
in_colabs_environment = pytest.mark.skipif(pathlib.Path(sys.prefix) != ROOT / ".venv-colab", reason="not in .venv-colab")


@pytest.mark.slow
@pytest.mark.colab
@in_colabs_environment
def test_this_environment_holds_these_versions_and_nothing_else():
    lines = [Requirement(f"{name}=={version}") for name, version in {**PINS.colab, **PINS.ours}.items()]
    expected = {line.name: str(line.specifier)[2:] for line in lines if not line.marker or line.marker.evaluate()}
    installed = {canonicalize_name(package.name): package.version for package in importlib.metadata.distributions()}
    installed.pop("course-utils")
    assert installed == expected, "run make test-colab"


@pytest.mark.slow
@pytest.mark.colab
@in_colabs_environment
def test_nothing_is_missing_here_but_what_colab_takes_out():
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True).stdout.splitlines()
    assert check == [f"ipython {PINS.colab['ipython']} requires jedi, which is not installed."]


@pytest.mark.parametrize(
    ("script", "chosen"), [("exit 1", "fallback"), ("echo /here/python3.13", "/here/python3.13"), (None, "fallback")]
)
def test_make_takes_colabs_python_only_where_it_runs(tmp_path, script, chosen):
    make = subprocess.run(["sh", "-c", "command -v make"], capture_output=True, text=True).stdout.strip()
    for name in ("sh", "echo"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    if script:
        (tmp_path / "python3.13").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "python3.13").chmod(0o755)
    run = subprocess.run(
        [make, "-n", "-W", "pyproject.toml", ".venv-colab/ready", "PYTHON=fallback"],
        cwd=ROOT, capture_output=True, text=True, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert f"\n{chosen} -m venv --clear .venv-colab\n" in f"\n{run.stdout}"
    assert f"python{colab.PYTHON} " in (ROOT / "Makefile").read_text()


# The tool, on planted lists.

GOOGLES = """\
# Do not modify this file directly.
Jinja2==3.1.6
jax==0.7.2
torch==2.11.0+cpu

en_core_web_sm @ https://example.org/en_core_web_sm-3.8.0-py3-none-any.whl#sha256=0
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
-e git+https://example.org/some.git#egg=some
jupyter_client==7.4.9
"""
LISTED = {"jinja2": "3.1.6", "jax": "0.7.2", "torch": "2.11.0+cpu", "jupyter-client": "7.4.9"}


def test_a_list_is_read_as_google_writes_it():
    assert colab.read_list(GOOGLES) == LISTED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!DOCTYPE html>\n<html>", "line 1 is not name==version: '<!DOCTYPE html>'"),
        ("404: Not Found", "line 1"),
        ("jax==0.7.2\njax>=0.7", "line 2"),
        ("jax==0.7.2\nnumpy", "line 2"),
        ("jax==0.7.2,!=0.7.3", "line 1"),
        ("jax==", "line 1"),
        ("jax==0.7.*", "line 1"),
        ("# nothing\n", "it names no package"),
        ("", "it names no package"),
    ],
)
def test_a_malformed_list_is_told_so(text, says):
    with pytest.raises(ValueError, match="^" + says):
        colab.read_list(text)


def planted_uv(requirements, constraints, absent, *, place, date, kept):
    """What uv would find: a planted need of each place, at Google's version or else at 1.0."""
    assert date == "2026-09-30" and "jax>=0.7.2" in requirements and "ruff" not in requirements
    names = {"jax", "jinja2", "pytest-xdist", *([] if "jedi" in absent else ["jedi"])}
    names |= {"overrides"} if place[0] == "3.11" else set()
    names |= {"appnope"} if place[1] == "macos" else {"jupyter-client"}
    return {name: constraints.get(name, "1.0") for name in names}


def test_pins_stand_with_colabs_or_with_ours_and_a_place_of_its_own_is_marked():
    pins = colab.resolve(LISTED, "2026-09-30", "", planted_uv)
    assert pins.colab == {"jax": "0.7.2", "jinja2": "3.1.6", "jupyter-client": "7.4.9"}
    assert pins.ours == {
        "pytest-xdist": "1.0", "overrides": "1.0 ; python_version < '3.13'", "appnope": "1.0 ; sys_platform == 'darwin'",
    }  # fmt: skip
    assert colab.resolve({**LISTED, "jedi": "0.19"}, "2026-09-30", "", planted_uv).colab["jedi"] == "0.19"
    assert colab.read_pins(colab.write_pins(pins)) == pins


def test_another_place_that_cannot_take_the_pins_is_told_and_left_out(capsys):
    def only_where_colab_is(*arguments, place, **more):
        if place != ("3.13", "linux"):
            raise ValueError(f"nothing for {place}")
        return planted_uv(*arguments, place=place, **more)

    assert set(colab.resolve(LISTED, "2026-09-30", "", only_where_colab_is).ours) == {"pytest-xdist"}
    assert "Nothing for where python_version < '3.13': nothing for ('3.11', 'linux')" in capsys.readouterr().err

    def nowhere(*arguments, place, **more):
        raise ValueError(f"nothing for {place}")

    with pytest.raises(ValueError, match=r"3\.13.*linux"):
        colab.resolve(LISTED, "2026-09-30", "", nowhere)


def test_changes_name_package_old_new_and_who_ships_it():
    old = colab.Pins("2026-08-19", {"jax": "0.7.2", "beartype": "0.22", "six": "1.17", "same": "1"}, {"jedi": "0.20", "pytest": "8"})
    new = colab.Pins("2026-09-30", {"jax": "0.8.0", "jedi": "0.20", "same": "1"}, {"beartype": "0.22", "pytest": "9", "pyee": "13"})
    assert [line.split(maxsplit=3) for line in colab.changes(old, new)] == [
        ["beartype", "0.22", "0.22", "Colab ships it no more"],
        ["jax", "0.7.2", "0.8.0"],
        ["jedi", "0.20", "0.20", "Colab ships it"],
        ["pyee", "-", "13"],
        ["pytest", "8", "9"],
        ["six", "1.17", "-", "not needed any more"],
    ]
    assert colab.changes(old, old._replace(date="2026-09-30")) == []


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A requirements-colab.txt from an older list."""
    path = tmp_path / "requirements-colab.txt"
    old = colab.Pins("2026-08-19", {"jax": "0.7.1", "jinja2": "3.1.6", "jupyter-client": "7.4.9"}, {"pytest-xdist": "1.0"})
    path.write_text(colab.write_pins(old))
    monkeypatch.setattr(colab, "FILE", path)
    return path


def test_the_command_says_what_changed_and_a_check_changes_nothing(file, tmp_path, capsys):
    googles, before = tmp_path / "pip-freeze-2026-09-30.txt", file.read_text()
    googles.write_text(GOOGLES)
    assert colab.main(["--from", str(googles), "--check"], planted_uv) == 1
    assert capsys.readouterr().out.splitlines()[1].split() == ["jax", "0.7.1", "0.7.2"]
    assert file.read_text() == before
    assert colab.main(["--from", str(googles)], planted_uv) == 0
    assert "list of 2026-09-30" in file.read_text() and "\njax==0.7.2\n" in file.read_text()
    capsys.readouterr()
    written = file.read_bytes()
    assert colab.main(["--from", str(googles), "--check"], planted_uv) == 0
    assert colab.main(["--from", str(googles)], planted_uv) == 0
    assert capsys.readouterr().out == "Nothing changed.\n" * 2 and file.read_bytes() == written


def test_the_command_says_what_is_wrong_and_changes_nothing(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(colab, "LIST", "http://127.0.0.1:9/pip-freeze.txt")
    undated, malformed = tmp_path / "list.txt", tmp_path / "2026-09-30.txt"
    undated.write_text(GOOGLES)
    malformed.write_text("<!DOCTYPE html>\n")
    before = file.read_text()
    for arguments, says in [
        ([], "did not answer"),
        ([], "make colab-list FROM=FILE"),
        (["--from", str(tmp_path / "none.txt")], "No such file"),
        (["--from", str(undated)], "DATE="),
        (["--from", str(malformed)], "line 1 is not name==version"),
    ]:
        assert colab.main(arguments, planted_uv) == 2
        assert says in capsys.readouterr().err
    assert colab.main(["--from", str(undated), "--date", "2026-09-30"], planted_uv) == 0
    assert file.read_text() != before
