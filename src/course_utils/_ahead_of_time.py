"""Compiled programs kept on disk as they run: a new process neither traces, nor lowers, nor compiles them.

JAX's own cache on disk spares a new process the compilation alone. To know which program it is about to compile, JAX
traces and lowers it first, and that is the larger part of a sweep's first result. Here a program is known by what it is
made from: this package's source, the versions of JAX, its settings, the devices, and the types of the arguments.

The folder is JAX's (``JAX_COMPILATION_CACHE_DIR``), and so is the rule for what is worth keeping: what took longer than
``JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS``, one second unless set. Without a folder nothing here does anything, nor on
an accelerator, where compiling is the larger part and JAX's own cache serves well. JAX's warning holds here too: whoever
may write into the folder may run code in this process.
"""

import contextlib
import hashlib
import os
import pathlib
import pickle
import platform
import threading
import time
from functools import cache

import jax
import jaxlib

from ._kept import whole_file

_programs: dict = {}
_making = threading.Lock()


def call_compiled(function, *arguments, mesh, **static):
    """``function(*arguments, mesh=mesh, **static)``, by a program from disk where one is kept.

    Args:
        function: from `jax.jit`, of this package; what it computes hangs on its arguments and on JAX's settings only.
        arguments: arrays, in trees.
        mesh: the devices it runs on; one of its static arguments.
        static: the others. Their ``repr`` must tell all that is in them.
    """
    folder = _folder(mesh)
    if folder is None:
        return function(*arguments, mesh=mesh, **static)
    leaves, structure = jax.tree.flatten(arguments)
    types = tuple((jax.typeof(leaf), getattr(leaf, "sharding", None)) for leaf in leaves)
    made_from = function.__qualname__, structure, types, mesh, tuple(static.items()), _settings()
    with _making:
        if made_from not in _programs:
            path = folder / f"{function.__qualname__}-{_digest(made_from, mesh)}-ready"
            program = _read(path, mesh) or _compiled(path, function, *arguments, mesh=mesh, **static)
            _programs[made_from] = program
    return _programs[made_from](*arguments)


def _folder(mesh) -> pathlib.Path | None:
    """JAX's cache on this machine's disk; None where there is none, and where a program is not kept."""
    folder, wanted = jax.config.jax_compilation_cache_dir, jax.config.jax_enable_compilation_cache
    if not folder or "://" in folder or not wanted or jax.config.jax_disable_jit:
        return None
    if mesh.devices.flat[0].platform != "cpu" or jax.process_count() > 1:
        return None
    return pathlib.Path(folder)


def _settings() -> tuple:
    """JAX's settings as they are here and now, those of its cache aside."""
    return tuple((name, value) for name, value in jax.config.values.items() if "cache" not in name)


def _digest(made_from: tuple, mesh) -> str:
    """A name for what this program is made from, in any process."""
    client = mesh.devices.flat[0].client
    # A mesh's text has no numbers of devices.
    devices = [device.id for device in mesh.devices.flat], client.device_count()
    versions = jax.__version__, jaxlib.__version__, client.platform_version, os.environ.get("XLA_FLAGS")
    return hashlib.sha256(repr((made_from, devices, versions, _processor(), _source())).encode()).hexdigest()


@cache
def _processor() -> str:
    """What a program compiled for this processor may rely on."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux: the computer's name stands for its processor
        return repr(platform.uname())
    return repr(
        sorted({line for line in lines if line.lower().startswith(("model name", "flags", "features"))})
    )


@cache
def _source() -> str:
    """Digest of the package's modules."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: pathlib.Path, mesh):
    """The program kept in a file; None where there is none, or none that can be used."""
    try:
        from jax.experimental import serialize_executable

        program = pickle.loads(path.read_bytes())
        return serialize_executable.deserialize_and_load(*program, execution_devices=list(mesh.devices.flat))
    except Exception:  # whatever is wrong with the file, its program can be compiled anew
        return None


def _compiled(path: pathlib.Path, function, *arguments, **static):
    """The program compiled, and kept in a file where JAX would keep it."""
    start = time.perf_counter()
    with _without_jaxs_own_cache():
        program = function.lower(*arguments, **static).compile()
    if time.perf_counter() - start >= jax.config.jax_persistent_cache_min_compile_time_secs:
        with contextlib.suppress(Exception):  # whatever keeps it from being kept, it runs
            _keep(path, program)
    return program


def _keep(path: pathlib.Path, program) -> None:
    from jax.experimental import serialize_executable

    with whole_file(path) as file:
        pickle.dump(serialize_executable.serialize(program), file)


@contextlib.contextmanager
def _without_jaxs_own_cache():
    """A program that comes out of JAX's cache gives a file without its machine code, so this one is compiled."""
    from jax.experimental.compilation_cache import compilation_cache

    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX looks at the setting once a process
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()
