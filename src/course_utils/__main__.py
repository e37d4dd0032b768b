"""``python -m course_utils``: the same as the command ``course``."""

import sys

from .grading.cli import main

if __name__ == "__main__":
    sys.exit(main())
