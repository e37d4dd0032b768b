"""The proof of an exercise: its solution passes, its stub is blank, and each planted mistake is told the right thing."""

from collections.abc import Iterable

from ..exercises.attempt import answers
from ..exercises.exercise import Exercise
from ..exercises.judging import CORRECT, NOT_ATTEMPTED, NOT_YET, cases_for, judge
from ..exercises.student import PUBLIC_SEED

_SEEDS_FOR_MISTAKES = 6


def outcome_of(exercise: Exercise, code: str, seed: int = PUBLIC_SEED):
    """The outcome of code that defines an exercise's object, run here and now."""
    return _judged(exercise, _defined(exercise, code), seed)


def _defined(exercise: Exercise, code: str):
    space = {"__name__": "__main__"}
    exec(compile(code, f"<{exercise.id}>", "exec"), space)
    return space[exercise.name]


def _judged(exercise: Exercise, answer, seed: int):
    return judge(exercise, seed, answers(answer, cases_for(exercise, seed)))


def faults_of(exercise: Exercise, *, stub: str, solution: str, seeds: Iterable[int] = range(20)) -> list[str]:
    """What is wrong with an exercise: nothing, where the list is empty.

    Args:
        exercise: the exercise.
        stub: the code that the student receives.
        solution: code that solves it.
        seeds: seeds of the cases, besides the public one. The mistakes are tried on the first few.
    """
    faults, seeds = [], [PUBLIC_SEED, *(1000 + seed for seed in seeds)]
    blank = outcome_of(exercise, stub)
    if blank.status != NOT_ATTEMPTED:
        faults.append(f"the stub is {blank.status}: {blank.told}")
    solved = _defined(exercise, solution)
    faults += [
        f"the solution is {outcome.status} under seed {seed}: {outcome.told}"
        for seed in seeds
        if (outcome := _judged(exercise, solved, seed)).status != CORRECT
    ]
    for mistake in exercise.mistakes:
        wrong = _defined(exercise, mistake.code)
        for seed in seeds[:_SEEDS_FOR_MISTAKES]:
            outcome = _judged(exercise, wrong, seed)
            if outcome.status != NOT_YET or mistake.told.lower() not in outcome.told.lower():
                faults.append(
                    f"under seed {seed} a mistake is {outcome.status}, told {outcome.told!r}, not {mistake.told!r}:\n{mistake.code}"
                )
                break
    return faults
