"""An attempt at an exercise: the student's object called on cases, and what came of it as plain data.

The same code runs behind `check`, in the student's own session, and in the grader's sandbox. There it is one of the few
files of this package that a submission can see, so it knows no exercise and no reference, and imports nothing of ours.
"""

import collections.abc
import dis
import importlib
import numbers
import traceback
import types
from typing import NamedTuple

import numpy as np

MAX_NUMBERS = 200_000
"""The most numbers that one answer may hold."""
MAX_TEXT = 10_000
"""The most characters that one text in an answer, or one error message, may hold."""
_MAX_DEPTH = 8


class Typed(NamedTuple):
    """A named tuple of the course's as an argument: made where the student's code runs, so that a judge need not import it."""

    type: str
    """``"module:name"``."""
    fields: dict


def encode(value, depth: int = 0):
    """A value as JSON data: numbers, texts, arrays, and lists, tuples, dicts and named tuples of them.

    Raises:
        TypeError: for any other kind of value.
        ValueError: where it is too large or nested too deeply.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"an answer nested more than {_MAX_DEPTH} levels deep")
    if value is None or isinstance(value, (bool, str)):
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise ValueError(f"a text of {len(value)} characters; at most {MAX_TEXT} are read")
        return {"plain": value}
    if isinstance(value, Typed):
        return {"fields": encode(value.fields, depth), "type": value.type}
    if hasattr(value, "_asdict"):
        kind = type(value)
        return {"fields": encode(value._asdict(), depth), "type": f"{kind.__module__}:{kind.__qualname__}"}
    if isinstance(value, collections.abc.Mapping):
        _bounded(len(value))
        return {"dict": [[str(key), encode(item, depth + 1)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        _bounded(len(value))
        return {"list": [encode(item, depth + 1) for item in value]}
    if not isinstance(value, numbers.Number) and not hasattr(value, "__array__"):
        raise TypeError(
            f"a {type(value).__name__}, where numbers, arrays, texts, lists and dicts can be read"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise TypeError(f"an array of {array.dtype}, where real numbers can be read")
    _bounded(array.size)
    if array.dtype.kind not in "biu":
        array = array.astype(np.float64)
    return {"array": array.tolist(), "shape": list(array.shape), "kind": array.dtype.kind}


def _bounded(size: int) -> None:
    if size > MAX_NUMBERS:
        raise ValueError(f"an answer of {size:,} numbers; at most {MAX_NUMBERS:,} are read")


def decode(data, array=np.asarray, known_types: bool = False):
    """What `encode` was given: arrays through ``array``, tuples as lists.

    Args:
        data: what `encode` returned, or a JSON copy of it.
        array: makes an array from a NumPy array.
        known_types: also make the named tuples again. Only for data that this course made: never for a student's.
    """
    again = lambda item: decode(item, array, known_types)
    if "plain" in data:
        return data["plain"]
    if "fields" in data:
        fields = again(data["fields"])
        if not known_types:
            return fields
        module, name = data["type"].split(":")
        return getattr(importlib.import_module(module), name)(**fields)
    if "dict" in data:
        return {key: again(item) for key, item in data["dict"]}
    if "list" in data:
        return [again(item) for item in data["list"]]
    kind = {"b": bool, "i": np.int64, "u": np.int64, "f": np.float64}[data["kind"]]
    values = np.array(data["array"], dtype=kind).reshape(data["shape"])
    return array(values) if values.ndim else values.item()


def _as_argument(values: np.ndarray):
    """Arrays reach the student as JAX's own, in single precision, as everywhere in the course."""
    import jax.numpy as jnp

    return jnp.asarray(values.astype(np.float32) if values.dtype.kind == "f" else values)


def is_blank(value) -> bool:
    """Whether a student left the placeholder: ``...``, or a function that does nothing but raise NotImplementedError."""
    if value is Ellipsis or value is None:
        return True
    code = getattr(value, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    does_nothing = len(steps) <= 2 and all(step.argval is None for step in steps)
    return does_nothing or (
        code.co_names == ("NotImplementedError",) and not any("FAST" in step.opname for step in steps)
    )


def described(error: BaseException) -> dict:
    """An error as data: its kind, its message, and the student's line that led to it."""
    if isinstance(error, SyntaxError):
        line, number = (error.text or "").strip(), error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if _is_students(frame.filename)]
        line, number = ((own[-1].line or "").strip(), own[-1].lineno) if own else ("", None)
    return {
        "error": type(error).__name__[:100],
        "message": str(error)[:300],
        "line": line[:200],
        "number": number,
    }


def _is_students(filename: str) -> bool:
    """Whether code stands in a cell. Cells have no file, or one in a folder of ipykernel's."""
    return (filename.startswith("<") and not filename.startswith("<frozen")) or "ipykernel_" in filename


def answers(value, cases: list | None) -> list[dict]:
    """What a student's object gives: itself, or what it returns for each case, until one fails.

    Args:
        value: what the student defined.
        cases: the encoded arguments of each call, or None where the answer is the value itself.

    Returns:
        One dict a case: ``{"value": …}`` with encoded data, ``{"blank": True}``, or an error as `described`.
    """
    if is_blank(value):
        return [{"blank": True}]
    if cases is None:
        return [_encoded(value)]
    if not callable(value):
        message = f"it must be a function, and is a {type(value).__name__}"
        return [{"error": "TypeError", "message": message, "line": "", "number": None}]
    found = []
    for case in cases:
        try:
            answer = value(*[decode(argument, _as_argument, known_types=True) for argument in case])
        except NotImplementedError:
            found.append({"blank": True})
        except Exception as error:
            found.append(described(error))
        else:
            found.append(_encoded(answer))
        if "value" not in found[-1]:
            break
    return found


def _encoded(answer) -> dict:
    try:
        return {"value": encode(answer)}
    except Exception as error:
        return {"unreadable": str(error)[:300]}
