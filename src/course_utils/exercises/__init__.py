"""The exercises: what each is, and how an answer is judged by what it does.

Read from top to bottom: `attempt` calls a student's object, `exercise` says what an exercise is, `verdicts` and `judging`
judge, a file a chapter holds the exercises, `catalogue` finds them, and `student` is what a student calls.
"""

from .exercise import Exercise, Mistake
from .judging import Outcome
from .student import check, hint
from .verdicts import by_key, equals, first_of, form_of, number_in, within

__all__ = [
    "Exercise",
    "Mistake",
    "Outcome",
    "by_key",
    "check",
    "equals",
    "first_of",
    "form_of",
    "hint",
    "number_in",
    "within",
]
