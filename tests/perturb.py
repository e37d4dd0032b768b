"""Mutation of claims: a claim must turn false when the numbers that it speaks about are others.

`check_claims` runs inside a chapter's kernel, after a cell that makes claims. For each claim it evaluates the condition
again and again, each time with one variable of the chapter perturbed, and returns the claims that stayed true throughout.
"""

import ast
import inspect
import numbers

import numpy as np


def _numbers(value, change):
    """``value`` with each number in it changed; None where it holds none."""
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, numbers.Number):
        return change(np.asarray(value))[()]
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype == bool:
            return ~array
        return change(array) if array.dtype.kind in "fiu" else None
    if isinstance(value, dict):
        changed = {key: _numbers(item, change) for key, item in value.items()}
        return None if all(item is None for item in changed.values()) else {
            key: value[key] if item is None else item for key, item in changed.items()
        }  # fmt: skip
    if isinstance(value, (list, tuple)):
        changed = [_numbers(item, change) for item in value]
        if all(item is None for item in changed):
            return None
        items = [old if new is None else new for old, new in zip(value, changed, strict=True)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return None


CHANGES = (
    lambda x: x * 1e6 + 1,
    lambda x: x * 1e-6,
    lambda x: -x - 1,
    lambda x: np.full(x.shape, np.nan),
    lambda x: np.nan_to_num(x * 0.0) + 0.5,
    lambda x: np.nan_to_num(x * 0.0),
    lambda x: x[::-1] if x.ndim else x + 7,
)


def _is_false(expression, names) -> bool:
    try:
        return not bool(eval(expression, names))
    except Exception:  # a condition that breaks on other numbers does notice them
        return True


def _falls(condition: ast.expr, namespace: dict) -> bool:
    """Whether some perturbation of some variable makes the condition false."""
    expression = compile(ast.Expression(condition), "condition", "eval")
    used = {node.id for node in ast.walk(condition) if isinstance(node, ast.Name)}
    for name in used & set(namespace):
        if inspect.ismodule(namespace[name]) or callable(namespace[name]):
            continue
        for change in CHANGES:
            with np.errstate(all="ignore"):
                perturbed = _numbers(namespace[name], change)
            if perturbed is not None and _is_false(expression, namespace | {name: perturbed}):
                return True
    return False


def check_claims(source: str, namespace: dict) -> list[str]:
    """The statements of a cell's claims that no perturbation makes false."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim"]
    return [ast.unparse(call.args[0]) for call in calls if not _falls(call.args[1], dict(namespace))]
