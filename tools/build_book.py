"""Build the book: warnings are fatal, a failed cell is named, and no stale result survives a change of the package.

    python tools/build_book.py [--source FOLDER]

The execution cache that Jupyter Book keeps knows a notebook's own cells, not the package behind them. So it is kept
only while the content of ``src/course_utils`` and the lock file stay the same.

Chapters run here, side by side, before Sphinx reads them from the cache: Sphinx alone would run one after the other.
``_build/executed`` holds the executed notebooks. The last chapter collects the claims of the others from there, so it
runs after them, and again whenever one of their claims changes.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTS_CLAIMS = "11_claims.ipynb"
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


def _run(chapter: pathlib.Path, log: pathlib.Path, timeout: float):
    """The executed notebook, its seconds, and the failure if there is one. It runs in an empty folder of its own.

    What the kernel itself says, not the chapter, goes to ``log``.
    """
    notebook, start, failure = nbformat.read(chapter, as_version=4), time.monotonic(), None
    with tempfile.TemporaryDirectory() as folder, log.open("w") as stderr:
        client = NotebookClient(
            notebook, timeout=timeout, record_timing=False, resources={"metadata": {"path": folder}}
        )
        try:
            client.execute(stderr=stderr)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failure = _failed_cell(chapter, f"{type(error).__name__}: {error}")
    return notebook, time.monotonic() - start, failure


def _execute(chapters: list[pathlib.Path], output: pathlib.Path, timeout: float) -> list[str]:
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
        runs = {pool.submit(_run, chapter, log(chapter), timeout): chapter for chapter in missing}
        for done, run in enumerate(concurrent.futures.as_completed(runs), 1):
            chapter, (notebook, seconds, failure) = runs[run], run.result()
            print(f"executed {done} of {len(missing)}: {chapter.stem}, {seconds:.0f} s", flush=True)
            if failure:
                failures.append(failure)
                continue
            bundle = CacheBundleIn(notebook, str(chapter), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            nbformat.write(notebook, output / "executed" / chapter.name)
    return failures


def _execute_book(source: pathlib.Path, output: pathlib.Path) -> list[str]:
    """Run every chapter, the one that collects the others' claims last. Returns the failures."""
    timeout = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))["execute"].get(
        "timeout", 30
    )
    executed = output / "executed"
    shutil.rmtree(executed, ignore_errors=True)
    executed.mkdir(parents=True)
    chapters = sorted((source / "chapters").glob("*.ipynb"))
    last = [chapter for chapter in chapters if chapter.name == COLLECTS_CLAIMS]
    failures = _execute([chapter for chapter in chapters if chapter not in last], output, timeout)
    if failures or not last:
        return failures
    stamp, key = output / "claims.key", _key(executed.glob("*.ipynb"))
    if not stamp.exists() or stamp.read_text() != key:
        cache = get_cache(output / ".jupyter_cache")
        with contextlib.suppress(KeyError):
            cache.remove_cache(cache.match_cache_notebook(nbformat.read(last[0], as_version=4)).pk)
    _keep_only_if(stamp, key, output / ".doctrees", output / "html")
    return _execute(last, output, timeout)


def _complete_redirect(html: pathlib.Path) -> None:
    """Jupyter Book's index.html is a bare redirect: give it what browsers and readers of other pages expect."""
    redirect = (html / "index.html").read_text(encoding="utf-8")
    target = re.search(r'http-equiv="Refresh" content="0; url=([^"]+)"', redirect)
    if target is None or redirect.startswith("<!DOCTYPE"):
        return
    # An empty icon in the page itself: a request for one would be cut short by the redirect, and count as failed.
    (html / "index.html").write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>The book</title><link rel="icon" href="data:,">'
        f'<meta http-equiv="Refresh" content="0; url={target[1]}"></head>'
        f'<body><main><h1>The book</h1><p><a href="{target[1]}">Go to the first page</a></p></main></body></html>\n',
        encoding="utf-8",
    )


def build(source: pathlib.Path) -> int:
    """Build ``source`` into its ``_build/html``; 0 where all went well."""
    output = source / "_build"
    # The grader runs in no chapter.
    package = [
        path
        for path in (ROOT / "src" / "course_utils").rglob("*")
        if path.suffix in (".py", ".js", ".css") and "grading" not in path.parts
    ]
    _keep_only_if(
        output / "package.key",
        _key([*package, ROOT / "requirements.txt"]),
        output / ".jupyter_cache",
        output / ".doctrees",
        output / "html",
    )
    site = [
        source / "_config.yml",
        source / "_toc.yml",
        *(
            path
            for path in (source / "assets").rglob("*")
            if path.is_file() and "node_modules" not in path.parts
        ),
    ]
    _keep_only_if(
        output / "site.key",
        _key(path for path in site if path.exists()),
        output / ".doctrees",
        output / "html",
    )
    # The pages show how the course's own package behaves: strict, without progress bars, on this environment's kernel.
    os.environ.update(
        COURSE_BUILD="1",
        COURSE_EXECUTED_CHAPTERS=str(output / "executed"),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        JUPYTER_PLATFORM_DIRS="1",
        # Whatever the caller draws with: under another back end the pages would silently lack their figures.
        MPLBACKEND="module://matplotlib_inline.backend_inline",
    )
    failures = _execute_book(source, output)
    if failures:
        return _not_built("\n\n".join(failures))
    jupyter_book = pathlib.Path(sys.executable).with_name("jupyter-book")
    run = subprocess.run([jupyter_book, "build", str(source), "-W", "-n", "--keep-going"])
    if run.returncode:
        # A page that failed must not pass for built next time.
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
        return _not_built("The warnings and errors above say why.")
    _complete_redirect(output / "html")
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
