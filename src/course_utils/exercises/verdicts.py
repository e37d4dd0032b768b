"""Ways to judge an answer, to build an exercise's ``verdict`` from.

Each speaks of the symptom. None tells the expected value.
"""

from collections.abc import Callable, Mapping

import numpy as np


def _as_arrays(value) -> list[tuple[str, np.ndarray]]:
    """Every array in an answer, with where it stands."""
    if isinstance(value, dict):
        return [
            (f"[{key!r}]{where}", leaf) for key, item in value.items() for where, leaf in _as_arrays(item)
        ]
    if isinstance(value, (list, tuple)) and not _is_numbers(value):
        return [(f"[{i}]{where}", leaf) for i, item in enumerate(value) for where, leaf in _as_arrays(item)]
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"numbers of the kind {array.dtype}")
    return [("", array.astype(float))]


def _is_numbers(values) -> bool:
    """Whether a list is a plain list of numbers, which is as good as an array."""
    try:
        return np.asarray(values).dtype.kind in "biuf" and len(values) > 0
    except (TypeError, ValueError):
        return False


def form_of(answer, expected) -> str | None:
    """What is wrong with an answer's form: None where it has the structure and the shapes of ``expected``.

    >>> form_of([1.0, 2.0], np.zeros(3))
    'your answer has shape (2,); it must have shape (3,)'
    """
    if answer is None:
        return "your function returns nothing: does it end with a `return`?"
    if isinstance(answer, (list, dict)) and not answer and not isinstance(expected, (list, dict)):
        return "your answer is empty"
    if isinstance(expected, str):
        return None if isinstance(answer, str) else "your answer must be a text"
    if isinstance(expected, dict) and isinstance(answer, dict) and set(answer) != set(expected):
        return f"your dict has the keys {sorted(answer)}; it must have {sorted(expected)}"
    if isinstance(expected, dict) != isinstance(answer, dict):
        return (
            "your answer must be a dict" if isinstance(expected, dict) else "your answer must not be a dict"
        )
    try:
        ours, yours = _as_arrays(expected), dict(_as_arrays(answer))
    except (TypeError, ValueError):
        return "your answer must hold numbers only, and rows of equal length"
    if [where for where, _ in ours] != list(yours) and set(yours) != {where for where, _ in ours}:
        return f"your answer has {len(yours)} arrays; it must have {len(ours)}"
    for where, array in ours:
        if yours[where].shape != array.shape:
            place = f"your answer{where}" if where else "your answer"
            needed = f"have shape {array.shape}" if array.ndim else "be one number"
            has = f"has shape {yours[where].shape}" if yours[where].ndim else "is one number"
            return f"{place} {has}; it must {needed}"
    return None


def _same(answer, expected, rtol: float, atol: float) -> bool:
    if isinstance(expected, str):
        return answer == expected
    if form_of(answer, expected):
        return False
    yours = dict(_as_arrays(answer))
    return all(
        np.allclose(yours[where], array, rtol=rtol, atol=atol, equal_nan=True)
        for where, array in _as_arrays(expected)
    )


def equals(
    reference: Callable,
    symptoms: Mapping[str, Callable] | None = None,
    *,
    rtol: float = 1e-3,
    atol: float = 1e-6,
) -> Callable[..., str | None]:
    """A verdict: the answer equals what an independent reference, in NumPy, gives.

    Args:
        reference: ``reference(*arguments)``: a number, a text, an array, or a list or dict of arrays.
        symptoms: by what the student is told, the wrong function that gives such an answer. The first that fits is told.
        rtol: relative tolerance; the student computes in single precision.
        atol: absolute tolerance. Set it to 0 where answers may be tiny.

    >>> norm = equals(lambda x: np.linalg.norm(x), {"this is the squared norm: take the root": lambda x: (x**2).sum()})
    >>> norm(5.0, np.array([3.0, 4.0])) is None
    True
    >>> norm(25.0, np.array([3.0, 4.0]))
    'this is the squared norm: take the root'
    """

    def verdict(answer, *arguments):
        expected = reference(*arguments)
        if _same(answer, expected, rtol, atol):
            return None
        for told, wrong in (symptoms or {}).items():
            if _same(answer, wrong(*arguments), rtol, atol):
                return told
        return form_of(answer, expected) or _difference(answer, expected, rtol, atol)

    return verdict


def _difference(answer, expected, rtol: float, atol: float) -> str:
    """Where an answer of the right form differs, without the expected value."""
    if isinstance(expected, str):
        return f"{answer!r} is not right here"
    yours = dict(_as_arrays(answer))
    if any(not np.isfinite(array).all() for array in yours.values()):
        return "your answer holds infinite numbers or NaN"
    if all(np.allclose(-yours[where], array, rtol=rtol, atol=atol) for where, array in _as_arrays(expected)):
        return "your answer has the right size and the wrong sign"
    ratios = []
    for where, array in _as_arrays(expected):
        wrong = ~np.isclose(yours[where], array, rtol=rtol, atol=atol)
        if wrong.any():
            ratios.append(
                (where, int(wrong.sum()), array.size, (np.abs(yours[where]) > np.abs(array))[wrong])
            )
    where, count, size, larger = ratios[0]
    side = "too large" if larger.all() else "too small" if not larger.any() else "off"
    place = f" in your answer{where}" if where else ""
    return (
        f"the number{place} is {side} in size"
        if size == 1
        else f"{count} of {size} numbers{place} are {side} in size"
    )


def within(
    measure: Callable, low: float, high: float, *, below: str, above: str
) -> Callable[..., str | None]:
    """A verdict: a number measured from the answer lies in a band.

    Args:
        measure: ``measure(answer, *arguments)``: a number, or a text to tell where the answer cannot be measured.
        low: the least that is right.
        high: the greatest that is right.
        below: what to tell where the number is smaller; ``{:.2g}`` in it shows the number.
        above: what to tell where it is greater.

    >>> within(lambda answer: answer, 1, 2, below="{:.2g} is too small", above="too large")(0.5)
    '0.5 is too small'
    """

    def verdict(answer, *arguments):
        number = measure(answer, *arguments)
        if isinstance(number, str):
            return number
        if not np.isfinite(number):
            return "what your answer leads to is not finite"
        return below.format(number) if number < low else above.format(number) if number > high else None

    return verdict


def by_key(
    reference: Callable,
    symptoms: Mapping[str, Mapping[str, Callable]],
    *,
    rtol: float = 1e-3,
    atol: float = 1e-6,
) -> Callable[..., str | None]:
    """A verdict on a dict: its keys in order, each as `equals` judges it, with symptoms of its own.

    >>> both = by_key(lambda x: {"sum": x.sum(), "mean": x.mean()}, {"mean": {"this is the sum": lambda x: x.sum()}})
    >>> both({"sum": 3.0, "mean": 3.0}, np.array([1.0, 2.0]))
    'mean: this is the sum'
    """

    def verdict(answer, *arguments):
        expected = reference(*arguments)
        if told := form_of(answer, expected):
            return told
        for key, item in expected.items():
            judged = equals(lambda *_, item=item: item, symptoms.get(key), rtol=rtol, atol=atol)
            if told := judged(answer[key], *arguments):
                return f"{key}: {told}"
        return None

    return verdict


def first_of(*verdicts: Callable[..., str | None]) -> Callable[..., str | None]:
    """A verdict that asks several in turn, and tells what the first unhappy one tells.

    >>> positive = lambda answer: None if answer > 0 else "it must be positive"
    >>> first_of(positive, lambda answer: None if answer < 9 else "it is too large")(-1)
    'it must be positive'
    """

    def verdict(answer, *arguments):
        return next((told for each in verdicts if (told := each(answer, *arguments))), None)

    return verdict


def number_in(answer, name: str = "your answer") -> str | None:
    """What is wrong with an answer that must be one finite number: None where nothing is.

    >>> number_in([1, 2])
    'your answer must be one number'
    """
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"{name} must be one number"
    return None if np.isfinite(answer) else f"{name} must be finite"
