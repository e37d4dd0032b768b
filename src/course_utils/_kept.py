"""Rows of results that are kept on disk under a name, as far as they are computed.

The folder is ``COURSE_UTILS_CACHE``, or ``course_utils`` in the user's cache folder. One that cannot be used is done
without.
"""

import contextlib
import os
import pathlib

import numpy as np

from ._build import cache_folder


def _path(key: str) -> pathlib.Path:
    return cache_folder() / f"{key}.npy"


def kept_rows(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The first rows of a float32 result of this shape, as many as are kept; without any, none."""
    try:
        rows = np.load(_path(key))
    except (OSError, ValueError, EOFError):
        rows = None
    if rows is None or rows.shape[1:] != shape[1:] or len(rows) > shape[0]:
        return np.empty((0, *shape[1:]), np.float32)
    return rows


def keep_rows(key: str, rows: np.ndarray) -> bool:
    """Keep the first rows of a result instead of what was kept under this name; whether that worked."""
    try:
        with whole_file(_path(key)) as file:
            np.save(file, rows)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def whole_file(path: pathlib.Path):
    """A file to write bytes to, which takes its name once it is whole, so that no reader finds half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
