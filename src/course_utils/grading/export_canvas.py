"""Joins grades to the gradebook that Canvas exports, so that Canvas can import them."""

import csv
import pathlib
import re

from .packs import Pack

_FIXED = ("Student", "ID", "SIS User ID", "SIS Login ID", "Root Account", "Section")
_POSSIBLE = "Points Possible"


def export_canvas(pack: Pack, grades: pathlib.Path, gradebook: pathlib.Path, out: pathlib.Path) -> list[str]:
    """Write a gradebook with one column: the totals of this assignment.

    A submission belongs to the row whose Canvas ID is a number in its name, as in the files that Canvas hands out; or whose
    login, SIS ID or student name is its name. Where the gradebook has the assignment's column already, that one is used.

    Args:
        pack: the assignment.
        grades: ``grades.csv`` of `course grade`.
        gradebook: what Canvas exports.
        out: the CSV file to make.

    Returns:
        One line for each submission without a row, and for each row with several submissions.

    Raises:
        ValueError: where a file cannot be read or is something else.
    """
    rows, header = _read(gradebook, "ID", "a gradebook that Canvas exported")
    totals, _ = _read(grades, "total", "grades.csv of `course grade`")
    title = next(
        (name for name in header if re.fullmatch(re.escape(pack.title) + r" \(\d+\)", name)), pack.title
    )
    students = [row for row in rows if (row["ID"] or "").strip().isdecimal()]
    best: dict[str, list[float]] = {}
    notes = []
    for total in totals:
        student = total["student"].removeprefix("'")
        owner = _owner(student, students)
        if owner is None:
            notes.append(f"no row in the gradebook for the submission {student}")
        else:
            best.setdefault(owner["ID"], []).append(float(total["total"]))
    for row in students:
        if len(best.get(row["ID"], [])) > 1:
            notes.append(f"{row['Student']} has {len(best[row['ID']])} submissions: the best counts")
    kept = [name for name in _FIXED if name in header]
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*kept, title])
        table.writeheader()
        for row in rows:
            if row in students:
                value = max(best[row["ID"]]) if row["ID"] in best else ""
            else:
                value = pack.points if _POSSIBLE in (row["Student"] or "") else ""
            table.writerow({**{name: row[name] for name in kept}, title: value})
    return notes


def _read(path: pathlib.Path, column: str, what: str) -> tuple[list[dict], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows, header = list(table), table.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if column not in header or ("Student" not in header and "student" not in header):
        raise ValueError(f"{path} is not {what}: it has no column {column!r}")
    return rows, header


def _owner(student: str, rows: list[dict]) -> dict | None:
    """The row of a submission, where exactly one fits."""
    numbers = set(re.findall(r"(?<![^_/-])\d+(?![^_/-])", student))
    plain = lambda text: re.sub(r"[\W_]+", "", (text or "").lower())
    name = plain(student)
    for fits in (
        lambda row: row["ID"].strip() in numbers,
        lambda row: name and name in (plain(row.get("SIS Login ID")), plain(row.get("SIS User ID"))),
        lambda row: (
            name and name in (plain(row["Student"]), plain(" ".join((row["Student"] or "").split(",")[::-1])))
        ),
    ):
        found = [row for row in rows if fits(row)]
        if found:
            return found[0] if len(found) == 1 else None
    return None
