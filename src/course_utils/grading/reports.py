"""What comes out of grading: the class's table, a page of feedback a student, and results as Gradescope reads them."""

import csv
import hashlib
import html
import json
import pathlib
from collections.abc import Sequence

from ..exercises.judging import CORRECT, NOT_ATTEMPTED
from ..exercises.student import with_code
from .grade import Graded
from .packs import Pack, slug

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 42rem; padding: 1.5rem 1rem; }
article { border: 1px solid #8888; border-left-width: 5px; border-radius: 4px; margin: 1rem 0; padding: 0.2rem 1rem; }
article.correct { border-left-color: #009e73; } article.wrong { border-left-color: #d55e00; }
h2 { font-size: 1.1rem; } p, li { overflow-wrap: anywhere; }
"""


def write_grades(path: pathlib.Path, pack: Pack, results: Sequence[Graded]) -> None:
    """The table of the class: a row a student, a column an exercise."""
    exercises = pack.exercises.values()
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", *pack.exercises, "total", "max", "cpu_seconds", "note"])
        for result in results:
            points = [result.points(exercise) for exercise in exercises]
            note = "" if result.readable else result.problems[0]
            table.writerow(
                [
                    _as_text(result.student),
                    *points,
                    sum(points),
                    pack.points,
                    result.cpu_seconds,
                    _as_text(note),
                ]
            )


def _as_text(value: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def write_feedback(folder: pathlib.Path, pack: Pack, results: Sequence[Graded]) -> None:
    """A page of feedback for each student."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in _named(results):
        (folder / f"{name}.html").write_text(feedback(pack, result), encoding="utf-8")


def write_gradescope(folder: pathlib.Path, pack: Pack, results: Sequence[Graded]) -> None:
    """Results in Gradescope's schema for each student."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in _named(results):
        (folder / f"{name}.json").write_text(
            json.dumps(gradescope_results(pack, result), indent=1), encoding="utf-8"
        )


def _named(results: Sequence[Graded]):
    """Each result with a name for its file that no other has."""
    names = [slug(result.student) for result in results]
    for name, result in zip(names, results, strict=True):
        suffix = hashlib.sha256(result.student.encode()).hexdigest()[:6]
        yield (f"{name}-{suffix}" if names.count(name) > 1 else name), result


def feedback(pack: Pack, result: Graded) -> str:
    """One student's feedback as a page that stands alone."""
    parts = []
    for outcome in result.outcomes:
        exercise = pack.exercises[outcome.exercise]
        kind = (
            "correct" if outcome.status == CORRECT else "open" if outcome.status == NOT_ATTEMPTED else "wrong"
        )
        sign = {"correct": "✓ Correct", "open": "… Not attempted"}.get(
            kind, "✗ " + outcome.status.capitalize()
        )
        told = f"<p>{with_code(outcome.told)}</p>" if outcome.told else ""
        parts.append(
            f'<article class="{kind}"><h2>{html.escape(exercise.title)} '
            f"({result.points(exercise):g} of {exercise.points:g})</h2><p><strong>{sign}.</strong></p>{told}</article>"
        )
    problems = "".join(f"<li>{html.escape(problem)}</li>" for problem in result.problems)
    title, student = html.escape(pack.title), html.escape(result.student)
    total = sum(result.points(exercise) for exercise in pack.exercises.values())
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}: {student}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{student}: <strong>{total:g} of {pack.points:g} points</strong></p>{''.join(parts)}"
        + (f"<h2>Cells that failed</h2><ul>{problems}</ul>" if problems else "")
        + "</main></body></html>\n"
    )


def gradescope_results(pack: Pack, result: Graded) -> dict:
    """One student's results in Gradescope's schema."""
    tests = [
        {
            "name": f"{o.exercise}: {pack.exercises[o.exercise].title}",
            "score": result.points(pack.exercises[o.exercise]),
            "max_score": pack.exercises[o.exercise].points,
            "status": "passed" if o.status == CORRECT else "failed",
            "output": o.told or "Correct.",
        }
        for o in result.outcomes
    ]
    return {
        "score": sum(test["score"] for test in tests),
        "output": "\n".join(result.problems),
        "output_format": "text",
        "visibility": "visible",
        "tests": tests,
    }
