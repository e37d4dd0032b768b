"""Collect the claims of executed chapters, and draw the verdicts on popular claims from them.

``claim`` leaves a record among a notebook's outputs. `read_claims` finds those records in a folder of executed notebooks:
the book's build names that folder, and a reader's own are those that were run and saved beside the notebook at hand.
"""

import html
import json
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from ._build import in_build
from ._checks import one_of
from .claims import METADATA, anchor_of
from .popular_claims import POPULAR_CLAIMS


class ClaimRecord(NamedTuple):
    """A statement that a chapter checked."""

    chapter: str
    """File name without its ending."""
    statement: str
    holds: bool
    measured: str = ""
    predicted: str = ""
    supports: str = ""
    refutes: str = ""

    @property
    def link(self) -> str:
        """Where to read it: the place on the chapter's page, or the notebook in a reader's own session."""
        if in_build():
            return f"{self.chapter}.html#{anchor_of(self.statement)}"
        return f"{self.chapter}.ipynb"


def read_claims(folder=None) -> list[ClaimRecord]:
    """The claims among the outputs of the executed notebooks in a folder, in the order of the chapters.

    Args:
        folder: the folder; that of the book's build, or the current one, without it.

    Returns:
        A list of `ClaimRecord`; empty where no notebook there was run and saved.

    Raises:
        ValueError: where the folder does not exist or a notebook in it cannot be read.

    >>> read_claims("/")
    []
    """
    folder = pathlib.Path(folder or os.environ.get("COURSE_EXECUTED_CHAPTERS") or ".")
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder of notebooks, got {str(folder)!r}")
    return [record for path in sorted(folder.glob("*.ipynb")) for record in _claims_of(path)]


def _claims_of(path: pathlib.Path) -> list[ClaimRecord]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder holds a file that is no notebook: {path.name} ({error})") from error
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    records = (output.get("metadata", {}).get(METADATA) for output in outputs)
    return [ClaimRecord(path.stem, **record) for record in records if record]


class Table:
    """Rows under headings, as HTML in a notebook or on the site, and as text elsewhere. Cells are HTML."""

    def __init__(self, caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], empty: str):
        self.caption, self.headings, self.rows, self.empty = caption, headings, rows, empty

    def __len__(self):
        return len(self.rows)

    def __repr__(self):
        return f"<{self.caption}: {len(self.rows)} rows>" if self.rows else self.empty

    def _repr_html_(self):
        if not self.rows:
            return f"<p>{html.escape(self.empty)}</p>"
        head = "".join(
            f'<th role="columnheader" scope="col">{html.escape(heading)}</th>' for heading in self.headings
        )
        # What a cell is about stands in it too, for narrow screens, where the rows become cards.
        body = "".join(
            '<tr role="row">'
            + "".join(
                f'<td role="cell" data-heading="{html.escape(heading)}">{cell}</td>'
                for heading, cell in zip(self.headings, row, strict=True)
            )
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<table class="claims" role="table"><caption>{html.escape(self.caption)}</caption>'
            f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
        )


_NO_CLAIMS = (
    "No executed chapter lies in this folder. Run and save the other chapters beside this notebook, "
    "then run this cell again; or read this page on the course's site."
)


def _link(record: ClaimRecord, text: str) -> str:
    return f'<a href="{html.escape(record.link)}">{html.escape(text)}</a>'


def verdict_on(name: str, records: Sequence[ClaimRecord]) -> str:
    """What the claims that hold say about a popular claim: ``holds``, ``fails``, ``it depends`` or ``not tested``.

    Args:
        name: a name in `POPULAR_CLAIMS`.
        records: from `read_claims`.

    Raises:
        ValueError: where the name is unknown.

    >>> verdict_on("vanishing-1", [ClaimRecord("02_vanishing_gradients", "It stays", True, supports="vanishing-1")])
    'holds'
    """
    one_of("name", name, POPULAR_CLAIMS)
    held = [record for record in records if record.holds]
    supported = any(record.supports == name for record in held)
    refuted = any(record.refutes == name for record in held)
    return {(True, True): "it depends", (True, False): "holds", (False, True): "fails"}.get(
        (supported, refuted), "not tested"
    )


def popular_claims_table(records: Sequence[ClaimRecord]) -> Table:
    """What articles say, where, the evidence for and against it, and the verdict.

    A popular claim *holds* where all the evidence supports it, *fails* where all of it speaks against, and *it depends*
    where there is both. Claims that do not hold in this run count for nothing.

    Args:
        records: from `read_claims`.

    Returns:
        A table that Jupyter shows; one row a popular claim, or none without records.

    >>> record = ClaimRecord("05_activation_functions", "It vanishes", True, measured="1e-3", refutes="relu-does-not-vanish")
    >>> len(popular_claims_table([record])) == len(POPULAR_CLAIMS)
    True
    """

    def evidence(name: str) -> str:
        words = {"supports": "For", "refutes": "Against"}
        found = [
            f"<li>{words[side]}: {_link(record, record.statement)} {_values(record)}</li>"
            for side in words
            for record in records
            if record.holds and getattr(record, side) == name
        ]
        return f"<ul>{''.join(found)}</ul>" if found else "none"

    def source(name: str) -> str:
        _, text, url = POPULAR_CLAIMS[name]
        return f'<a href="{html.escape(url)}">{html.escape(text)}</a>' if url else html.escape(text)

    rows = [
        (
            f"{html.escape(popular.text)}<br><small>Source: {source(name)}</small>",
            f"<strong>{verdict_on(name, records)}</strong>",
            evidence(name),
        )
        for name, popular in POPULAR_CLAIMS.items()
    ]
    headings = ("what is said", "verdict", "evidence")
    return Table("Popular claims, put to the test", headings, rows if records else [], _NO_CLAIMS)


def _values(record: ClaimRecord) -> str:
    parts = [f"{name} {value}" for name in ("measured", "predicted") if (value := getattr(record, name))]
    return html.escape(f"({'; '.join(parts)})") if parts else ""


class Tables(tuple[Table, ...]):
    """Several tables, each folded under its caption."""

    def __repr__(self):
        return "\n".join(map(repr, self)) or _NO_CLAIMS

    def _repr_html_(self):
        folded = (
            f"<details><summary>{html.escape(table.caption)}: {len(table)} statements</summary>{table._repr_html_()}</details>"
            for table in self
        )
        return "".join(folded) or f"<p>{html.escape(_NO_CLAIMS)}</p>"


def statements_table(records: Sequence[ClaimRecord]) -> Tables:
    """Every statement, chapter by chapter: what was predicted and measured, and whether it holds.

    Args:
        records: from `read_claims`.

    Returns:
        A table a chapter, one row a record; Jupyter shows them folded.

    >>> statements_table([ClaimRecord("02_vanishing_gradients", "It shrinks", True, measured="0.01")])
    <02 vanishing gradients: 1 rows>
    """

    def row(record: ClaimRecord):
        verdict = "✓ holds" if record.holds else "✗ differs"
        return (
            _link(record, record.statement),
            html.escape(record.predicted),
            html.escape(record.measured),
            verdict,
        )

    headings = ("statement", "predicted", "measured", "verdict")
    chapters = dict.fromkeys(record.chapter for record in records)
    return Tables(
        Table(
            chapter.replace("_", " "),
            headings,
            [row(record) for record in records if record.chapter == chapter],
            _NO_CLAIMS,
        )
        for chapter in chapters
    )
