"""What surrounds this process: whether it builds or tests the course, and where it may keep things between runs."""

import os
import pathlib


def in_build() -> bool:
    """True where ``COURSE_BUILD=1`` is set: by ``make book`` and by the tests.

    A build is strict and silent: a false claim raises, and no progress bar is drawn.
    """
    return os.environ.get("COURSE_BUILD") == "1"


def cache_folder() -> pathlib.Path:
    """Where results are kept between runs: ``COURSE_UTILS_CACHE``, or ``course_utils`` in the user's cache folder."""
    named = os.environ.get("COURSE_UTILS_CACHE")
    return pathlib.Path(
        named
        or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "course_utils"
    )
