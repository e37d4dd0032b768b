"""Runs the worker where a submission can read and reach nothing but what it needs, and ends it in time.

Three ways, by what the system can do:

- ``namespaces``: bubblewrap gives it file, process and network namespaces of its own. Nothing of the machine is there but
  the Python that runs it, read-only. As root it also becomes an unprivileged user.
- ``user``: for root inside a container that holds one submission: it becomes an unprivileged user, and that is all.
- ``none``: a plain process. For submissions that you trust.

Under all three it has limits on time, memory, processes and files, and all of its processes are killed at the end.
"""

import compileall
import contextlib
import json
import os
import pathlib
import py_compile
import selectors
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import NamedTuple

import psutil

from ..exercises import attempt

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
FIRST_USER = 61_184
"""User numbers from here on belong to no one on common systems: systemd gives them out while a program runs."""
_MOST_SLOTS = 64
HIDDEN = ("exercises", "grading")
"""The parts of the package that a submission must not see."""
_NAMES = {"files": pathlib.Path("/course"), "cache": pathlib.Path("/cache")}
GRACE = 2.0
"""Seconds by which a step may outlast its limit, so that the worker can report it itself."""

NO_CHECKS = '''"""Here nothing is checked: the grader asks your functions itself, after your cells have run."""


def check(exercise, answer):
    """Does nothing."""


def hint(exercise):
    """Does nothing."""
'''


class Limits(NamedTuple):
    """What one submission may use."""

    step_seconds: float = 60
    """For one cell, or for all cases of one exercise."""
    wall_seconds: float = 300
    """For all of it, restarts included."""
    memory_bytes: int = 4 * 2**30
    """Resident memory of all of its processes together; also the data segment of each."""
    processes: int = 200
    """Processes and threads."""
    file_bytes: int = 16 * 2**20
    """The largest file."""
    folder_bytes: int = 64 * 2**20
    """Its writable folder, which is memory."""
    reply_bytes: int = 32 * 2**20
    """All that the worker writes."""


class Run(NamedTuple):
    """What one start of the worker gave."""

    messages: list[dict]
    why: str | None
    """Why it ended before it was done; None where it was done."""


class IsolationError(RuntimeError):
    """This system cannot isolate a submission."""


def public_files(folder: pathlib.Path) -> None:
    """Put what the sandbox needs into a folder: the worker, and the package without its checks, references and grader."""
    shutil.copytree(
        PACKAGE, folder / "package" / PACKAGE.name, ignore=shutil.ignore_patterns(*HIDDEN, "__pycache__")
    )
    (folder / "package" / PACKAGE.name / "exercises.py").write_text(NO_CHECKS, encoding="utf-8")
    for source in (pathlib.Path(__file__).with_name("worker.py"), pathlib.Path(attempt.__file__)):
        shutil.copy(source, folder)
    # Submissions can write no compiled files, and each would compile these anew.
    compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


class Sandbox:
    """A place to run submissions in, one process each.

    Args:
        files: the folder that `public_files` filled.
        isolation: ``"namespaces"``, ``"user"`` or ``"none"``.
        limits: what one submission may use.
        cache: a folder with JAX's compiled programs, which submissions can read and not write; None for no cache.

    Raises:
        IsolationError: where the system cannot do what ``isolation`` asks.
    """

    def __init__(
        self,
        files: pathlib.Path,
        isolation: str,
        limits: Limits = Limits(),  # noqa: B008
        cache: pathlib.Path | None = None,
    ):
        self.files, self.isolation, self.limits, self.cache = files, isolation, limits, cache
        # Graders side by side take users of their own, so that limits on processes count each alone. Where a user is all
        # that holds a submission together, its processes are killed by it: no other way may share that user.
        self._first_user = FIRST_USER + os.getpid() % 60 * _MOST_SLOTS
        if isolation == "user":
            self._first_user = FIRST_USER + 60 * _MOST_SLOTS + os.getpid() % 400
        if isolation == "user" and (os.name != "posix" or os.geteuid() != 0):
            raise IsolationError("Another user can only be taken on by root.")
        if isolation == "namespaces":
            self._try_namespaces()

    def _try_namespaces(self) -> None:
        bwrap = shutil.which("bwrap")
        if not sys.platform.startswith("linux") or bwrap is None:
            raise IsolationError(
                "Submissions are isolated by bubblewrap, which is for Linux: install it there with "
                "`apt install bubblewrap` or `dnf install bubblewrap`."
            )
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run(
                [*self._bubblewrap(None), sys.executable, "-I", "-c", "print('ok')"],
                capture_output=True, text=True, env=self._environment(folder),
            )  # fmt: skip
        if run.stdout.strip() != "ok":
            raise IsolationError(
                f"bubblewrap cannot make namespaces on this system: {run.stderr.strip()[-300:]}"
            )

    def run(
        self, job: dict, *, slot: int = 0, fills_cache: bool = False, wall_seconds: float | None = None
    ) -> Run:
        """Start the worker on a job and read its replies until it is done, or is stopped.

        Args:
            job: the worker's ``cells`` and ``asks``.
            slot: which of the runs side by side this is: each has its own user.
            fills_cache: let it write the cache. Only for code of the course's own.
            wall_seconds: what is left of the limit's, after an earlier start.
        """
        limits = (
            self.limits if wall_seconds is None else self.limits._replace(wall_seconds=max(wall_seconds, 1.0))
        )
        with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as folder:
            user = (
                self._first_user + slot % _MOST_SLOTS
                if self.isolation != "none" and os.geteuid() == 0
                else None
            )
            if user is not None and self.isolation == "user":
                os.chown(folder, user, user)
            command = [sys.executable, "-I", "-B", str(self._seen(self.files) / "worker.py")]
            if self.isolation == "namespaces":
                command = [*self._bubblewrap(self.cache if fills_cache else None), *command]
            bounds = {
                "step_seconds": limits.step_seconds,
                "cpu_seconds": int(limits.wall_seconds) + 10,
                "memory_bytes": limits.memory_bytes,
                "file_bytes": limits.file_bytes,
                # Without a user or namespace of its own, the limit would count the instructor's other processes too.
                "processes": None if self.isolation == "none" else limits.processes,
            }
            whole = {
                **job,
                "limits": bounds,
                "user": user,
                "package": str(self._seen(self.files) / "package"),
            }
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                cwd=folder, env=self._environment(folder, fills_cache), start_new_session=True,
            )  # fmt: skip
            try:
                return _converse(process, json.dumps(whole).encode(), limits)
            finally:
                _kill_all(process, user if self.isolation == "user" else None)

    def _seen(self, folder: pathlib.Path) -> pathlib.Path:
        """Where a submission sees a folder: under a name that tells nothing of this machine, where names are its own."""
        return (
            _NAMES["cache" if folder == self.cache else "files"] if self.isolation == "namespaces" else folder
        )

    def _environment(self, folder: str, fills_cache: bool = False) -> dict[str, str]:
        home = "/home/student" if self.isolation == "namespaces" else folder
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0",
            "JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        # What this machine's linear algebra needs, and what Windows needs to start a program.
        keep = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")
        environment |= {name: os.environ[name] for name in keep if name in os.environ}
        if self.cache:
            environment |= {
                "JAX_COMPILATION_CACHE_DIR": str(self._seen(self.cache) / "jax"),
                # Everything is read from the cache. Writing is tried only where it can succeed.
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0" if fills_cache else "1e9",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
                "MPLCONFIGDIR": str(self._seen(self.cache) / "matplotlib"),
            }
        return environment

    def _bubblewrap(self, writable: pathlib.Path | None) -> list[str]:
        """The command that starts another one in namespaces of its own."""
        command = ["bwrap", "--die-with-parent", "--new-session"]
        command += [f"--unshare-{what}" for what in ("net", "pid", "ipc", "uts", "cgroup-try")]
        if os.geteuid() != 0:
            command += ["--unshare-user", "--uid", str(FIRST_USER), "--gid", str(FIRST_USER)]
        command += ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        for link in ("/bin", "/lib", "/lib64"):
            target = pathlib.Path(link)
            if target.is_symlink():
                command += ["--symlink", os.readlink(link), link]
            elif target.exists():
                command += ["--ro-bind", link, link]
        for folder in _python_folders():
            for parent in reversed(folder.parents):
                if not parent.is_relative_to("/usr") and parent != pathlib.Path("/"):
                    command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--ro-bind", str(folder), str(folder)]
        for folder in (self.files, self.cache):
            if folder is not None:
                command += [
                    "--bind" if folder == writable else "--ro-bind",
                    str(folder),
                    str(self._seen(folder)),
                ]
        installed = pathlib.Path(sysconfig.get_path("purelib")) / PACKAGE.name
        if installed.exists():
            command += ["--tmpfs", str(installed), "--remount-ro", str(installed)]
        command += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
        command += ["--perms", "0777", "--size", str(self.limits.folder_bytes), "--tmpfs", "/home/student"]
        command += ["--remount-ro", "/", "--chdir", "/home/student"]
        # Root needs these two to become another user; the worker gives them up as it does so.
        return command + (["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if os.geteuid() == 0 else [])


def _python_folders() -> list[pathlib.Path]:
    """Where this Python and its packages are, unless under /usr, which is there anyway."""
    folders = {
        pathlib.Path(folder).absolute()
        for folder in (sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"))
    }
    folders |= {folder.resolve() for folder in folders} | {
        pathlib.Path(sys.executable).resolve().parent.parent
    }
    outside = [folder for folder in folders if not folder.is_relative_to("/usr")]
    return [
        folder
        for folder in outside
        if not any(folder != other and folder.is_relative_to(other) for other in outside)
    ]


def _converse(process: subprocess.Popen, job: bytes, limits: Limits) -> Run:
    """Hand over the job, and read replies until the end, a limit, or silence for longer than a step may take."""
    messages, rest, size, why = [], b"", 0, "the program ended before it was done"
    start = latest = time.monotonic()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job)
        process.stdin.close()
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.25):
                chunk = process.stdout.read(1 << 20)
                if not chunk:
                    break  # every process that could write has ended
                size += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                found = [message for line in lines if (message := _message(line)) is not None]
                messages += found
                if found:
                    latest = time.monotonic()
                if size > limits.reply_bytes:
                    return Run(messages, "it wrote more than it may")
            elif is_done(messages) and process.poll() is not None:
                break  # a process that it left behind still holds the stream
            now = time.monotonic()
            if now - latest > limits.step_seconds + GRACE:
                return Run(messages, f"it took longer than {limits.step_seconds:g} s")
            if now - start > limits.wall_seconds:
                return Run(messages, "the whole notebook took longer than it may")
            if _memory(process) > limits.memory_bytes:
                return Run(messages, f"it used more than {limits.memory_bytes / 2**30:.3g} GiB of memory")
    given_up = [message["why"] for message in messages if isinstance(message.get("why"), str)]
    return Run(messages, None if is_done(messages) else given_up[-1][:200] if given_up else why)


def is_done(messages: list[dict]) -> bool:
    """Whether the worker has said its last word."""
    return any(message.get("done") is True for message in messages)


def _message(line: bytes) -> dict | None:
    """A line as the worker writes it. The submission may have written it too: nothing here is trusted."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: subprocess.Popen) -> int:
    total = 0
    for member in _family(process):
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def _kill_all(process: subprocess.Popen, user: int | None) -> None:
    """Kill the worker and all that it started; with a user of its own, also what hid from its family."""
    members = _family(process)
    while user is not None and (others := _processes_of(user)):
        for member in others:
            with contextlib.suppress(psutil.Error):
                member.kill()
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.kill()
    process.wait()
    process.stdout.close()


def _processes_of(user: int) -> list[psutil.Process]:
    found = []
    for member in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if member.uids().real == user and member.status() != psutil.STATUS_ZOMBIE:
                found.append(member)
    return found
