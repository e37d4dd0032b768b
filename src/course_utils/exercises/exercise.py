"""What an exercise is: what the student defines, the cases it is tried on, and how an answer is judged."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .._checks import one_of

LEVELS = {"easy": (5, 1), "medium": (15, 2), "hard": (40, 4)}
"""Each level's minutes and points."""


class Mistake(NamedTuple):
    """A wrong answer that a person would plausibly give: code that defines the object, and part of what it must be told."""

    code: str
    told: str


class Exercise:
    """One exercise: everything but its statement, stub and solution, which stand in a notebook.

    Args:
        id: a lower-case name and a number, such as ``"vanishing-2"``.
        name: the object that the student defines.
        title: a few words.
        level: ``"easy"``, ``"medium"`` or ``"hard"``: 5, 15 or 40 minutes, and 1, 2 or 4 points.
        skills: what it trains, in a few words each.
        hints: at least two, from a nudge to a plan; none gives the answer away.
        verdict: ``verdict(answer, *arguments)``: None for a right answer, else the text that the student is told: what the
            symptom suggests, never the answer. Arrays arrive as NumPy's.
        cases: ``cases(rng)`` yields the arguments of each call as tuples, all drawn from ``rng``, a NumPy generator. None
            where the student defines a value, not a function.
        mistakes: at least three wrong answers, each of which must be told the right thing.
        points: where they differ from the level's.

    Raises:
        ValueError: where one of them is missing or malformed.

    >>> double = Exercise(
    ...     id="trial-1", name="double", title="Double a number", level="easy", skills=("arithmetic",),
    ...     hints=("What is 3 + 3?", "Multiply."), cases=lambda rng: [(float(rng.normal()),) for _ in range(3)],
    ...     verdict=lambda answer, x: None if answer == 2 * x else "this is not twice the number",
    ...     mistakes=(
    ...         Mistake("def double(x): return x", "not twice"),
    ...         Mistake("def double(x): return x * x", "not twice"),
    ...         Mistake("def double(x): return x + 2", "not twice"),
    ...     ),
    ... )
    >>> double.minutes, double.points
    (5, 1)
    """

    def __init__(
        self,
        *,
        id: str,
        name: str,
        title: str,
        level: str,
        skills: tuple[str, ...],
        hints: tuple[str, ...],
        verdict: Callable[..., str | None],
        cases: Callable[[np.random.Generator], Iterable[tuple]] | None = None,
        mistakes: tuple[Mistake, ...] = (),
        points: float | None = None,
    ):
        if not re.fullmatch(r"[a-z][a-z0-9-]*-[0-9]+", id):
            raise ValueError(f"id must be a lower-case name, a hyphen and a number, got {id!r}")
        if not name.isidentifier():
            raise ValueError(f"{id}: name must be a Python name, got {name!r}")
        one_of(f"{id}: level", level, LEVELS)
        for what, values, least in (("skills", skills, 1), ("hints", hints, 2), ("mistakes", mistakes, 3)):
            if isinstance(values, str) or len(values) < least:
                raise ValueError(f"{id}: {what} must be a tuple of at least {least}, got {values!r}")
        if points is not None and not points > 0:
            raise ValueError(f"{id}: points must be greater than 0, got {points!r}")
        self.id, self.name, self.title, self.level = id, name, title, level
        self.skills, self.hints, self.verdict, self.cases = skills, hints, verdict, cases
        self.mistakes, self.minutes = mistakes, LEVELS[level][0]
        self.points = LEVELS[level][1] if points is None else points

    def __repr__(self):
        return f"Exercise({self.id!r}, {self.title!r}, {self.level}, {self.minutes} minutes)"
