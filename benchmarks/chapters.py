"""Seconds from the set-up cell to the last cell of each chapter, one after the other, on a fresh machine.

    make bench                                        all rows, these among them
    .venv-colab/bin/python benchmarks/chapters.py     these alone, with Colab's versions; name chapters to run only them

Wall-clock time, since that is what a reader waits. The package comes from a wheel: no network's speed is in the figures.
"""

import pathlib
import sys
import tempfile

import nbformat

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))


def main(names: list[str]) -> None:
    """Run the chapters whose names begin so, or all, and print a line for each."""
    from fresh import run_as_a_reader

    from course_utils.grading.set_up import build_wheel, with_set_up

    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        if names and not path.name.startswith(tuple(names)):
            continue
        with tempfile.TemporaryDirectory() as folder:
            wheel = build_wheel(ROOT, pathlib.Path(folder))
            notebook = with_set_up(nbformat.read(path, as_version=4), str(wheel))
            took = run_as_a_reader(notebook, timeout=300)
        print(
            f"{'set-up to last cell, ' + path.stem:58} {took.seconds:7.1f} s  target < 90 s, "
            f"peak {took.peak_bytes / 1e6:5.0f} MB  target ≤ 1500 MB",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
