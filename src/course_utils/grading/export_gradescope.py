"""Exports a pack as the zip file of a Gradescope autograder."""

import importlib.metadata
import pathlib
import re
import zipfile

from .packs import Pack
from .sandbox import PACKAGE

_SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, to make the image in which submissions are graded.
set -euo pipefail
cd "$(dirname "$0")"
for version in 3.13 3.12 3.11; do
  apt-get install -y "python$version" "python$version-venv" && python="python$version" && break
done
"${python:?no Python of at least 3.11 here: choose a newer base image}" -m venv /autograder/venv
/autograder/venv/bin/pip install --quiet -r requirements.txt
# Submissions run as another user: nothing here is theirs to read.
chmod -R go-rwx .
"""
_RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission, as root, in a container of its own.
root="${AUTOGRADER:-/autograder}"
chmod -R go-rwx "$root/source" "$root/results" "$root/submission"
export PYTHONPATH="$root/source/lib" COURSE_UTILS_CACHE="$root/cache"
exec "$root/venv/bin/python" -s -m course_utils.grading.autograder "$root"
"""


def export_gradescope(pack: Pack, out: pathlib.Path) -> None:
    """Write the zip file: the pack, the package as installed here, and the two scripts that Gradescope runs.

    Args:
        pack: the assignment.
        out: the zip file to make.

    Raises:
        ValueError: where the file exists, or is not called ``.zip``.
    """
    if out.suffix != ".zip":
        raise ValueError(f"the file must be called .zip, got {out}")
    if out.exists():
        raise ValueError(f"{out} exists: name a file that does not exist yet")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (("setup.sh", _SETUP), ("run_autograder", _RUN)):
            entry = zipfile.ZipInfo(name, date_time=(2000, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            file.writestr(entry, text)
        file.writestr("requirements.txt", "".join(f"{line}\n" for line in _requirements()))
        for path in sorted(pack.folder.iterdir()):
            file.write(path, f"pack/{path.name}")
        for path in sorted(PACKAGE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                file.write(path, f"lib/{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}")


def _requirements() -> list[str]:
    """What the package and the grader need, at the versions installed here."""
    names = set()
    for line in importlib.metadata.requires("course_utils") or []:
        requirement, _, marker = line.partition(";")
        if not marker or re.fullmatch(r"\s*extra == ['\"]grade['\"]\s*", marker):
            names.add(re.match(r"[\w.-]+", requirement)[0])
    return sorted(f"{name}=={importlib.metadata.version(name)}" for name in names)
