"""What a student calls: `check` and `hint`."""

import html
import re

from .._build import in_build
from .attempt import answers
from .catalogue import course_exercises, pick
from .judging import CORRECT, NOT_ATTEMPTED, NOT_YET, RAISED, cases_for, judge

PUBLIC_SEED = 0
"""`check` draws its cases from this seed. A grader draws others."""

_SIGNS = {
    CORRECT: "✓ Correct",
    NOT_YET: "✗ Not yet",
    NOT_ATTEMPTED: "… Not attempted",
    RAISED: "✗ Your code raised an error",
}
_hints_given: dict[str, int] = {}


class _Note:
    """A short message with a sign in words, as HTML or as plain text."""

    def __init__(self, kind: str, sign: str, text: str, status: str | None = None):
        self.kind, self.sign, self.text, self.status = kind, sign, text, status

    def __repr__(self):
        return f"{self.sign}. {self.text}" if self.text else f"{self.sign}."

    def _repr_html_(self):
        return (
            f'<div class="exercise-note exercise-{self.kind}" role="status">'
            f"<strong>{html.escape(self.sign)}.</strong> {with_code(self.text)}</div>"
        )


def with_code(text: str) -> str:
    """A text as HTML, with code where backticks stand."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def check(exercise: str, answer):
    """Check an answer to an exercise, and say what its symptom suggests where it is not right yet.

    Args:
        exercise: the exercise's id, such as ``"vanishing-2"``.
        answer: the function or value that you defined for it.

    Returns:
        A note, to show: correct; not yet, with a symptom; not attempted, with a hint; or your code raised an error, with
        the line. Its ``status`` names the outcome.

    Raises:
        ValueError: for an unknown id; the message lists the nearest.

    >>> check("vanishing-1", ...)  # doctest: +ELLIPSIS
    … Not attempted. Replace the placeholder in gradient_factor. A first hint: ...
    """
    chosen = pick(course_exercises(), exercise)
    outcome = judge(chosen, PUBLIC_SEED, answers(answer, cases_for(chosen, PUBLIC_SEED)))
    note = _Note(outcome.status.split()[-1], _SIGNS[outcome.status], outcome.told, outcome.status)
    if in_build() and outcome.status in (NOT_YET, RAISED):
        raise AssertionError(f"{exercise}: {note!r}")
    return note


def hint(exercise: str):
    """The next hint for an exercise: each call gives one more, and the last one stays.

    Args:
        exercise: the exercise's id, such as ``"vanishing-2"``.

    Raises:
        ValueError: for an unknown id; the message lists the nearest.

    >>> hint("vanishing-1")  # doctest: +ELLIPSIS
    Hint 1 of ...
    """
    hints = pick(course_exercises(), exercise).hints
    _hints_given[exercise] = given = min(_hints_given.get(exercise, 0) + 1, len(hints))
    more = "" if given < len(hints) else " That was the last one."
    return _Note("hint", f"Hint {given} of {len(hints)}", hints[given - 1] + more)
