"""`make drift`: what differs from the lock, and which tests fail with it."""

import os
import pathlib
import subprocess
import sys

import drift
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCK = """\
# Made by hand.
jax==0.10.2 ; python_full_version < '3.4'
jax==0.12.0.1 ; python_full_version >= '3.4'
winpty==3.1.2 ; os_name == 'nowhere'
Sphinx_Book.Theme==1.3.0
same==1.0
gone==2.0
"""


def test_only_what_differs_is_told():
    newest = {"jax": "0.13", "sphinx-book-theme": "1.4", "same": "1.0", "new": "3.0", "pip": "30", "course-utils": "0.1"}
    rows = drift.versions(drift.locked(LOCK), newest).splitlines()
    assert rows[0].startswith("### 4 versions differ from the lock, on Python 3.")
    assert rows[4:] == [
        "| gone | 2.0 | none |",
        "| jax | 0.12.0.1 | 0.13 |",
        "| new | none | 3.0 |",
        "| sphinx-book-theme | 1.3.0 | 1.4 |",
    ]


def test_nothing_differs_where_nothing_does():
    report = drift.versions({"same": "1.0"}, {"same": "1.0", "pip": "30"})
    assert report.startswith("### 0 versions differ") and "|" not in report


@pytest.mark.lock
def test_this_environment_holds_the_lock():
    locked, installed = drift.locked((ROOT / "requirements.txt").read_text(encoding="utf-8")), drift.installed()
    assert {name: installed.get(name) for name in locked} == locked


def run(tmp_path, *arguments):
    """The command with pytest's arguments; its status, what it printed, and the summary."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "drift.py", "-p", "no:cacheprovider", *arguments],
        env={**os.environ, "GITHUB_STEP_SUMMARY": str(summary)}, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout, summary.read_text()


def test_a_failure_is_named_in_the_summary_and_the_status(tmp_path):
    trial = tmp_path / "test_trial.py"
    trial.write_text(
        "import pytest\n@pytest.fixture\ndef broken(): raise OSError\n"
        "def test_well(): pass\ndef test_ill(): assert False\ndef test_broken(broken): pass\n"
    )
    status, printed, summary = run(tmp_path, "-n", "1", str(trial))
    assert status == 1
    first, last = summary.index("versions differ from the lock"), summary.index("### 2 of 3 tests failed")
    assert summary.startswith("# Before\n") and first < last
    assert "::test_ill`" in summary and "::test_broken`" in summary and "test_well" not in summary
    assert "### 2 of 3 tests failed" in printed


def test_success_is_told_too(tmp_path):
    trial = tmp_path / "test_trial.py"
    trial.write_text("def test_well(): pass\n")
    status, _, summary = run(tmp_path, str(trial))
    assert status == 0 and "### 0 of 1 tests failed" in summary


def test_tests_that_do_not_start_are_no_success(tmp_path):
    status, _, summary = run(tmp_path, "--no-such-option")
    assert status and "### The tests did not start" in summary
