"""MathJax as a process beside the build: TeX in, a drawing and MathML out."""

import functools
import json
import pathlib
import subprocess

from node import environment, program

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "assets" / "mathjax" / "typeset.mjs"


class Typesetter:
    """A MathJax that waits for formulas, and remembers those that it has set."""

    def __init__(self):
        self._known: dict[tuple[str, bool], dict] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if "_process" in vars(self):
            with self._process:  # closes its pipes: no more lines, so it ends
                del self._process

    @functools.cached_property
    def _process(self) -> subprocess.Popen:
        return subprocess.Popen(
            [program("node"), SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment(),
        )

    def set(self, tex: str, *, display: bool) -> dict[str, str]:
        """A formula as ``path``, the ``box`` it is drawn in, ``width``, ``height`` and ``align`` in ex, and ``mathml``.

        Raises:
            ValueError: where MathJax does not understand the formula.
        """
        if (tex, display) not in self._known:
            self._process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
            self._process.stdin.flush()
            self._known[tex, display] = json.loads(self._process.stdout.readline())
        answer = self._known[tex, display]
        if "error" in answer:
            raise ValueError(f"this formula cannot be set: {tex}\n{answer['error']}")
        return answer
