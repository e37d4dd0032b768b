"""Grades a class: each submission in the sandbox, then judged here; resumes where it stopped."""

import concurrent.futures
import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import queue
import shutil
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from .. import __version__
from .._build import cache_folder
from ..exercises.exercise import Exercise
from ..exercises.judging import CORRECT, NOT_ATTEMPTED, RAISED, Outcome, cases_for, judge, where_it_failed
from .collect import collect
from .notebooks import is_solution
from .packs import NOTEBOOK, Pack
from .sandbox import PACKAGE, Limits, Sandbox, public_files
from .submissions import Submission, UnreadableError, code_cells, find_submissions


class Graded(NamedTuple):
    """One submission's result."""

    student: str
    file: str
    outcomes: tuple[Outcome, ...]
    problems: tuple[str, ...]
    """Cells that failed, or why the file could not be read."""
    readable: bool
    cpu_seconds: float

    def points(self, exercise: Exercise) -> float:
        """What the submission earns for an exercise."""
        return (
            exercise.points
            if any(o.exercise == exercise.id and o.status == CORRECT for o in self.outcomes)
            else 0
        )


class GradingError(RuntimeError):
    """The pack cannot be graded on this machine."""


def grade_one(submission: Submission, pack: Pack, sandbox: Sandbox, slot: int = 0) -> Graded:
    """Run and judge one submission. Whatever it does, this returns."""
    exercises = pack.exercises.values()
    try:
        cells = code_cells(submission.path)
    except UnreadableError as error:
        why = str(error)
        outcomes = tuple(Outcome(e.id, NOT_ATTEMPTED, "The file could not be read.") for e in exercises)
        return Graded(
            submission.student, str(submission.path), outcomes, (why[0].upper() + why[1:] + ".",), False, 0.0
        )
    asks = {exercise.id: [exercise.name, cases_for(exercise, pack.seed)] for exercise in exercises}
    collected = collect(cells, asks, sandbox, slot)
    sources = dict(cells)
    outcomes = []
    for exercise in exercises:
        outcome = judge(exercise, pack.seed, collected.answers[exercise.id])
        failed = [n for n in collected.cell_errors if n in sources and exercise.name in sources[n]]
        if collected.answers[exercise.id][:1] == [{"missing": True}] and failed:
            why = where_it_failed(collected.cell_errors[failed[-1]])
            outcome = Outcome(exercise.id, RAISED, f"The cell that defines {exercise.name} failed. {why}")
        outcomes.append(outcome)
    problems = tuple(
        f"Cell {n}: {where_it_failed(error)}"
        for n, error in sorted(collected.cell_errors.items())
        if n in sources
    )
    return Graded(
        submission.student,
        str(submission.path),
        tuple(outcomes),
        problems[:20],
        True,
        round(collected.cpu_seconds, 2),
    )


def _not_graded(submission: Submission, pack: Pack, error: Exception) -> Graded:
    """The result where the grader itself failed: a row that says so, and the others go on."""
    outcomes = tuple(
        Outcome(id, NOT_ATTEMPTED, "The grader failed on this submission.") for id in pack.exercises
    )
    why = f"The grader failed on this submission: {type(error).__name__}: {error}"
    return Graded(submission.student, str(submission.path), outcomes, (why[:500],), False, 0.0)


@contextlib.contextmanager
def prepared_sandbox(pack: Pack, isolation: str, limits: Limits):
    """A sandbox for a pack, with a warm cache, in which the pack's own solutions earn full marks.

    Raises:
        IsolationError: where the system cannot isolate.
        GradingError: where the solutions do not pass here, so that no grade would mean anything.
    """
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        files = pathlib.Path(folder) / "files"
        files.parent.chmod(0o755)
        public_files(files)
        sandbox = Sandbox(files, isolation, limits, _warm_cache(pack, files, isolation, limits))
        proved = sandbox.cache.with_name(f"{sandbox.cache.name}-{pack.fingerprint()[:32]}.proved")
        if not proved.exists():
            _prove(pack, sandbox)
            proved.touch()
        yield sandbox


def _prove(pack: Pack, sandbox: Sandbox) -> None:
    """Raise GradingError unless the pack's own solutions earn full marks in the sandbox."""
    with tempfile.TemporaryDirectory() as own:
        path = pathlib.Path(own) / "solutions.ipynb"
        shutil.copyfile(pack.folder / NOTEBOOK, path)
        result = grade_one(Submission("the pack's solutions", path), pack, sandbox)
    wrong = [f"{o.exercise} is {o.status}: {o.told}" for o in result.outcomes if o.status != CORRECT]
    if wrong:
        raise GradingError(
            "The pack's own solutions do not earn full marks on this machine, so nothing was graded. "
            + " ".join([*wrong, *result.problems])
        )


def _warm_cache(pack: Pack, files: pathlib.Path, isolation: str, limits: Limits) -> pathlib.Path:
    """A folder of compiled programs: filled once by the course's own code, then read by every submission and written by none.

    Solutions of the course's exercises, which are public, are run to fill it. Those of the instructor's own are not: a
    submission can read what stands there.
    """
    versions = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")]
    digest = hashlib.sha256(f"{versions} {sys.version} {__version__} {isolation}".encode())
    for path in (pack.folder / NOTEBOOK, *sorted(PACKAGE.glob("*.py"))):
        digest.update(path.read_bytes())
    root = cache_folder() / "grading"
    cache = root / digest.hexdigest()[:32]
    if cache.exists():
        return cache
    root.mkdir(parents=True, exist_ok=True)
    filling = pathlib.Path(tempfile.mkdtemp(dir=root, prefix="filling-"))
    for folder in (filling, filling / "jax", filling / "matplotlib"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    secret = {f"solution-{id}" for id in pack.own}
    cells = [
        c for c in pack.notebook().cells if c.cell_type == "code" and not (is_solution(c) and c.id in secret)
    ]
    # Cases of another seed: the compiled programs depend on shapes, and the pack's own cases stay secret.
    asks = {e.id: [e.name, cases_for(e, pack.seed + 1)] for e in pack.exercises.values()}
    job = {"cells": [[i, cell.source] for i, cell in enumerate(cells)], "asks": asks}
    Sandbox(files, isolation, limits, filling).run(job, fills_cache=True)
    for path in (filling, *filling.rglob("*")):
        if os.name == "posix" and os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        filling.rename(cache)
    except OSError:  # another run was quicker
        shutil.rmtree(filling)
    return cache


def grade(
    pack: Pack,
    paths: Sequence[pathlib.Path],
    *,
    out: pathlib.Path,
    jobs: int = 1,
    isolation: str = "namespaces",
    limits: Limits = Limits(),  # noqa: B008
    progress=lambda steps, **more: steps,
) -> list[Graded]:
    """Grade submissions side by side. What was graded before, into the same folder, is taken from there.

    Args:
        pack: the assignment.
        paths: notebooks, and folders of them.
        out: where results are kept.
        jobs: how many to grade at once.
        isolation: as for `Sandbox`.
        limits: what one submission may use.
        progress: wraps an iterable of ``total`` steps, as tqdm does.

    Returns:
        One result a submission, in the order of their names.

    Raises:
        ValueError: where a path does not exist.
        IsolationError: where the system cannot isolate.
        GradingError: where the pack's own solutions do not pass here.
    """
    submissions = find_submissions(paths)
    kept = out / "graded"
    kept.mkdir(parents=True, exist_ok=True)
    pack_key = pack.fingerprint()
    results: dict[Submission, Graded] = {}
    for submission in submissions:
        if (earlier := _earlier(_place(kept, submission), submission, pack_key)) is not None:
            results[submission] = earlier
    left = [submission for submission in submissions if submission not in results]
    if left:
        slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(jobs):
            slots.put(slot)
        with (
            prepared_sandbox(pack, isolation, limits) as sandbox,
            concurrent.futures.ThreadPoolExecutor(jobs) as pool,
        ):

            def run(submission: Submission) -> Graded:
                slot = slots.get()
                try:
                    result = grade_one(submission, pack, sandbox, slot)
                except Exception as error:
                    return _not_graded(submission, pack, error)  # not kept: the next run tries again
                finally:
                    slots.put(slot)
                _keep(_place(kept, submission), result, submission, pack_key)
                return result

            runs = {pool.submit(run, submission): submission for submission in left}
            try:
                for done in progress(
                    concurrent.futures.as_completed(runs), total=len(submissions), initial=len(results)
                ):
                    results[runs[done]] = done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [results[submission] for submission in submissions]


def _place(kept: pathlib.Path, submission: Submission) -> pathlib.Path:
    return kept / f"{hashlib.sha256(str(submission.path.absolute()).encode()).hexdigest()[:24]}.json"


def _content(submission: Submission, pack_key: str) -> str:
    """A digest of the submission and of the pack: while both stay, so does the grade."""
    digest = hashlib.sha256(pack_key.encode())
    with contextlib.suppress(OSError):
        digest.update(submission.path.read_bytes())
    return digest.hexdigest()


def _keep(place: pathlib.Path, result: Graded, submission: Submission, pack_key: str) -> None:
    """Write a result whole or not at all."""
    data = {"content": _content(submission, pack_key), **result._asdict()}
    part = place.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(data), encoding="utf-8")
    os.replace(part, place)


def _earlier(place: pathlib.Path, submission: Submission, pack_key: str) -> Graded | None:
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        if data.pop("content") != _content(submission, pack_key):
            return None
        outcomes = tuple(Outcome(*outcome) for outcome in data.pop("outcomes"))
        return Graded(
            **{
                **data,
                "student": submission.student,
                "outcomes": outcomes,
                "problems": tuple(data["problems"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
