"""A pack: what the instructor keeps to grade one assignment. It holds a secret seed, so it is never handed out."""

import hashlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterable
from typing import NamedTuple

import nbformat

from .. import __version__
from ..exercises.catalogue import by_id, course_exercises, load_exercises, pick
from ..exercises.exercise import Exercise
from .notebooks import read_notebook

FORMAT = 1
DESCRIPTION, NOTEBOOK = "pack.json", "with_solutions.ipynb"


class Pack(NamedTuple):
    """One assignment, as the grader knows it."""

    folder: pathlib.Path
    title: str
    due: str
    seed: int
    exercises: dict[str, Exercise]
    own: frozenset[str]
    """The ids of the exercises that are not the course's."""

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises.values())

    @property
    def slug(self) -> str:
        """The title as the name of a file."""
        return slug(self.title)

    def notebook(self) -> nbformat.NotebookNode:
        """The assignment with its solutions."""
        return read_notebook(self.folder / NOTEBOOK)

    def fingerprint(self) -> str:
        """A digest of all that grades depend on."""
        digest = hashlib.sha256(__version__.encode())
        for path in sorted(self.folder.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


def slug(text: str) -> str:
    """A text as the name of a file: lower-case letters, digits and hyphens."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return "-".join(kept.split())[:80] or "unnamed"


def write_pack(
    folder: pathlib.Path,
    *,
    title: str,
    due: str,
    ids: Iterable[str],
    own_files: Iterable[pathlib.Path],
    notebook,
) -> Pack:
    """Make a pack with a fresh seed, readable by its owner only."""
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    copies = []
    for number, path in enumerate(own_files, 1):
        copies.append(f"exercises_{number}.py")
        shutil.copyfile(path, folder / copies[-1])
    nbformat.write(notebook, folder / NOTEBOOK)
    description = {
        "format": FORMAT,
        "course_utils": __version__,
        "title": title,
        "due": due,
        "seed": secrets.randbits(60),
        "exercises": list(ids),
        "own_exercises": copies,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1), encoding="utf-8")
    if os.name == "posix":
        for path in folder.iterdir():
            path.chmod(0o600)
    return read_pack(folder)


def read_pack(folder: pathlib.Path) -> Pack:
    """A pack from its folder.

    Raises:
        ValueError: where it is none, is damaged, or is from another version of the course.
    """
    path = pathlib.Path(folder) / DESCRIPTION
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version, made_by = data["format"], data["course_utils"]
    except OSError:
        raise ValueError(
            f"{folder} is no pack: it has no {DESCRIPTION}. `course assign` makes one."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if (version, made_by) != (FORMAT, __version__):
        raise ValueError(
            f"{folder} is from another version: course_utils {made_by}, pack format {version}. This is course_utils "
            f"{__version__}, pack format {FORMAT}. Install the pack's version, or make the pack anew: "
            "it then draws other cases."
        )
    try:
        own = by_id(
            e
            for name in data["own_exercises"]
            for e in load_exercises(path.parent / pathlib.Path(name).name).values()
        )
        known = {**course_exercises(), **own}
        exercises = by_id(pick(known, id) for id in data["exercises"])
        return Pack(
            path.parent,
            data["title"],
            data["due"],
            int(data["seed"]),
            exercises,
            frozenset(own) & frozenset(exercises),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from None
