"""Node's side of the audit: Lighthouse, html-validate and puppeteer, installed from their lock on first use."""

import fcntl
import functools
import hashlib
import json
import pathlib
import subprocess
import sys

from node import environment, program

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE / "node_modules"


@functools.cache
def install() -> None:
    """Install what ``package-lock.json`` names, unless that is what is there. Processes side by side install once."""
    key = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".lock"
    MODULES.mkdir(exist_ok=True)
    with (MODULES.parent / "node_modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == key:
            return
        print("audit: installing Lighthouse, html-validate and puppeteer from their lock", file=sys.stderr)
        command = [program("npm"), "ci", "--no-audit", "--no-fund"]
        run = subprocess.run(command, cwd=HERE, env=environment(), capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"npm ci failed:\n{run.stdout}{run.stderr}")
        stamp.write_text(key)


def lines_of(script: str, task: dict):
    """What a script of this folder prints, a JSON value a line, as it comes; ``task`` is its argument."""
    install()
    command = [program("node"), HERE / script, json.dumps(task)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise RuntimeError(f"{script} failed with {process.returncode}")
