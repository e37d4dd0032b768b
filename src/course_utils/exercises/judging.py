"""The judge: a pure function of an exercise, a seed and the answers, which are plain data."""

from typing import NamedTuple

import numpy as np

from .attempt import decode, encode
from .exercise import Exercise

CORRECT, NOT_YET, NOT_ATTEMPTED, RAISED = "correct", "not yet", "not attempted", "raised an error"
"""The four outcomes."""


class Outcome(NamedTuple):
    """What came of an attempt: the exercise's id, one of the four outcomes, and what the student is told."""

    exercise: str
    status: str
    told: str


def cases_for(exercise: Exercise, seed: int) -> list | None:
    """The arguments of each call, encoded; None where the answer is a value."""
    if exercise.cases is None:
        return None
    return [[encode(argument) for argument in case] for case in exercise.cases(np.random.default_rng(seed))]


def judge(exercise: Exercise, seed: int, answers: list[dict]) -> Outcome:
    """The outcome of answers to the cases of a seed.

    Args:
        exercise: the exercise.
        seed: what the cases were drawn from.
        answers: from `attempt.answers`, or a JSON copy of it that a stranger wrote.
    """
    cases = cases_for(exercise, seed)
    for i in range(1 if cases is None else len(cases)):
        if i >= len(answers) or not isinstance(answers[i], dict):
            return Outcome(exercise.id, RAISED, "your code stopped before it answered.")
        arguments = [] if cases is None else [decode(argument) for argument in cases[i]]
        outcome = _judge_one(exercise, arguments, answers[i])
        if outcome.status != CORRECT:
            return outcome
    return Outcome(exercise.id, CORRECT, "")


def _judge_one(exercise: Exercise, arguments: list, answer: dict) -> Outcome:
    if "missing" in answer:
        return Outcome(exercise.id, NOT_ATTEMPTED, f"{exercise.name} is not defined.")
    if "blank" in answer:
        return Outcome(
            exercise.id,
            NOT_ATTEMPTED,
            f"Replace the placeholder in {exercise.name}. A first hint: {exercise.hints[0]}",
        )
    if "error" in answer:
        return Outcome(exercise.id, RAISED, where_it_failed(answer))
    if "unreadable" in answer:
        return Outcome(
            exercise.id, NOT_YET, _sentence(f"your answer cannot be read: it is {answer['unreadable']}")
        )
    try:
        value = decode(answer["value"])
    except Exception:
        return Outcome(exercise.id, RAISED, "your answer cannot be read.")
    try:
        told = exercise.verdict(value, *arguments)
    except Exception:
        # A verdict may trip over an answer of a form it did not expect: that is the answer's fault, not the judge's.
        told = (
            "your answer has a form that was not expected: look again at what the docstring says it returns"
        )
    return (
        Outcome(exercise.id, CORRECT, "") if told is None else Outcome(exercise.id, NOT_YET, _sentence(told))
    )


def where_it_failed(error: dict) -> str:
    """An error in words, with the student's line."""
    text = lambda name: str(error.get(name) or "")[:300]
    line = f" In line {text('number')}: {text('line')}" if error.get("line") else ""
    kind = text("error") or "Error"
    return _sentence(f"{kind}: {text('message')}" if text("message") else kind) + line


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:] if text[0].isascii() else text  # χ is a symbol, not a word
    return text if text.endswith((".", "?", "!")) else text + "."
