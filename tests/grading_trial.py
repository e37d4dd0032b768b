"""A small assignment for the tests of the grader, and submissions to it."""

import pathlib
import shlex
import sys

import nbformat

from course_utils.grading.assign import assign
from course_utils.grading.set_up import set_up_source

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
EXERCISES = '''
import numpy as np
from course_utils.exercises import Exercise, Mistake, equals


def vectors(rng):
    for size in (3, 5):
        yield (rng.normal(size=size),)


length = Exercise(
    id="trial-1", name="length", title="Length of a vector", level="easy", skills=("norms",),
    hints=("Pythagoras.", "Squares, sum, root."), cases=vectors,
    verdict=equals(np.linalg.norm, {"this is the squared length: take the root": lambda x: (x**2).sum()}),
    mistakes=(
        Mistake("def length(x): return (x**2).sum()", "take the root"),
        Mistake("def length(x): return abs(x).sum()", "too large"),
        Mistake("def length(x): return x", "one number"),
    ),
)
answer = Exercise(
    id="trial-2", name="half", title="Half", level="medium", skills=("numbers",), hints=("Two of it make one.", "1 / 2."),
    verdict=equals(lambda: 0.5, {"this is the double": lambda: 2.0}),
    mistakes=(Mistake("half = 2.0", "double"), Mistake("half = 5.0", "too large"), Mistake("half = 0.05", "too small")),
)
twice = Exercise(
    id="trial-3", name="twice", title="Twice a vector", level="medium", skills=("arrays",), hints=("Add it to itself.", "2 x."),
    cases=vectors, verdict=equals(lambda x: 2 * x, {"this is the square": lambda x: x**2}),
    mistakes=(
        Mistake("def twice(x): return x * x", "square"),
        Mistake("def twice(x): return x[0]", "shape"),
        Mistake("def twice(x): return 2.5 * x", "too large"),
    ),
)
EXERCISES = [length, answer, twice]
'''
STUBS = {
    "trial-1": ('def length(x):\n    """The length of x."""\n    raise NotImplementedError', 'import jax.numpy as jnp\ndef length(x):\n    """The length of x."""\n    return jnp.sqrt(jnp.sum(x * x))', "length"),
    "trial-2": ("half = ...", "half = 0.5", "half"),
    "trial-3": ('def twice(x):\n    """Twice x."""\n    ...', 'def twice(x):\n    """Twice x."""\n    return 2 * x', "twice"),
}  # fmt: skip
HONEST = {id: solution for id, (_, solution, _) in STUBS.items()}


def make_pack(folder: pathlib.Path, *more: str):
    """The pack of the trial assignment, in a folder of its own, with more exercises of the course's if named."""
    own = folder / "own"
    own.mkdir(parents=True)
    (own / "exercises.py").write_text(EXERCISES)
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [md("# Trial"), code(set_up_source())]
    for id, (stub, solution, name) in STUBS.items():
        cells += [md(f"### {id}\n\nDo it."), code(stub), code(f'check("{id}", {name})'), code(solution, metadata={"tags": ["solution"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), own / "exercises.ipynb")
    return assign([*STUBS, *more], title="Trial", out=folder / "assignment", chapters=CHAPTERS, own_folders=[own])


def open_to_others(hold: pathlib.Path, *command) -> list[str]:
    """The command line that runs another one where other users may enter Python's folder and this one, as they may on
    most machines: in a mount name space, with an empty folder over each one that is in the way. ``hold`` is a folder
    for this alone."""
    closed = {}
    for folder in (pathlib.Path(sys.base_prefix), ROOT):
        if above := next((one for one in reversed(folder.parents) if not one.stat().st_mode & 0o001), None):
            closed[folder] = above
    held = {folder: hold / str(number) for number, folder in enumerate(closed)}
    steps = [
        *(["mkdir", "-p", place] for place in held.values()),
        *(["mount", "--bind", folder, place] for folder, place in held.items()),
        *(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", above] for above in set(closed.values())),
        *(["mkdir", "-p", folder] for folder in held),
        *(["mount", "--bind", place, folder] for folder, place in held.items()),
    ]
    script = ["set -e", *(shlex.join(map(str, step)) for step in steps), 'exec "$@"']
    return ["unshare", "--mount", "bash", "-c", "\n".join(script), "open", *map(str, command)]


def notebook_of(*sources, minor=5):
    """A notebook of code cells, as JSON data."""
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source} for source in sources]
    if minor >= 5:
        cells = [{**cell, "id": f"c{i}"} for i, cell in enumerate(cells)]
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells}
