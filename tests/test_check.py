"""`check` and `hint` as a student meets them, and what they are built from."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import NetworkConfig, Params, check, hint, init_params
from course_utils.exercises import Exercise, Mistake, equals, student
from course_utils.exercises.attempt import MAX_NUMBERS, answers, decode, encode, is_blank
from course_utils.exercises.catalogue import by_id, load_exercises
from course_utils.exercises.judging import judge


def exercise(**changes):
    fields = dict(
        id="trial-1", name="double", title="Double", level="easy", skills=("numbers",), hints=("Add.", "Multiply."),
        cases=lambda rng: [(float(rng.normal()),) for _ in range(3)],
        verdict=equals(lambda x: 2 * x, {"this is the square": lambda x: x * x}),
        mistakes=(Mistake("", ""),) * 3,
    )  # fmt: skip
    return Exercise(**{**fields, **changes})


@pytest.fixture
def trial(monkeypatch):
    """A course of one exercise, in a reader's session."""
    monkeypatch.setattr(student, "course_exercises", lambda: by_id([exercise()]))
    monkeypatch.setattr(student, "_hints_given", {})
    monkeypatch.delenv("COURSE_BUILD")


def test_the_four_outcomes_are_told_in_words(trial):
    def double(x):
        y = x
        return y / nothing

    assert repr(check("trial-1", lambda x: 2 * x)) == "✓ Correct."
    assert repr(check("trial-1", lambda x: x * x)) == "✗ Not yet. This is the square."
    assert repr(check("trial-1", ...)) == "… Not attempted. Replace the placeholder in double. A first hint: Add."
    assert repr(check("trial-1", double)).startswith("✗ Your code raised an error. NameError: name 'nothing' is not defined.")
    assert [check("trial-1", f).status for f in (lambda x: 2 * x, lambda x: x, ...)] == ["correct", "not yet", "not attempted"]


def test_the_line_that_raised_is_named_where_the_code_stands_in_a_cell(trial):
    source = "def double(x):\n    y = x\n    return helper(y)\ndef helper(y):\n    return jnp.ones(2) @ jnp.ones(3)"
    space = {"jnp": jnp}
    exec(compile(source, "<cell>", "exec"), space)
    import linecache

    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    assert repr(check("trial-1", space["double"])).endswith("In line 5: return jnp.ones(2) @ jnp.ones(3)")


def test_a_note_is_accessible_html_and_escapes_what_the_student_wrote(trial):
    def double(x):
        raise ValueError("<script>")

    page = check("trial-1", double)._repr_html_()
    assert 'role="status"' in page and "&lt;script&gt;" in page and "<script>" not in page
    assert "✓ Correct" in check("trial-1", lambda x: 2 * x)._repr_html_()


def test_hints_come_one_at_a_time_and_the_last_one_stays(trial):
    assert [repr(hint("trial-1")) for _ in range(3)] == [
        "Hint 1 of 2. Add.", "Hint 2 of 2. Multiply. That was the last one.", "Hint 2 of 2. Multiply. That was the last one.",
    ]  # fmt: skip


def test_an_unknown_exercise_is_told_the_nearest(trial):
    for ask in (hint, lambda id: check(id, 1)):
        with pytest.raises(ValueError, match="no exercise 'trail-1'; the nearest are trial-1"):
            ask("trail-1")


def test_in_the_build_a_wrong_solution_stops_it_and_a_stub_does_not(trial, monkeypatch):
    monkeypatch.setenv("COURSE_BUILD", "1")
    assert check("trial-1", ...).status == "not attempted"
    with pytest.raises(AssertionError, match="trial-1: ✗ Not yet"):
        check("trial-1", lambda x: x)


def stub_with_error():
    """Says what to do."""
    raise NotImplementedError


def stub_with_dots(x):
    """Says what to do."""
    ...


def begun(x):
    if x:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("value", "blank"),
    [(..., True), (None, True), (stub_with_error, True), (stub_with_dots, True), (begun, False), (0, False), (lambda x: x, False), (print, False)],
)  # fmt: skip
def test_a_placeholder_is_told_from_an_answer(value, blank):
    assert is_blank(value) is blank


numbers = st.floats(width=32, allow_nan=False) | st.integers(-(2**40), 2**40) | st.booleans()
values = st.recursive(
    st.none() | st.text(max_size=20) | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(values)
def test_plain_data_comes_back_as_it_was_through_json(value):
    try:
        data = encode(value)
    except ValueError:
        return  # nested too deeply
    assert decode(json.loads(json.dumps(data))) == value


def test_arrays_and_parameters_come_back_as_they_were():
    array = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    np.testing.assert_array_equal(decode(json.loads(json.dumps(encode(array)))), array)
    assert np.isnan(decode(encode(jnp.array([jnp.nan, jnp.inf])))[0])
    params = init_params(NetworkConfig(depth=3, width=4, input_size=4), key=__import__("jax").random.key(0))
    again = decode(json.loads(json.dumps(encode(params))), known_types=True)
    assert isinstance(again, Params) and again.hidden.gain is None
    np.testing.assert_array_equal(again.hidden.weight, params.hidden.weight)


def test_a_strangers_data_makes_no_types():
    assert decode({"type": "os:_exit", "fields": {"dict": [["status", {"plain": "x"}]]}}) == {"status": "x"}


@pytest.mark.parametrize("value", [np.zeros(MAX_NUMBERS + 1), [0] * (MAX_NUMBERS + 1), "x" * 10_001, object(), 1j, {1, 2}])
def test_what_cannot_be_read_is_named(value):
    (answer,) = answers(value, None)
    assert set(answer) == {"unreadable"} and answer["unreadable"]


def test_a_judge_survives_any_data():
    trial = exercise()
    for data in ([], [None], [{}], [{"value": 3}], [{"value": {"array": [1, 2], "shape": [7], "kind": "f"}}], [{"value": {"list": [{"list": 3}]}}],
                 [{"value": {"array": [[1], [1, 2]], "shape": [2], "kind": "f"}}], [{"error": {}}], [{"value": {"array": 1, "shape": [], "kind": "x"}}]):  # fmt: skip
        assert judge(trial, 0, data).status in ("not yet", "raised an error")


def test_a_verdict_that_trips_over_an_answer_blames_its_form():
    trips = exercise(verdict=lambda answer, x: answer["key"])
    assert judge(trips, 0, [{"value": encode(1.0)}]) == ("trial-1", "not yet", "Your answer has a form that was not expected: look again at what the docstring says it returns.")  # fmt: skip


def test_right_answers_to_some_cases_are_not_enough():
    right = [{"value": encode(2 * x)} for (x,) in exercise().cases(np.random.default_rng(5))]
    assert judge(exercise(), 5, right).status == "correct"
    assert judge(exercise(), 5, right[:2]).status == "raised an error"
    assert judge(exercise(), 6, right).status == "not yet"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "Trial"}, "id must be"),
        ({"name": "two words"}, "name must be"),
        ({"level": "fiendish"}, "level must be one of easy, medium, hard"),
        ({"hints": ("one",)}, "hints must be a tuple of at least 2"),
        ({"mistakes": ()}, "mistakes must be a tuple of at least 3"),
        ({"skills": "norms"}, "skills must be a tuple"),
        ({"points": 0}, "points must be greater than 0"),
    ],
)
def test_a_malformed_exercise_is_told_what_is_allowed(changes, told):
    with pytest.raises(ValueError, match=told):
        exercise(**changes)


@pytest.mark.parametrize(
    ("source", "told"),
    [("1 / 0", "does not run: ZeroDivisionError"), ("x = 1", "must define EXERCISES"), ("EXERCISES = []", "must define EXERCISES")],
)  # fmt: skip
def test_a_file_of_exercises_that_is_none_says_why(tmp_path, source, told):
    (tmp_path / "exercises.py").write_text(source)
    with pytest.raises(ValueError, match=told):
        load_exercises(tmp_path / "exercises.py")
    with pytest.raises(ValueError, match="share the id"):
        by_id([exercise(), exercise()])
