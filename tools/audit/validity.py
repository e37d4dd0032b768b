"""Whether the site's pages are valid HTML, by html-validate."""

import json
import pathlib
import subprocess

from .node import HERE, MODULES, environment, install, program


def invalid(html: pathlib.Path, names: list[str]) -> list[str]:
    """A line for each place where a page is not valid, as ``page: rule: message, selector``."""
    install()
    command = [program("node"), MODULES / "html-validate" / "bin" / "html-validate.mjs", "--config", HERE / "htmlvalidate.json", "--formatter", "json", *names]  # fmt: skip
    run = subprocess.run(command, cwd=html, env=environment(), capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"html-validate failed:\n{run.stdout}{run.stderr}")
    return [
        f"{pathlib.Path(file['filePath']).relative_to(html.resolve()).as_posix()}: {m['ruleId']}: {m['message']}, {m['selector']}"
        for file in json.loads(run.stdout)
        for m in file["messages"]
    ]
