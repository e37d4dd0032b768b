import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import optax
import pytest

from course_utils import (
    NetworkConfig,
    init_params,
    loss,
    sweep_training,
    train,
    training_engine,
    training_sweep,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
GRID = {"depths": [1, 2, 7], "weight_scales": [0.7, 1.5], "seeds": [0, 3]}


@pytest.mark.parametrize(
    "changes",
    [{}, {"activation": "relu", "normalization": "batch"}, {"skip": "rezero"}, {"skip": "residual", "branch_scale": 0.3,
     "normalization": "layer"}, {"initializer": "orthogonal", "width": 20, "bias_scale": 0.1}],
    ids=str,
)  # fmt: skip
def test_each_run_of_the_grid_is_the_one_that_train_makes(digits, changes):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.add_decayed_weights(1e-3), optax.sgd(0.05, momentum=0.9))
    config = NetworkConfig(depth=1, **changes)
    before = training_engine.train_runs._cache_size()
    sweep = sweep_training(config, digits, optimizer=optimizer, steps=12, batch_size=50, **GRID)
    assert training_engine.train_runs._cache_size() == before + 1  # one compilation for all depths and scales
    for d, depth in enumerate(GRID["depths"]):
        for s, scale in enumerate(GRID["weight_scales"]):
            run = config.replace(depth=depth, weight_scale=scale)
            _, history = train(run, digits, optimizer=optimizer, steps=12, batch_size=50, seed=3)
            np.testing.assert_allclose(sweep.loss[d, s, 1], history.loss, rtol=2e-3)
            np.testing.assert_allclose(sweep.accuracy[d, s, 1], history.accuracy, atol=0.021)


@pytest.mark.parametrize("input_size", [64, 5], ids=["first layer joins", "first layer apart"])
@pytest.mark.parametrize("depth", [1, 6])
def test_the_derivative_through_a_loop_of_traced_length_equals_jax_grad(digits, input_size, depth):
    config = NetworkConfig(depth=6, activation="gelu", normalization="layer", skip="residual", input_size=input_size)
    params, config = init_params(config, key=jax.random.key(0)), config.replace(depth=depth)
    x, y = digits.inputs[:30, :input_size], digits.labels[:30]
    mine = jax.grad(lambda p, x: training_engine._loss_and_accuracy(p, x, y, depth, config)[0], argnums=(0, 1))(params, x)
    begins = params._replace(hidden=jax.tree.map(lambda leaf: leaf[: depth - 1], params.hidden))
    expected, of_inputs = jax.grad(loss, argnums=(0, 1))(begins, x, y, config)
    beyond = lambda leaf: np.concatenate([leaf, np.zeros((6 - depth, *leaf.shape[1:]), "f4")])  # layers that are not there
    expected = expected._replace(hidden=jax.tree.map(beyond, expected.hidden))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), mine, (expected, of_inputs))


def test_runs_that_overflow_are_recorded(digits):
    sweep = sweep_training(
        NetworkConfig(1, activation="relu"), digits, optimizer=optax.sgd(1.0), steps=15, depths=[10], weight_scales=[4.0], seeds=[0]
    )
    assert not np.isfinite(sweep.loss[0, 0, 0, -1]) and sweep.final_accuracy.shape == (1, 1, 1)
    assert sweep.final_accuracy[0, 0, 0] < 0.2


def test_learning_rates_and_other_numbers_share_a_compilation(digits):
    grid = {"steps": 3, "depths": [2], "weight_scales": [1.0], "seeds": [0], "batch_size": 20}
    runs = [
        lambda rate: optax.chain(optax.clip_by_global_norm(7 * rate), optax.adam(rate, b1=0.8)),
        lambda rate: optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
    ]
    for make in runs:
        before = training_engine.train_runs._cache_size()
        for rate in (0.05, 0.3):
            sweep = sweep_training(NetworkConfig(1), digits, optimizer=make(rate), **grid)
            _, history = train(NetworkConfig(2), digits, optimizer=make(rate), steps=3, batch_size=20)
            np.testing.assert_allclose(sweep.loss[0, 0, 0], history.loss, rtol=1e-5)
        assert training_engine.train_runs._cache_size() == before + 1


def test_all_samples_a_step_and_runs_side_by_side_are_the_same_runs(digits, monkeypatch):
    grid = {"steps": 4, "depths": [1, 3], "weight_scales": [0.7, 1.5, 1.0], "seeds": [0, 3, 4], "optimizer": optax.adam(0.01)}
    one_a_call = sweep_training(NetworkConfig(1), digits, **grid)
    monkeypatch.setattr(training_sweep, "kept_rows", lambda key, shape: np.empty((0, *shape[1:]), "f4"))
    monkeypatch.setattr(training_engine, "runs_a_device", lambda runs, of_one, mesh: 1 + (runs - 1) // mesh.size)  # as on an accelerator
    together = sweep_training(NetworkConfig(1), digits, **grid)
    np.testing.assert_allclose(together.loss, one_a_call.loss, rtol=1e-4)
    _, history = train(NetworkConfig(3, weight_scale=1.0), digits, optimizer=optax.adam(0.01), steps=4, seed=4)
    np.testing.assert_allclose(together.loss[1, 2, 2], history.loss, rtol=1e-4)


@pytest.mark.usefixtures("as_a_reader")
def test_as_many_runs_go_side_by_side_as_a_quarter_of_an_accelerator_holds():
    class Device:
        platform = "gpu"
        memory_stats = staticmethod(lambda: {"bytes_limit": 4000})

    class Mesh:
        size, devices = 2, np.array([Device(), Device()])

    assert training_engine.runs_a_device(100, 10, Mesh) == 50  # all: 100 would fit on each
    assert training_engine.runs_a_device(1001, 10, Mesh) == 84  # six calls of 168, rather than five full ones and a rest
    assert training_engine.runs_a_device(3, 5000, Mesh) == 1
    Device.platform = "cpu"
    assert training_engine.runs_a_device(1001, 10, Mesh) == 1


def test_what_was_trained_comes_from_the_cache_and_only_then(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_UTILS_CACHE", str(tmp_path))
    calls = []
    monkeypatch.setattr(training_sweep._Grid, "train", lambda grid, start: calls.append(start) or np.full((1, *grid.shape[1:]), len(calls), "f4"))
    same = {"optimizer": optax.adam(0.1), "steps": 3, "depths": [2], "weight_scales": [1.0], "seeds": [0]}
    for changes, count in (
        ({}, 1), ({}, 1), ({"optimizer": optax.adam(0.1)}, 1), ({"optimizer": optax.adam(0.2)}, 2),
        ({"optimizer": optax.adam(0.1, b1=0.8)}, 3), ({"steps": 4}, 4), ({"batch_size": 9}, 5), ({"seeds": [1]}, 6),
        ({"weight_scales": [1.1]}, 7), ({}, 7),
    ):  # fmt: skip
        sweep_training(NetworkConfig(1), digits, **(same | changes))
        assert len(calls) == count
    sweep_training(NetworkConfig(1, activation="relu"), digits, **same)
    sweep_training(NetworkConfig(1), digits._replace(inputs=digits.inputs * 2), **same)
    assert len(calls) == 9
    for file in tmp_path.iterdir():
        file.write_bytes(b"spoilt")
    sweep_training(NetworkConfig(1), digits, **same)
    assert len(calls) == 10


def test_a_sweep_that_cannot_fit_says_so_and_one_in_parts_too(digits, monkeypatch, caplog):
    grid = {"optimizer": optax.sgd(0.1), "steps": 10**5, "depths": [2], "weight_scales": [1.0], "seeds": range(10**4)}
    monkeypatch.setattr(training_sweep, "computers_memory", lambda: 4e9)
    with pytest.raises(ValueError, match=r"10,000 runs of 100,000 steps need 8\.\d GB, and this machine has 4\.0 GB"):
        sweep_training(NetworkConfig(1), digits, **grid)
    grid = training_sweep._Grid(NetworkConfig(1), digits, optax.sgd(0.1), 5, [2], [1.0], range(40), 64)
    grid.mesh = type("Mesh", (), {"size": 2, "devices": np.array([type("Device", (), {"platform": "gpu"})])})
    grid.together = 6
    grid.check_memory()  # what an accelerator holds is no matter of this machine's memory
    grid.tell_parts()
    assert caplog.messages == ["40 trainings are more than fit side by side, 0.0 GB: taking 6 at a time, 0.0 GB."]


def start(*command, cache, devices=1):
    """A process of its own with so many simulated devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    where = {"COURSE_UTILS_CACHE": str(cache), "PYTHONPATH": str(ROOT / "src"), "XLA_FLAGS": flags, "COURSE_BUILD": "0"}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], env={**os.environ, **where}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process):
    out, err = process.communicate(timeout=170)
    assert process.returncode == 0, err[-3000:]
    return out


@pytest.mark.slow
def test_eight_devices_and_two_processes_give_the_bytes_of_one_device(tmp_path):
    def command(name, *more):
        return ROOT / "examples" / "many_hosts.py", "--seeds", 2, "--steps", 4, "--out", tmp_path / name, *more

    def same(name):
        with np.load(tmp_path / name) as found, np.load(tmp_path / "one.npz") as one:
            assert np.isfinite(one["loss"]).all() and set(found) == set(one) == {"log10_norms", "loss", "accuracy"}
            return all(found[array].tobytes() == one[array].tobytes() for array in one)

    assert end(start(*command("one.npz"), cache=tmp_path / "a")).startswith("1 devices of 1 processes")
    assert end(start(*command("eight.npz"), cache=tmp_path / "b", devices=8)).startswith("8 devices of 1 processes")
    assert same("eight.npz")
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        joins = "--coordinator", address, "--hosts", 2, "--host"
        pair = [start(*command("two.npz", *joins, i), cache=tmp_path / f"cache{i}", devices=2) for i in (0, 1)]
        told = [end(process) for process in pair]
        assert "4 devices of 2 processes" in told[0] and "devices" not in told[1]
        assert same("two.npz")
        (kept,) = (tmp_path / "cache0").glob("*.npy")
        assert not list((tmp_path / "cache1").glob("*.npy"))  # one process writes
        np.save(kept, np.load(kept)[:25])  # and the second time all go on from what it finds


LONG = """
import optax
from course_utils import NetworkConfig, load_digits, sweep_training
sweep = sweep_training(NetworkConfig(1), load_digits(), optimizer=optax.sgd(0.1), steps=100, depths=[1, 20],
                       weight_scales=[1.0], seeds=range({seeds}), batch_size=64, progress=False)
print("trained", sweep.loss.shape)
"""


@pytest.mark.slow
def test_what_is_trained_when_it_is_stopped_is_kept(tmp_path, monkeypatch, digits):
    seeds = 200
    process = start("-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)" + LONG.format(seeds=seeds), cache=tmp_path)
    while not list(tmp_path.glob("*.npy")):  # the first depth is trained and kept
        time.sleep(0.1)
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode and "KeyboardInterrupt" in err
    (file,) = tmp_path.glob("*.npy")
    kept = np.load(file)
    assert seeds < len(kept) < 2 * seeds
    line = f"training sweep: interrupted. {len(kept)} of {2 * seeds} runs are kept; the same call goes on from there.\n"
    assert line in err and out == ""

    monkeypatch.setenv("COURSE_UTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(training_sweep, "default_mesh", lambda: jax.sharding.Mesh(np.array(jax.devices()[:1]), ("configurations",)))
    starts = []
    monkeypatch.setattr(
        training_sweep._Grid, "train", lambda grid, start: starts.append(start) or np.zeros((2 * seeds - start, *grid.shape[1:]), "f4")
    )
    again = sweep_training(
        NetworkConfig(1), digits, optimizer=optax.sgd(0.1), steps=100, depths=[1, 20], weight_scales=[1.0], seeds=range(seeds), batch_size=64
    )
    assert starts == [len(kept)]  # it goes on with the next run
    np.testing.assert_array_equal(again.loss[0, 0], kept[:seeds, 0])
    assert (again.loss[1, 0, len(kept) - seeds :] == 0).all() and (again.loss[1, 0, : len(kept) - seeds] != 0).all()


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"depths": []}, "depths"), ({"weight_scales": [0]}, "weight_scales"), ({"seeds": 3}, "seeds"), ({"steps": 0}, "steps"),
     ({"batch_size": 10**6}, "batch_size"), ({"optimizer": None}, "optimizer")],
)  # fmt: skip
def test_wrong_arguments_are_named(digits, wrong, named):
    right = {"optimizer": optax.sgd(0.1), "steps": 1, "depths": [2], "weight_scales": [1.0], "seeds": [0]}
    with pytest.raises(ValueError, match=named):
        sweep_training(NetworkConfig(1), digits, **(right | wrong))
