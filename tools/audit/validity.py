"""Whether the site's pages are valid HTML, by html-validate."""

import json
import pathlib
import subprocess
import tempfile

from node import environment, program

from .node import HERE, MODULES, install


def invalid(html: pathlib.Path, names: list[str]) -> list[str]:
    """A line for each place where a page is not valid, as ``page: rule: message, selector``."""
    install()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")  # on a pipe its end would get lost
        command = [program("node"), MODULES / "html-validate" / "bin" / "html-validate.mjs", "--config", HERE / "htmlvalidate.json", "--formatter", f"json={report}", *names]  # fmt: skip
        run = subprocess.run(command, cwd=html, env=environment(), capture_output=True, text=True)
        if run.returncode not in (0, 1):
            raise RuntimeError(f"html-validate failed:\n{run.stdout}{run.stderr}")
        files = json.loads(report.read_text(encoding="utf-8"))
    return [
        f"{pathlib.Path(file['filePath']).relative_to(html.resolve()).as_posix()}: {m['ruleId']}: {m['message']}, {m['selector']}"
        for file in files
        for m in file["messages"]
    ]
