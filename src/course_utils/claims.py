"""Statements that check themselves: prose cannot drift from what the cells measured."""

import html
import math
import numbers
import re

import numpy as np

from ._build import in_build
from ._checks import one_of
from .popular_claims import POPULAR_CLAIMS

METADATA = "course_utils_claim"
"""Under this name an output's metadata holds the claim that it shows, so that `read_claims` finds it."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class ClaimError(AssertionError):
    """A statement of the course that its own measurement contradicts."""


def anchor_of(statement: str) -> str:
    """Where a page shows the statement: the end of a link to it."""
    return "claim-" + re.sub(r"[^a-z0-9]+", "-", statement.lower()).strip("-")[:80].rstrip("-")


class _Verdict:
    """A checked statement, as HTML or as plain text; told by words and a sign, not by colour alone."""

    def __init__(self, statement: str, holds: bool, values: dict[str, str], popular: dict[str, str]):
        self.statement, self.holds, self.values, self.popular = statement, holds, values, popular

    @property
    def record(self) -> dict:
        """The claim as a notebook keeps it."""
        return {"statement": self.statement, "holds": self.holds, **self.values, **self.popular}

    def __repr__(self):
        head = "✓ checked: " if self.holds else "✗ differs here: "
        return head + self.statement + "".join(f" [{name} {value}]" for name, value in self.values.items())

    def _repr_html_(self):
        kind, sign = ("holds", "✓ Checked") if self.holds else ("differs", "✗ Differs here")
        values = "".join(
            f'<span class="claim-value">{html.escape(name)} <strong>{html.escape(value)}</strong></span> '
            for name, value in self.values.items()
        )
        note = (
            ""
            if self.holds
            else "<em>Your run differs from the course's: other hardware, or a cell you changed.</em>"
        )
        return (
            f'<div class="claim claim-{kind}" id="{anchor_of(self.statement)}"><span class="claim-sign">{sign}</span> '
            f"{html.escape(self.statement)} {values}{note}</div>"
        )


def _readable(value) -> str:
    """A number at three significant digits; sequences item by item; all else as it prints."""
    if isinstance(value, str):
        return value
    if hasattr(value, "__array__"):
        value = np.asarray(value).tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_readable, value))
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if math.isfinite(value) and value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def claim(
    statement: str,
    condition,
    *,
    measured=None,
    predicted=None,
    supports: str | None = None,
    refutes: str | None = None,
) -> None:
    """Show a statement with the measurement behind it, checked.

    Args:
        statement: one sentence.
        condition: whether it holds: a single true or false value.
        measured: the number, numbers or text that the condition is about.
        predicted: what theory, or the text, expects.
        supports: a name in `POPULAR_CLAIMS`, for which the statement is evidence.
        refutes: a name in `POPULAR_CLAIMS`, against which it is evidence.

    Raises:
        ClaimError: where the statement is false, in the book's build and in the tests. In a reader's own session, with
            other hardware or an edited cell, the difference is shown instead, and the notebook goes on.
        ValueError: where ``condition`` is not a single truth value, ``statement`` is empty, a popular claim is unknown, or
            the statement is for one and against another.

    >>> claim("two is less than three", 2 < 3, measured=2)
    ✓ checked: two is less than three [measured 2]
    """
    if not isinstance(statement, str) or not statement.strip():
        raise ValueError(f"statement must be a sentence, got {statement!r}")
    truth = np.asarray(condition)
    if truth.ndim != 0 or truth.dtype != bool:
        raise ValueError(f"condition must be a single True or False, got {condition!r}")
    values = {
        name: _readable(value)
        for name, value in (("measured", measured), ("predicted", predicted))
        if value is not None
    }
    popular = {
        name: one_of(name, value, POPULAR_CLAIMS)
        for name, value in (("supports", supports), ("refutes", refutes))
        if value is not None
    }
    if len(popular) == 2:
        raise ValueError("a claim either supports or refutes a popular claim, got both: make it two claims")
    verdict = _Verdict(statement, bool(truth), values, popular)
    if not verdict.holds and in_build():
        raise ClaimError(repr(verdict))
    _show(verdict)


def _show(verdict: _Verdict) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(verdict)
        return
    if get_ipython() is None:
        print(verdict)
    else:
        display(verdict, metadata={METADATA: verdict.record})
