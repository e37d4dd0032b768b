"""Build the book: warnings are fatal, a failed cell is named, and no stale result survives a change of the package.

    python tools/build_book.py [--source FOLDER]

The execution cache knows a notebook's own cells, not the package behind them. So it is kept only while the Python of
``src/course_utils`` and the lock file stay the same. The explorers' JavaScript and CSS run in a reader's browser, not here:
``stage`` puts the current ones into the executed notebooks.

Chapters run here, side by side, each as a reader would run it: on a fresh machine, with the package that its set-up cell
installs. ``_build/executed`` holds the executed notebooks. The last chapter collects the claims of the others from there,
so it runs after them, and again whenever one of their claims changes. Sphinx reads them from ``_build/book`` and writes
``_build/sphinx``; ``pages`` makes the site of it, ``_build/html``.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import nbformat
import yaml
from fresh import run_as_a_reader
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from pages import finish
from stage import ship, stage, write_for_colab

from course_utils.grading.set_up import build_wheel, has_set_up, with_set_up

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTS_CLAIMS = "11_claims.ipynb"
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PLATFORM_DIRS": "1"}
# What a chapter's kernel is told by the build; XLA_FLAGS since tests build in a process of theirs.
FOR_CHAPTERS = ("COURSE_BUILD", "COURSE_EXECUTED_CHAPTERS", "XLA_FLAGS", *QUIET)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _key(paths) -> str:
    """A digest of the files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _keep_only_if(stamp: pathlib.Path, key: str, *stale: pathlib.Path) -> None:
    """Remove what was made under another key."""
    if not stamp.exists() or stamp.read_text() != key:
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


def _failed_cell(chapter: pathlib.Path, traceback: str) -> str:
    """Which cell of a chapter failed, and why, from the traceback that its execution left."""
    text = ANSI.sub("", traceback)
    cell = re.search(r"-{10,}\n(.*?)\n-{10,}", text, re.DOTALL)
    errors = re.findall(r"^(?:[\w.]*(?:Error|Exit|Exception|Interrupt)): .*", text, re.MULTILINE)
    source = cell.group(1).strip() if cell else "(not reported)"
    cells = [cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "code"]
    number = next((i for i, cell in enumerate(cells, 1) if cell.source.strip() == source), "?")
    lines = "\n".join(f"    {line}" for line in source.splitlines()[:12])
    error = errors[-1] if errors else text.strip().splitlines()[-1]
    return (
        f"chapter   {chapter.stem}\ncell      {number} of {len(cells)} code cells\n{lines}\nfailed    {error}"
    )


def _run(chapter: pathlib.Path, wheel: pathlib.Path, log: pathlib.Path, timeout: float):
    """The executed notebook, what it took, and the failure if there is one.

    What the kernel itself says, not the chapter, goes to ``log``.
    """
    given, failure, took = nbformat.read(chapter, as_version=4), None, None
    notebook = with_set_up(given, str(wheel)) if has_set_up(given) else given
    variables = {name: value for name, value in os.environ.items() if name in FOR_CHAPTERS}
    with log.open("w") as stderr:
        try:
            took = run_as_a_reader(notebook, timeout=timeout, variables=variables, stderr=stderr)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failure = _failed_cell(chapter, f"{type(error).__name__}: {error}")
    for cell, as_given in zip(notebook.cells, given.cells, strict=True):
        cell.source = as_given.source
    return notebook, took, failure


def _execute(
    chapters: list[pathlib.Path], wheel: pathlib.Path, output: pathlib.Path, timeout: float
) -> list[str]:
    """Run the chapters that the cache does not know, side by side, into ``executed``. Returns the failures."""
    cache, failures, missing = get_cache(output / ".jupyter_cache"), [], []
    for chapter in chapters:
        try:
            _, notebook = cache.merge_match_into_notebook(nbformat.read(chapter, as_version=4))
            nbformat.write(notebook, output / "executed" / chapter.name)
        except KeyError:
            missing.append(chapter)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        log = lambda chapter: output / "executed" / f"{chapter.stem}.log"
        runs = {pool.submit(_run, chapter, wheel, log(chapter), timeout): chapter for chapter in missing}
        for done, run in enumerate(concurrent.futures.as_completed(runs), 1):
            chapter, (notebook, took, failure) = runs[run], run.result()
            told = f"{took.seconds:.0f} s" if took else "failed"
            print(f"executed {done} of {len(missing)}: {chapter.stem}, {told}", flush=True)
            if failure:
                failures.append(failure)
                continue
            data = {"execution_seconds": took.seconds, "peak_bytes": took.peak_bytes}
            bundle = CacheBundleIn(notebook, str(chapter), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            nbformat.write(notebook, output / "executed" / chapter.name)
    return failures


def _keep_costs(chapters: list[pathlib.Path], output: pathlib.Path) -> None:
    """Write what each chapter's run took, whenever that was, where ``pages`` finds it."""
    cache = get_cache(output / ".jupyter_cache")
    costs = {
        chapter.name: cache.match_cache_notebook(nbformat.read(chapter, as_version=4)).data
        for chapter in chapters
    }
    (output / "executed" / "costs.json").write_text(json.dumps(costs, indent=1))


def _keep_time(output: pathlib.Path, seconds: float) -> None:
    """Write what this build took into ``times.json``, as cold where it ran every chapter, as warm where it ran none."""
    ran, chapters = (len(list((output / "executed").glob(kind))) for kind in ("*.log", "*.ipynb"))
    kind = {chapters: "cold", 0: "warm"}.get(ran)
    if kind:
        path = output / "times.json"
        times = json.loads(path.read_text()) if path.exists() else {}
        times[kind] = {"seconds": seconds, "cores": os.cpu_count()}
        path.write_text(json.dumps(times, indent=1))


def _execute_book(source: pathlib.Path, wheel: pathlib.Path, output: pathlib.Path) -> list[str]:
    """Run every chapter, the one that collects the others' claims last. Returns the failures."""
    timeout = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))["execute"].get(
        "timeout", 30
    )
    executed = output / "executed"
    shutil.rmtree(executed, ignore_errors=True)
    executed.mkdir(parents=True)
    chapters = sorted((source / "chapters").glob("*.ipynb"))
    last = [chapter for chapter in chapters if chapter.name == COLLECTS_CLAIMS]
    failures = _execute([chapter for chapter in chapters if chapter not in last], wheel, output, timeout)
    if failures or not last:
        return failures
    stamp, key = output / "claims.key", _key(executed.glob("*.ipynb"))
    if not stamp.exists() or stamp.read_text() != key:
        cache = get_cache(output / ".jupyter_cache")
        with contextlib.suppress(KeyError):
            cache.remove_cache(cache.match_cache_notebook(nbformat.read(last[0], as_version=4)).pk)
    stamp.write_text(key)
    return _execute(last, wheel, output, timeout)


def build(source: pathlib.Path) -> int:
    """Build ``source`` into its ``_build/html``; 0 where all went well."""
    output, started = source / "_build", time.perf_counter()
    # The grader runs in no chapter.
    package = [path for path in (ROOT / "src" / "course_utils").rglob("*.py") if "grading" not in path.parts]
    sphinx = output / "sphinx"
    _keep_only_if(
        output / "package.key",
        _key([*package, ROOT / "requirements.txt"]),
        output / ".jupyter_cache",
        sphinx,
    )
    # The pages show how the course's own package behaves: strict, and without progress bars.
    os.environ.update(COURSE_BUILD="1", COURSE_EXECUTED_CHAPTERS=str(output / "executed"), **QUIET)
    shutil.rmtree(output / "wheel", ignore_errors=True)
    wheel = build_wheel(ROOT, output / "wheel")
    failures = _execute_book(source, wheel, output)
    if failures:
        return _not_built("\n\n".join(failures))
    _keep_costs(sorted((source / "chapters").glob("*.ipynb")), output)
    stage(source, output / "executed", output / "book")
    site = [output / "book" / "_config.yml", output / "book" / "_toc.yml", *(source / "assets").rglob("*")]
    _keep_only_if(
        output / "site.key",
        _key(path for path in site if path.is_file() and "node_modules" not in path.parts),
        sphinx,
    )
    jupyter_book = pathlib.Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", output / "book", "--path-output", sphinx, "-W", "-n", "--keep-going"]
    run = subprocess.run(command)
    if run.returncode:
        # A page that failed must not pass for built next time.
        shutil.rmtree(sphinx, ignore_errors=True)
        return _not_built("The warnings and errors above say why.")
    finish(source, sphinx / "_build" / "html", output / "html")
    ship(source, output / "html", wheel)
    write_for_colab(source, output / "notebooks")
    _keep_time(output, time.perf_counter() - started)
    return 0


def _not_built(why: str) -> int:
    bar = "=" * 78
    print(f"\n{bar}\nThe book was not built.\n{why}\n{bar}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Build the book; warnings, failed cells and false claims are fatal."
    )
    parser.add_argument(
        "--source", type=pathlib.Path, default=ROOT, help="the book's folder (default: this repository)"
    )
    sys.exit(build(parser.parse_args().source.resolve()))
