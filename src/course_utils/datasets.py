"""Data to train on: small, real or made from a seed, and never downloaded."""

from typing import NamedTuple

import numpy as np

from ._checks import finite_number, nonnegative_int, positive_int
from ._shapes import Float, Int


class Dataset(NamedTuple):
    """A classification problem, split into a part to train on and a part to test on.

    Inputs are float32 and standardised with the training part's statistics: each feature has mean 0, and the
    mean square over all features is 1, so that the signal entering a network has unit variance.
    """

    inputs: Float[np.ndarray, "samples features"]
    labels: Int[np.ndarray, " samples"]
    test_inputs: Float[np.ndarray, "test_samples features"]
    test_labels: Int[np.ndarray, " test_samples"]

    @property
    def input_size(self) -> int:
        """Number of features of one sample."""
        return self.inputs.shape[1]

    @property
    def output_size(self) -> int:
        """Number of classes."""
        return int(max(self.labels.max(), self.test_labels.max())) + 1


def _split(inputs, labels, *, seed: int, test_fraction: float) -> Dataset:
    """Shuffle, split and standardise."""
    test_fraction = finite_number("test_fraction", test_fraction, above=0.0)
    order = np.random.default_rng(nonnegative_int("seed", seed)).permutation(len(inputs))
    test_count = round(test_fraction * len(inputs))
    if not 0 < test_count < len(inputs):
        raise ValueError(
            f"test_fraction must leave samples on both sides, between 0 and 1; got {test_fraction!r}"
        )
    test, train = order[:test_count], order[test_count:]
    center = inputs[train].mean(axis=0)
    scale = np.sqrt(np.mean((inputs[train] - center) ** 2))
    standardised = ((inputs - center) / scale).astype(np.float32)
    labels = labels.astype(np.int32)
    return Dataset(standardised[train], labels[train], standardised[test], labels[test])


def load_digits(*, seed: int = 0, test_fraction: float = 0.2) -> Dataset:
    """Scikit-learn's handwritten digits: 1,797 real images of 8 × 8 pixels in ten classes, available offline.

    Args:
        seed: decides which images are kept for testing.
        test_fraction: share of the images kept for testing, between 0 and 1.

    Returns:
        A `Dataset` with inputs ``[samples, 64]`` and labels ``[samples]`` from 0 to 9.

    Raises:
        ValueError: where ``seed`` is negative or ``test_fraction`` leaves one side empty.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI repository.

    >>> digits = load_digits()
    >>> digits.inputs.shape, digits.test_inputs.shape
    ((1438, 64), (359, 64))
    """
    from sklearn.datasets import load_digits as sklearn_digits  # slow to import, so only when asked for

    inputs, labels = sklearn_digits(return_X_y=True)
    return _split(inputs, labels, seed=seed, test_fraction=test_fraction)


def make_spirals(
    *, samples: int = 1000, classes: int = 3, turns: float = 1.0, noise: float = 0.1, seed: int = 0
) -> Dataset:
    """Interleaved spirals in the plane, one arm a class: two features that no linear model separates.

    Args:
        samples: number of points, shared evenly between the arms.
        classes: number of arms.
        turns: how often an arm winds around the centre.
        noise: standard deviation of the angle, in radians.
        seed: decides the points and the split.

    Returns:
        A `Dataset` with inputs ``[0.8 · samples, 2]``.

    Raises:
        ValueError: where a count is below 1, there are fewer than five samples a class, or ``noise`` is negative.

    >>> make_spirals(samples=500, classes=2).inputs.shape
    (400, 2)
    """
    classes = positive_int("classes", classes)
    if positive_int("samples", samples) < 5 * classes:
        raise ValueError(f"samples must be at least 5 a class, that is {5 * classes}; got {samples!r}")
    turns = finite_number("turns", turns, above=0.0)
    noise = finite_number("noise", noise, minimum=0.0)
    generator = np.random.default_rng(nonnegative_int("seed", seed))
    labels = np.arange(samples) % classes
    radius = generator.uniform(0.1, 1.0, samples)
    angle = 2 * np.pi * (turns * radius + labels / classes) + noise * generator.standard_normal(samples)
    inputs = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _split(inputs, labels, seed=seed, test_fraction=0.2)
