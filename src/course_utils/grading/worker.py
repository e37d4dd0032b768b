"""The program inside the sandbox: runs one submission's cells, calls what it defines on cases, and reports plain data.

It is copied there, beside ``attempt.py``, and started as a script. It holds no judge, no reference and no seed. From its
standard input it reads one JSON object:

    cells      [[number, source], …], in order; the sources are Python
    asks       {exercise: [name, cases]}, the cases as `attempt.answers` takes them
    limits     {"step_seconds", "cpu_seconds", "memory_bytes", "file_bytes", "processes"}, or null where they stay
    user       a user number to become, or null
    package    the folder to import the course's package from

On its standard output it writes one JSON object a line: ``{"begin": step}`` before a step, a cell's number or an exercise's
id; ``{"cell": number, "error": …}`` or ``{"exercise": id, "answers": […]}`` after it; and ``{"done": true}``, or ``{"why": …}``
where it gives up.
"""

import builtins
import contextlib
import json
import linecache
import os
import pathlib
import signal
import sys
import time


class StepTimeout(BaseException):
    """A step took longer than it may. Not an Exception, so that `except Exception` does not swallow it."""


def main() -> None:
    job = json.load(sys.stdin)
    replies = _take_standard_streams()
    _restrain(job["limits"], job["user"])
    sys.path[:0] = [str(pathlib.Path(__file__).parent), job["package"]]
    import attempt

    def reply(**message):
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    space = {"__name__": "__main__", "__builtins__": builtins, "display": lambda *shown, **more: None}
    shell = _Shell(space)
    space["get_ipython"] = lambda: shell
    defined: dict[str, tuple[object, dict]] = {}
    names = {name for name, _ in job["asks"].values()}
    seconds = (job["limits"] or {}).get("step_seconds", 0)

    def run(cells, last_pass: bool) -> list:
        """Runs cells; returns those that missed a name, which a later cell may define."""
        again = []
        for number, source in cells:
            reply(begin=number)
            error = _run_cell(number, source, space, seconds, attempt.described)
            if error and error["error"] == "MemoryError":
                reply(why="it used more memory than it may")
                os._exit(1)  # what it holds would starve the steps to come: they get a fresh start without it
            if error and error["error"] == "NameError" and not last_pass:
                again.append((number, source))
                error = None
            reply(cell=number, error=error)
            for name in names & space.keys():
                # Where a name is defined twice, a blank copy does not hide the answer. And what later cells call by the
                # names that it uses does not change it: it is asked with the names of its own moment.
                if space[name] is not defined.get(name, (None,))[0] and not attempt.is_blank(space[name]):
                    defined[name] = space[name], dict(space)
        return again

    run(run(job["cells"], last_pass=False), last_pass=True)
    for exercise, (name, cases) in job["asks"].items():
        reply(begin=exercise)
        reply(exercise=exercise, answers=_answer(name, cases, defined, space, seconds, attempt))
    reply(done=True, cpu_seconds=time.process_time())
    os._exit(0)  # threads that the submission left running end here


def _take_standard_streams():
    """Where to write replies. What the submission prints goes nowhere, and what it reads is empty."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.stdin = os.fdopen(os.dup(nothing), encoding="utf-8")
    sys.stdout = sys.stderr = os.fdopen(os.dup(nothing), "w", encoding="utf-8")
    return replies


def _restrain(limits: dict | None, user: int | None) -> None:
    """Become another user and take on limits, for good: only a privileged process could raise them again."""
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    if not limits:
        return
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        bounds = {
            "RLIMIT_CPU": limits["cpu_seconds"],
            "RLIMIT_DATA": limits["memory_bytes"],
            "RLIMIT_FSIZE": limits["file_bytes"],
            "RLIMIT_NPROC": limits["processes"],
            "RLIMIT_CORE": 0,
        }
        for name, bound in bounds.items():
            if bound is not None:
                with contextlib.suppress(
                    AttributeError, ValueError, OSError
                ):  # not every system knows every limit
                    resource.setrlimit(getattr(resource, name), (bound, bound))
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error, not the end


@contextlib.contextmanager
def _time_limit(seconds: float):
    if not seconds or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_):
        raise StepTimeout(f"stopped after {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run_cell(number: int, source: str, space: dict, seconds: float, described) -> dict | None:
    """Runs one cell in the submission's name space. Returns the error that stopped it, if one did."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        with _time_limit(seconds):
            exec(_compiled(source, name), space)
    except BaseException as error:
        return described(error)
    return None


def _compiled(source: str, name: str):
    """Code of a cell. Only a cell that is no plain Python goes through IPython, whose import takes a while."""
    try:
        return compile(source, name, "exec")
    except SyntaxError as error:
        try:
            from IPython.core.inputtransformer2 import TransformerManager
        except ImportError:
            raise error from None
        return compile(TransformerManager().transform_cell(source), name, "exec")


class _Shell:
    """Stands for IPython's shell: magic commands do nothing, but for those that run their cell."""

    def __init__(self, space: dict):
        self._space = space

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        if name in ("time", "capture"):
            exec(compile(cell, f"<%%{name}>", "exec"), self._space)

    def __getattr__(self, name: str):
        return lambda *arguments, **more: None


def _answer(name: str, cases, defined: dict, space: dict, seconds: float, attempt) -> list[dict]:
    if name not in defined:
        return [{"blank": True}] if name in space else [{"missing": True}]
    answer, moment = defined[name]
    space.update(moment)
    try:
        with _time_limit(seconds):
            return attempt.answers(answer, cases)
    except BaseException as error:
        return [attempt.described(error)]


if __name__ == "__main__":
    main()
