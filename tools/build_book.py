"""Build the book: warnings are fatal, a failed cell is named, and no stale result survives a change of the package.

    python tools/build_book.py [--source FOLDER]

The execution cache that Jupyter Book keeps knows a notebook's own cells, not the package behind them. So it is kept
only while the content of ``src/course_utils`` and the lock file stay the same.
"""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
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


def _failure(build: pathlib.Path, log: str) -> str | None:
    """Which chapter and cell failed, from the report that the execution leaves."""
    reports = sorted((build / "html" / "reports").rglob("*.err.log"), key=lambda path: path.stat().st_mtime)
    text = ANSI.sub("", reports[-1].read_text(encoding="utf-8")) if reports else ANSI.sub("", log)
    cell = re.search(r"-{10,}\n(.*?)\n-{10,}", text, re.DOTALL)
    errors = re.findall(r"^(?:[\w.]*(?:Error|Exit|Exception|Interrupt)): .*", text, re.MULTILINE)
    if not cell and not errors:
        return None
    chapter = reports[-1].name.removesuffix(".err.log") if reports else "unknown"
    source = cell.group(1).strip() if cell else "(not reported)"
    number = _cell_number(chapter, source)
    error = errors[-1] if errors else text.strip().splitlines()[-1]
    lines = "\n".join(f"    {line}" for line in source.splitlines()[:12])
    return f"chapter   {chapter}\ncell      {number}\n{lines}\nfailed    {error}"


def _cell_number(chapter: str, source: str) -> str:
    import nbformat

    for path in ROOT.rglob(f"chapters/{chapter}.ipynb"):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for number, cell in enumerate(cells, 1):
            if cell.source.strip() == source:
                return f"{number} of {len(cells)} code cells"
    return "(see below)"


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
    package = [
        path for path in (ROOT / "src" / "course_utils").rglob("*") if path.suffix in (".py", ".js", ".css")
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
    shutil.rmtree(output / "html" / "reports", ignore_errors=True)
    command = [
        str(pathlib.Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(source),
        "-W",
        "-n",
        "--keep-going",
    ]
    # The pages show how the course's own package behaves: strict, without progress bars, on this environment's kernel.
    environment = {
        **os.environ,
        "COURSE_BUILD": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        # Whatever the caller draws with: under another back end the pages would silently lack their figures.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    run = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    for line in run.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    if run.wait() == 0:
        _complete_redirect(output / "html")
        return 0
    failure = _failure(output, "".join(lines))
    shutil.rmtree(
        output / ".doctrees", ignore_errors=True
    )  # a page that failed must not pass for built next time
    bar = "=" * 78
    print(
        f"\n{bar}\nThe book was not built.\n{failure or 'The warnings and errors above say why.'}\n{bar}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Build the book; warnings, failed cells and false claims are fatal."
    )
    parser.add_argument(
        "--source", type=pathlib.Path, default=ROOT, help="the book's folder (default: this repository)"
    )
    sys.exit(build(parser.parse_args().source.resolve()))
