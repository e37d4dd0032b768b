"""A reader's machine: this environment's versions without the course's package, an empty home, empty folders.

The book and the tests run chapters here, so that what works does not work by accident: each chapter installs the package
by its own set-up cell.
"""

import contextlib
import json
import os
import pathlib
import re
import sysconfig
import tempfile
import time
import venv
from typing import NamedTuple

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

OURS = re.compile(r"_*(editable)?_*(impl_)?course_utils\b")
# What a machine needs to run anything. The rest of the caller's variables would hide what a reader lacks.
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Whoever asks the network gets an answer at once: no.
UNREACHABLE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
# Whatever the caller draws with: under another back end notebooks would silently lack their figures.
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}

# Without a network pip cannot fetch what builds the package: hatchling is among this environment's packages. (The
# variable turns the isolation off by 0; so pip reads it.)
NO_ISOLATION = {"PIP_NO_BUILD_ISOLATION": "0"}


def fresh_environment(folder: pathlib.Path) -> pathlib.Path:
    """Make a virtual environment with the packages of this one, without course_utils. Returns its Python.

    The packages are links, which takes no time and no space. The set-up cell changes none of them, or it has failed.
    """
    venv.create(folder, symlinks=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    for name in ("purelib", "platlib"):
        place = pathlib.Path(sysconfig.get_path(name, scheme="venv", vars=scheme))
        for entry in pathlib.Path(sysconfig.get_path(name)).iterdir():
            if not OURS.match(entry.name) and not (place / entry.name).exists():
                (place / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@contextlib.contextmanager
def fresh_machine(offline: bool = False):
    """A fresh environment with a home and a folder to work in, both empty. Gives its kernel manager, and the two folders.

    Args:
        offline: cut off from any network, by a name space of its own (needs bubblewrap).
    """
    with tempfile.TemporaryDirectory(prefix="fresh-") as name:
        root = pathlib.Path(name)
        python = fresh_environment(root / "env")
        home, work = root / "home", root / "work"
        cut_off = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--"] if offline else []
        spec = {
            "argv": [*cut_off, str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Reader",
            "language": "python",
        }
        for folder in (home, work, root / "kernels" / "reader"):
            folder.mkdir(parents=True)
        (root / "kernels" / "reader" / "kernel.json").write_text(json.dumps(spec))
        manager = AsyncKernelManager(
            kernel_name="reader",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(root / "kernels")], ensure_native_kernel=False),
            connection_file=str(root / "kernel.json"),
            # Files carry the kernel's messages: a kernel without network has no port to be reached at.
            transport="ipc",
        )
        yield manager, home, work


class Run(NamedTuple):
    """What a notebook's run took."""

    seconds: float
    peak_bytes: int | None
    """The most memory that its kernel held at any time; None where the system does not tell."""


# The last cell of every run; nobody sees it.
PEAK = """
try:
    with open("/proc/self/status") as status:
        print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
except OSError:
    pass
"""


def run_as_a_reader(
    notebook: nbformat.NotebookNode, *, timeout: float, offline: bool = False, variables=(), stderr=None
) -> Run:
    """Run a notebook on a fresh machine, in place.

    Args:
        notebook: its set-up cell must be able to install the package.
        timeout: seconds for a cell.
        offline: without any network; otherwise only programs that heed proxies find none.
        variables: more environment variables.
        stderr: where the kernel's own words go.
    """
    with fresh_machine(offline) as (manager, home, work):
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        client = NotebookClient(
            notebook, km=manager, timeout=timeout, record_timing=False, resources={"metadata": {"path": str(work)}}
        )
        peak = nbformat.v4.new_code_cell(PEAK)
        notebook.cells.append(peak)
        start = time.monotonic()
        try:
            # Our manager, so the client would leave the kernel running.
            client.execute(
                env={**kept, **UNREACHABLE, **INLINE, "HOME": str(home), **dict(variables)}, stderr=stderr, cleanup_kc=True
            )
        finally:
            notebook.cells.pop()
        seconds = time.monotonic() - start
    told = "".join(output.get("text", "") for output in peak.outputs)
    return Run(seconds, int(told) if told else None)
