"""Install a program by Debian's package, where it is missing and that is possible.

python tools/apt.py PROGRAM PACKAGE
"""

import os
import shutil
import subprocess
import sys


def install(package: str) -> None:
    """Install a package; do nothing without apt or the right to use it."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", package]):
        subprocess.run(
            command,
            check=False,
            timeout=900,
            stdout=sys.stderr,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )


if __name__ == "__main__":
    program, package = sys.argv[1:]
    if not shutil.which(program):
        install(package)
    if not shutil.which(program):
        sys.exit(f"The tests need {program}: install your system's package {package}.")
