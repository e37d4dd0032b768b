import jax.numpy as jnp
import numpy as np
import pytest

from course_utils import ClaimError, claim
from course_utils.claims import _readable, _Verdict


def test_a_true_claim_shows_statement_and_values(capsys):
    claim("the gradient vanishes", jnp.array(1e-9) < 1e-6, measured=np.float32(3.1e-9), predicted=[0.5, 2])
    assert (
        capsys.readouterr().out
        == "✓ checked: the gradient vanishes [measured 3.1 × 10⁻⁹] [predicted 0.5, 2]\n"
    )


def test_a_false_claim_raises_in_the_build():
    with pytest.raises(ClaimError, match=r"two is three \[measured 2\]"):
        claim("two is three", False, measured=2)


def test_a_false_claim_goes_on_in_a_readers_session(monkeypatch, capsys):
    monkeypatch.delenv("COURSE_BUILD")
    claim("two is three", False, measured=2)
    assert "differs here: two is three [measured 2]" in capsys.readouterr().out


@pytest.mark.parametrize("condition", [np.array([True, True]), 1, "yes", None, float("nan")])
def test_a_condition_must_be_one_truth_value(condition):
    with pytest.raises(ValueError, match="condition"):
        claim("something", condition)


@pytest.mark.usefixtures("as_a_reader")
def test_a_statement_must_say_something():
    with pytest.raises(ValueError, match="statement"):
        claim(" ", True)


def test_html_is_escaped_and_says_more_than_colour():
    shown = _Verdict("a < b", False, {"measured": "<script>"}, {})._repr_html_()
    assert "a &lt; b" in shown and "<script>" not in shown and "Differs here" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1438, "1,438"), (0.0, "0"), (2.5e7, "2.5 × 10⁷"), (float("nan"), "nan"), (float("inf"), "inf"),
     (True, "True"), (12345.6, "12,346"), (np.array([1, 2]), "1, 2"), ("text", "text")],
)  # fmt: skip
def test_numbers_read_well(value, text):
    assert _readable(value) == text
