"""Gets a submission's answers out of the sandbox, whatever the submission does there."""

import time
from typing import NamedTuple

from .sandbox import Run, Sandbox

MOST_STARTS = 12


class Collected(NamedTuple):
    """What a submission's code gave."""

    answers: dict[str, list]
    """For each exercise that was asked, the answers to its cases."""
    cell_errors: dict[int, dict]
    """For each cell that failed, its error as data."""
    cpu_seconds: float


def collect(cells: list[tuple[int, str]], asks: dict, sandbox: Sandbox, slot: int = 0) -> Collected:
    """Run a submission until each exercise has its answers.

    A step that ends the program, or has to be stopped, is left out, and the rest is started again: so one endless loop
    costs its own exercise and no other.

    Args:
        cells: numbers and sources of the code cells.
        asks: by exercise, the name to ask and the encoded cases.
        sandbox: where to run.
        slot: which of the runs side by side this is.
    """
    answers: dict[str, list] = {}
    errors: dict[int, dict] = {}
    stopped: dict[int, dict] = {}
    cpu, end = 0.0, time.monotonic() + sandbox.limits.wall_seconds
    for _ in range(MOST_STARTS):
        left = {id: ask for id, ask in asks.items() if id not in answers}
        job = {"cells": [cell for cell in cells if cell[0] not in stopped], "asks": left}
        run = sandbox.run(job, slot=slot, wall_seconds=end - time.monotonic())
        errors = {
            m["cell"]: m["error"]
            for m in run.messages
            if isinstance(m.get("cell"), int) and isinstance(m.get("error"), dict)
        }
        answers |= {
            m["exercise"]: m["answers"]
            for m in run.messages
            if m.get("exercise") in left and isinstance(m.get("answers"), list)
        }
        cpu += sum(m["cpu_seconds"] for m in run.messages if isinstance(m.get("cpu_seconds"), float))
        if run.why is None or len(answers) == len(asks) or time.monotonic() >= end:
            break
        step = _unfinished_step(run)
        if step in left and step not in answers:
            answers[step] = [_stopped(run)]
        elif any(step == number for number, _ in cells) and step not in stopped:
            stopped[step] = _stopped(run)
        else:
            break
    for id in asks:
        answers.setdefault(id, [_stopped(run)])
    return Collected(answers, errors | stopped, cpu)


def _unfinished_step(run: Run):
    """The step that had begun and not ended."""
    begun = [m["begin"] for m in run.messages if isinstance(m.get("begin"), (int, str))]
    return begun[-1] if begun else None


def _stopped(run: Run) -> dict:
    return {
        "error": "Stopped",
        "message": run.why or "the program ended before it answered",
        "line": "",
        "number": None,
    }
