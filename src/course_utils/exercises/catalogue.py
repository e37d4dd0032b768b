"""Which exercises there are: the course's own, a file a chapter, and those of any other file of the same form."""

import difflib
import functools
import importlib
import importlib.util
import pathlib
import types
from collections.abc import Iterable

from .exercise import Exercise

CHAPTERS = {
    "backpropagation": "01_backpropagation",
    "vanishing": "02_vanishing_gradients",
    "exploding": "03_exploding_gradients",
    "initialization": "04_weight_initialization",
    "activation": "05_activation_functions",
    "normalization": "06_batch_normalization",
    "skip": "07_skip_connections",
    "clipping": "08_gradient_clipping",
    "together": "09_all_together",
    "diagnosis": "10_diagnosis",
    "evidence": "11_claims",
}
"""The files of exercises beside this one, which also begin the ids in them, and the chapter at whose end they stand."""


@functools.cache
def course_exercises() -> dict[str, Exercise]:
    """The exercises of every chapter, by id, in the order of the book."""
    modules = [importlib.import_module(f".{name}", __package__) for name in CHAPTERS]
    return by_id([exercise for module in modules for exercise in module.EXERCISES])


def chapter_of(exercise: str) -> str:
    """The chapter at whose end an exercise of the course stands."""
    return CHAPTERS[exercise.rpartition("-")[0]]


def load_exercises(path: pathlib.Path) -> dict[str, Exercise]:
    """The exercises that a Python file defines under the name ``EXERCISES``, by id.

    Raises:
        ValueError: where there is no such file, it does not run, or it defines no exercises.
    """
    try:
        source = pathlib.Path(path).read_text(encoding="utf-8")
        module = types.ModuleType("exercises_of_a_pack")
        exec(compile(source, str(path), "exec"), module.__dict__)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:
        raise ValueError(f"{path} does not run: {type(error).__name__}: {error}") from error
    found = getattr(module, "EXERCISES", None)
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(e, Exercise) for e in found):
        raise ValueError(f"{path} must define EXERCISES, a list of at least one Exercise")
    return by_id(found)


def by_id(exercises: Iterable[Exercise]) -> dict[str, Exercise]:
    """Exercises by their ids.

    Raises:
        ValueError: where two share an id or the name that the student defines.
    """
    found: dict[str, Exercise] = {}
    for exercise in exercises:
        same = [
            other.id for other in found.values() if exercise.id == other.id or exercise.name == other.name
        ]
        if same:
            raise ValueError(
                f"{exercise.id} and {same[0]} share the id {exercise.id!r} or the name {exercise.name!r}"
            )
        found[exercise.id] = exercise
    return found


def pick(exercises: dict[str, Exercise], id: str) -> Exercise:
    """The exercise of an id.

    Raises:
        ValueError: where there is none; it lists the nearest ids.
    """
    if id in exercises:
        return exercises[id]
    near = difflib.get_close_matches(str(id), exercises, n=3, cutoff=0.4) or list(exercises)[:3]
    raise ValueError(f"there is no exercise {id!r}; the nearest are {', '.join(near)}")
