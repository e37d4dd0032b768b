"""Whether this process builds or tests the course, rather than being a reader's own session."""

import os


def in_build() -> bool:
    """True where ``COURSE_BUILD=1`` is set: by ``make book`` and by the tests.

    A build is strict and silent: a false claim raises, and no progress bar is drawn.
    """
    return os.environ.get("COURSE_BUILD") == "1"
