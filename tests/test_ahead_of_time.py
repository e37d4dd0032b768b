"""Programs kept on disk: a new process runs them as they are, and anything else that they are made from makes others."""

import os
import pathlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from course_utils import _ahead_of_time, norm_engine
from course_utils._ahead_of_time import call_compiled

MESH = Mesh(np.array(jax.devices()[:1]), ("configurations",))
X = np.arange(4, dtype="f4")


@partial(jax.jit, static_argnames=("power", "mesh"))
def raised(x, *, power, mesh):
    whole = PartitionSpec()
    return jax.shard_map(lambda x: jnp.sum(jnp.sin(x) ** power), mesh=mesh, in_specs=whole, out_specs=whole)(x)


def uncompiled():
    """Stands for a function of the same name that cannot be compiled: only a file can answer for it."""
    return SimpleNamespace(__qualname__=raised.__qualname__)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """JAX's cache on disk, which keeps everything."""
    monkeypatch.setattr(_ahead_of_time, "_programs", {})
    settings = {"jax_compilation_cache_dir": str(tmp_path / "cache"), "jax_persistent_cache_min_compile_time_secs": 0}
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield tmp_path / "cache"
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def ready(folder):
    return sorted(folder.glob("*-ready"))


def as_a_new_process():
    _ahead_of_time._programs.clear()
    jax.clear_caches()


FIRST = """
import hashlib, sys, types
import numpy as np
from course_utils import NetworkConfig, init_params, log10_layer_gradient_norms, norm_engine, sweep_gradient_norms
x, y, config = np.random.default_rng(0).standard_normal((16, 64)).astype("f4"), np.arange(16) % 10, NetworkConfig(7)
if sys.argv[1] == "second":
    norm_engine._sharded_curves = types.SimpleNamespace(__qualname__=norm_engine._sharded_curves.__qualname__)
sweep = sweep_gradient_norms(NetworkConfig(1), x, y, depths=[3, 9], weight_scales=np.linspace(0.5, 2, 9), seeds=[0], progress=False)
alone = log10_layer_gradient_norms(init_params(config, key=0), x, y, config)
print(hashlib.sha256(b"".join(a.tobytes() for a in (sweep.weight_gradient, sweep.backward_signal, alone))).hexdigest())
"""


@pytest.mark.parametrize("devices", [1, 8])
def test_a_new_process_gets_the_same_numbers_without_compiling(tmp_path, devices):
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }  # fmt: skip
    run = lambda which: subprocess.run(
        [sys.executable, "-c", FIRST, which], env=environment, capture_output=True, text=True, check=True
    )
    first, second = run("first"), run("second")
    assert len(ready(tmp_path)) == (1 if devices == 1 else 2)  # one device of eight has a program of its own
    assert first.stdout == second.stdout
    assert second.stderr == ""


def test_a_file_answers_without_a_compilation(folder):
    expected = call_compiled(raised, X, power=3, mesh=MESH)
    as_a_new_process()
    assert call_compiled(uncompiled(), X, power=3, mesh=MESH) == expected


def test_the_second_call_reads_no_file(folder):
    first = call_compiled(raised, X, power=3, mesh=MESH)
    for path in ready(folder):
        path.unlink()
    assert call_compiled(uncompiled(), X, power=3, mesh=MESH) == first


def other_device(monkeypatch):
    return {"mesh": Mesh(np.array(jax.devices()[1:2]), MESH.axis_names)}


def other_sharding(monkeypatch):
    return {"x": jax.device_put(X, NamedSharding(MESH, PartitionSpec()))}


def patched(name, value):
    return lambda monkeypatch: monkeypatch.setattr(_ahead_of_time, name, lambda: value)


def other_flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " ")


@pytest.mark.parametrize(
    "change",
    [
        lambda monkeypatch: {"power": 2},
        lambda monkeypatch: {"x": X[:3]},
        lambda monkeypatch: {"x": X.astype(int)},
        other_device,
        other_sharding,
        other_flags,
        patched("_processor", "another"),
        patched("_source", "another"),
        lambda monkeypatch: monkeypatch.setattr(jax, "__version__", "0.0"),
    ],
    ids=["static", "shape", "dtype", "device", "sharding", "flags", "processor", "source", "version"],
)
def test_what_is_made_from_something_else_is_another_program(folder, monkeypatch, change):
    usual = {"x": X, "power": 3, "mesh": MESH}
    call = lambda x, power, mesh: call_compiled(raised, x, power=power, mesh=mesh)
    call(**usual)
    as_a_new_process()
    given = usual | (change(monkeypatch) or {})
    result = call(**given)
    assert len(ready(folder)) == 2
    np.testing.assert_allclose(result, np.sum(np.sin(given["x"]) ** given["power"]), rtol=1e-6)
    assert result.devices() == set(given["mesh"].devices.flat)


def test_settings_that_hold_here_make_another_program(folder):
    call_compiled(raised, X, power=3, mesh=MESH)
    with jax.default_matmul_precision("highest"):  # no global setting changes
        call_compiled(raised, X, power=3, mesh=MESH)
    assert len(ready(folder)) == 2


def test_where_jax_has_the_program_the_file_is_whole_nonetheless(folder):
    """Serialized from what JAX's cache gives, a program lacks its code, and fails when it runs."""
    jax.clear_caches()
    raised(X, power=3, mesh=MESH)
    assert any(path.name.startswith("jit_raised") for path in folder.iterdir())
    for _ in range(2):  # the second time, JAX might have kept what the first one compiled
        as_a_new_process()
        expected = call_compiled(raised, X, power=3, mesh=MESH)
        as_a_new_process()
        assert call_compiled(uncompiled(), X, power=3, mesh=MESH) == expected
        ready(folder)[0].unlink()


def test_jaxs_own_cache_goes_on_afterwards(folder):
    call_compiled(raised, X, power=3, mesh=MESH)
    jax.jit(lambda x: x * 7)(X)
    assert any(path.name.startswith("jit__lambda") for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x80not a pickle"], ids=["empty", "garbage"])
def test_a_broken_file_is_made_anew(folder, content):
    expected = call_compiled(raised, X, power=3, mesh=MESH)
    (path,) = ready(folder)
    whole = path.read_bytes()
    for wrong in (content, whole[: len(whole) // 2]):
        path.write_bytes(wrong)
        as_a_new_process()
        assert call_compiled(raised, X, power=3, mesh=MESH) == expected
        as_a_new_process()
        assert call_compiled(uncompiled(), X, power=3, mesh=MESH) == expected


def test_what_is_compiled_fast_is_not_kept(folder):
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)
    assert call_compiled(raised, X, power=3, mesh=MESH) == raised(X, power=3, mesh=MESH)
    assert not folder.exists() or not ready(folder)


def test_a_folder_that_cannot_be_written_to_is_done_without(folder):
    folder.write_text("a file in the folder's place")
    assert call_compiled(raised, X, power=3, mesh=MESH) == raised(X, power=3, mesh=MESH)


def refuse(*arguments, **keywords):
    raise NotImplementedError("not on this backend")


@pytest.mark.parametrize("half", ["serialize", "deserialize_and_load"])
def test_a_jax_that_cannot_keep_programs_still_runs_them(folder, monkeypatch, half):
    monkeypatch.setattr(serialize_executable, half, refuse)
    for _ in range(2):
        as_a_new_process()
        assert call_compiled(raised, X, power=3, mesh=MESH) == raised(X, power=3, mesh=MESH)
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    "settings",
    [
        {"jax_compilation_cache_dir": None},
        {"jax_compilation_cache_dir": "gs://bucket/folder"},
        {"jax_enable_compilation_cache": False},
    ],
    ids=str,
)
def test_without_a_folder_of_this_machine_it_is_the_function_itself(folder, settings, monkeypatch):
    monkeypatch.setattr(_ahead_of_time, "_settings", lambda: pytest.fail("looks for a program"))
    called = lambda *arguments, **static: (arguments, static)
    for name, value in settings.items():
        jax.config.update(name, value)
    try:
        assert call_compiled(called, X, mesh=MESH, power=3) == ((X,), {"mesh": MESH, "power": 3})
    finally:
        jax.config.update("jax_enable_compilation_cache", True)


def test_an_accelerator_and_many_hosts_take_jaxs_own_cache(folder, monkeypatch):
    called = lambda *arguments, **static: "itself"
    accelerator = SimpleNamespace(devices=np.array([SimpleNamespace(platform="gpu")]))
    assert call_compiled(called, X, mesh=accelerator) == "itself"
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert call_compiled(called, X, mesh=MESH) == "itself"


def test_without_jit_nothing_is_compiled(folder):
    with jax.disable_jit():
        call_compiled(raised, X, power=3, mesh=MESH)
    assert not folder.exists() or not ready(folder)


def test_threads_wait_for_one_another(folder, monkeypatch):
    """JAX's setting is the process's: while one thread has it off, another one must not compile."""
    compiled, made = _ahead_of_time._compiled, []

    def slowly(*arguments, **static):
        made.append(threading.get_ident())
        time.sleep(0.2)
        return compiled(*arguments, **static)

    monkeypatch.setattr(_ahead_of_time, "_compiled", slowly)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: float(call_compiled(raised, X, power=3, mesh=MESH)), range(4)))
    assert len(set(results)) == len(made) == len(ready(folder)) == 1


def test_the_source_is_that_of_every_module(monkeypatch, tmp_path):
    before = _ahead_of_time._source()
    for path in pathlib.Path(_ahead_of_time.__file__).parent.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(_ahead_of_time, "__file__", str(tmp_path / "_ahead_of_time.py"))
    assert _ahead_of_time._source.__wrapped__() == before
    with (tmp_path / "networks.py").open("a") as file:
        file.write("\n")
    assert _ahead_of_time._source.__wrapped__() != before


def test_a_sweep_goes_through_here(folder, digits):
    from course_utils import NetworkConfig, sweep_gradient_norms

    sweep_gradient_norms(
        NetworkConfig(1), digits.inputs[:16], digits.labels[:16], depths=[3], weight_scales=[1.0], seeds=[0], progress=False
    )
    assert [path.name.partition("-")[0] for path in ready(folder)] == [norm_engine._sharded_curves.__qualname__]
