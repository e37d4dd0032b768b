"""What a Gradescope container runs for one submission: ``python -m course_utils.grading.autograder /autograder``."""

import json
import pathlib
import sys
import traceback

from .grade import grade_one, prepared_sandbox
from .packs import read_pack
from .reports import gradescope_results
from .sandbox import Limits
from .submissions import find_submissions


def results_of(root: pathlib.Path) -> dict:
    """The results, in Gradescope's schema, of what stands in ``submission``.

    The container holds one submission and shares nothing with others, so the submission runs as an unprivileged user, and
    the pack and the judge are readable by root alone.
    """
    pack = read_pack(root / "source" / "pack")
    try:
        found = find_submissions([root / "submission"])
    except ValueError:
        found = []
    notebooks = [submission for submission in found if submission.path.suffix == ".ipynb"]
    if len(notebooks) != 1:
        count = "no notebook" if not notebooks else f"{len(notebooks)} notebooks"
        return {
            "score": 0,
            "output": f"Submit one notebook (.ipynb). There is {count} in this submission.",
            "tests": [],
        }
    with prepared_sandbox(pack, "user", Limits()) as sandbox:
        return gradescope_results(pack, grade_one(notebooks[0], pack, sandbox))


def main(root: str) -> None:
    """Write ``results/results.json``, whatever happens."""
    try:
        results = results_of(pathlib.Path(root))
    except Exception:
        traceback.print_exc()
        # No score: the submission is not to blame, and Gradescope shows the instructor that grading failed.
        results = {
            "output": "The autograder itself failed. Please tell your instructor.",
            "tests": [],
            "visibility": "visible",
        }
    (pathlib.Path(root) / "results" / "results.json").write_text(
        json.dumps(results, indent=1), encoding="utf-8"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
