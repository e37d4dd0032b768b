"""For graders that run a student's notebook in a kernel, as nbgrader does: a check that raises."""

import base64
import types

from .attempt import answers
from .catalogue import by_id, course_exercises, pick
from .judging import CORRECT, cases_for, judge


def assert_correct(exercise: str, answer, *, seed: int, own: str = "") -> None:
    """Raise unless an answer is correct under a seed.

    Args:
        exercise: the exercise's id.
        answer: what the student defined.
        seed: what the cases are drawn from.
        own: the file of exercises that defines it, in base64; empty for one of the course's.

    Raises:
        AssertionError: with what the student is told.

    >>> assert_correct("vanishing-1", ..., seed=3)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    AssertionError: not attempted
    """
    known = course_exercises()
    if own:
        module = types.ModuleType("own_exercises")
        exec(compile(base64.b64decode(own), "<own exercises>", "exec"), module.__dict__)
        known = by_id(module.EXERCISES)
    chosen = pick(known, exercise)
    outcome = judge(chosen, seed, answers(answer, cases_for(chosen, seed)))
    if outcome.status != CORRECT:
        raise AssertionError(f"{outcome.status}: {outcome.told}")
