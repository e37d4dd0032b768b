"""Shapes in signatures: jaxtyping's, which the tests check, or the same to read where jaxtyping is missing.

Colab ships all that the package needs but jaxtyping. Without it, installing the package installs nothing else.
"""

try:
    from jaxtyping import Float, Float32, Int
except ImportError:
    from typing import Annotated

    class _Kind:
        """``Float[Array, "batch width"]`` is the array's type, with the kind of its numbers and its shape beside it."""

        def __init__(self, name: str):
            self._name = name

        def __getitem__(self, array_and_shape):
            array, shape = array_and_shape
            return Annotated[array, self, shape.strip()]

        def __repr__(self) -> str:
            return self._name

    Float, Float32, Int = _Kind("Float"), _Kind("Float32"), _Kind("Int")

__all__ = ["Float", "Float32", "Int"]
