"""Checks of arguments. Every error names the argument, the value it had and what is allowed."""

import math
import numbers
from collections.abc import Iterable


def positive_int(name: str, value) -> int:
    """``value`` as an ``int`` of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def nonnegative_int(name: str, value) -> int:
    """``value`` as an ``int`` of at least 0."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
    return int(value)


def finite_number(name: str, value, *, above: float | None = None, minimum: float | None = None) -> float:
    """``value`` as a finite ``float``, greater than ``above`` or at least ``minimum``."""
    allowed = "a finite number"
    if above is not None:
        allowed += f" greater than {above:g}"
    if minimum is not None:
        allowed += f" of at least {minimum:g}"
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or (above is not None and value <= above) or (minimum is not None and value < minimum):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return float(value)


def one_of(name: str, value, allowed: Iterable[str]) -> str:
    """``value`` as one of the names in ``allowed``."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return value


def non_empty(name: str, values, check) -> tuple:
    """``values`` as a tuple of at least one item, each of which passes ``check(name, item)``."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a sequence of at least one value, got {values!r}")
    values = tuple(v.item() if hasattr(v, "item") and getattr(v, "ndim", 0) == 0 else v for v in values)
    if not values:
        raise ValueError(f"{name} must hold at least one value, got an empty sequence")
    return tuple(check(f"{name}[{i}]", value) for i, value in enumerate(values))
