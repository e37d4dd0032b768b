"""The set-up cell that every chapter begins with: one source, written into the chapters from here.

python tools/setup_cell.py           tells which chapters differ
python tools/setup_cell.py --write   mends them
"""

import pathlib
import sys

import nbformat

CHAPTERS = pathlib.Path(__file__).resolve().parent.parent / "chapters"

SOURCE = """\
# Set-up: the course's package must be installed where this notebook runs.
try:
    import course_utils
except ImportError:
    raise SystemExit(
        "This notebook needs the package course_utils. "
        "In the course's folder, run `pip install .`, then run this cell again."
    ) from None"""


def main(arguments: list[str]) -> int:
    differing = 0
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        if first.source == SOURCE:
            continue
        differing += 1
        print(f"{path.name}: the first code cell is not the set-up cell")
        if "--write" in arguments:
            first.source = SOURCE
            nbformat.write(notebook, path)
    return 1 if differing and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
