"""Say which of the newest versions differ from the lock, and run the tests with them.

    python tools/drift.py [PYTEST'S ARGUMENTS]

`make drift` runs it in an environment that it fills with the newest versions that pyproject.toml allows. The report is
printed, and on GitHub it is the run's summary too.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parent.parent


def locked(lock: str) -> dict[str, str]:
    """Name and version of what a lock asks for on this Python and this system."""
    lines = [line for line in lock.splitlines() if line and not line.startswith("#")]
    wanted = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in wanted}


def installed() -> dict[str, str]:
    """Name and version of what this environment holds."""
    return {canonicalize_name(one.name): one.version for one in importlib.metadata.distributions()}


def versions(lock: dict[str, str], newest: dict[str, str]) -> str:
    """A table of what differs, as Markdown."""
    differing = {name for name in {*lock, *newest} if lock.get(name) != newest.get(name)}
    names = sorted(differing - {"course-utils", "pip"})
    rows = [f"| {name} | {lock.get(name, 'none')} | {newest.get(name, 'none')} |" for name in names]
    title = f"### {len(names)} versions differ from the lock, on Python {sys.version.split()[0]}"
    return "\n".join([title, "", *(["| package | lock | newest |", "|---|---|---|", *rows] if rows else [])])


def failures(report: pathlib.Path) -> str:
    """The tests that failed, of a report in JUnit's format, as Markdown."""
    if not report.exists():
        return "### The tests did not start"
    cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    names = [f"- `{case.get('classname')}::{case.get('name')}`" for case in failed]
    return "\n".join([f"### {len(failed)} of {len(cases)} tests failed", "", *names])


def say(text: str) -> None:
    """Print a part of the report, and add it to the summary of the run where there is one."""
    print(text, flush=True)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as summary:
            summary.write(f"{text}\n\n")


def main(arguments: list[str]) -> int:
    say(versions(locked((ROOT / "requirements.txt").read_text(encoding="utf-8")), installed()))
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        pytest = [sys.executable, "-m", "pytest", f"--junit-xml={report}", *arguments]
        code = subprocess.run(pytest, cwd=ROOT).returncode
        say(failures(report))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
