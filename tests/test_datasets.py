import numpy as np
import pytest

from course_utils import load_digits, make_spirals, orthogonal, scaled_normal


def test_digits_are_standardised_and_split(digits):
    assert digits.inputs.shape == (1438, 64) and digits.test_inputs.shape == (359, 64)
    np.testing.assert_allclose(digits.inputs.mean(0), 0, atol=1e-5)
    assert np.mean(digits.inputs**2) == pytest.approx(1, rel=1e-5)
    assert digits.inputs.dtype == np.float32 and set(digits.labels) == set(range(10))
    assert (digits.input_size, digits.output_size) == (64, 10)


def test_the_split_leaks_nothing_and_follows_the_seed(digits):
    seen = {row.tobytes() for row in digits.inputs}
    shared = sum(row.tobytes() in seen for row in digits.test_inputs)
    assert shared <= 1  # two of the 1,797 scans could be alike
    assert (load_digits(seed=1).labels != digits.labels).any()
    np.testing.assert_array_equal(load_digits().inputs, digits.inputs)


def test_spirals_have_every_class_in_both_parts():
    spirals = make_spirals(samples=300, classes=3)
    assert set(spirals.labels) == set(spirals.test_labels) == {0, 1, 2}
    np.testing.assert_array_equal(make_spirals(samples=300).inputs, spirals.inputs)


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize(
    ("call", "named"),
    [(lambda: load_digits(test_fraction=1.5), "test_fraction"), (lambda: load_digits(test_fraction=1e-9), "test_fraction"),
     (lambda: load_digits(seed=-1), "seed"), (lambda: make_spirals(samples=4), "samples"), (lambda: make_spirals(noise=-1), "noise"),
     (lambda: make_spirals(classes=0), "classes"), (lambda: scaled_normal((3,), key=0), "shape"),
     (lambda: scaled_normal((3, 3), -1.0, key=0), "weight_scale"), (lambda: orthogonal((3, 3), key="a"), "key")],
)  # fmt: skip
def test_wrong_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
