"""Edges of the norm engine: units of the inputs, growth, memory, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_utils import NetworkConfig, init_params, layer_gradient_norms, norm_engine, sweep_gradient_norms
from course_utils.initializers import numpy_generator
from course_utils.networks import ACTIVATIONS

X = np.random.default_rng(0).standard_normal((16, 64)).astype("f4")
Y = np.arange(16) % 10


def sweep(config=None, inputs=X, labels=Y, **grid):
    grid = {"depths": [3], "weight_scales": [1.0], "seeds": [0], "progress": False} | grid
    return sweep_gradient_norms(config or NetworkConfig(1), inputs, labels, **grid)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("unit", [1e-14, 1e10])
def test_units_of_the_inputs_do_not_matter(activation, unit):
    """Pre-activations beyond the window, against the readable path, which float32 still holds."""
    config = NetworkConfig(3, activation=activation)
    with np.errstate(divide="ignore"):  # behind a saturated layer the gradient is zero
        expected = np.log10(layer_gradient_norms(init_params(config, key=0), unit * X, Y, config))
    weight = sweep(config, unit * X).weight_gradient[0, 0, 0]
    np.testing.assert_allclose(weight, expected, atol=1e-3)


@pytest.mark.usefixtures("as_a_reader")
def test_a_depth_beyond_the_store_grows_it_once_and_says_so(monkeypatch, caplog):
    monkeypatch.delenv("COURSE_BUILD")
    monkeypatch.setattr(norm_engine, "_CAPACITY", 16)
    monkeypatch.setattr(norm_engine, "_grown", set())
    norm_engine._sharded_curves.clear_cache()
    for depth in (5, 17, 20, 16, 31):
        grown = sweep(depths=[depth])
    assert [record.message for record in caplog.records] == [
        "Depth 17 is beyond the usual 16: compiling once for depths up to 32."
    ]
    assert norm_engine._sharded_curves._cache_size() == 2
    monkeypatch.setattr(norm_engine, "_CAPACITY", 1024)
    np.testing.assert_allclose(grown.weight_gradient, sweep(depths=[31]).weight_gradient, atol=1e-5)


@pytest.mark.parametrize("depths", [[1], [4], [9], [1, 3, 4, 5, 8, 11, 12]])
@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(1, weight_scale=2.0),
        NetworkConfig(1, input_size=12),  # the first layer stands apart
        NetworkConfig(1, normalization="batch", skip="residual"),
    ],
    ids=["plain", "other inputs", "normalized"],
)
def test_blocks_of_layers_leave_no_seam(monkeypatch, config, depths):
    grid = {"inputs": X[:, : config.input_size], "depths": depths, "weight_scales": [1e-9, 0.5, 1.0, 1e9]}
    whole = sweep(config, **grid)
    monkeypatch.setattr(norm_engine, "_BLOCK", 4)
    in_blocks = sweep(config, **grid)
    np.testing.assert_allclose(in_blocks.weight_gradient, whole.weight_gradient, atol=1e-5)
    np.testing.assert_allclose(in_blocks.backward_signal, whole.backward_signal, atol=1e-5)


def test_a_large_batch_takes_smaller_blocks():
    usual, large, huge = (norm_engine._store_shapes(1024, batch, 64) for batch in (512, 4096, 10**6))
    assert (usual.z[0], large.z[0], huge.z[0]) == (128, 16, 16)
    assert large.starts[0] * large.h[0] == 1024


@pytest.mark.parametrize("sizes", [(1.0, 1.0), (1e-30, 1.0), (1.0, 1e30), (1e-37, 1e25), (0.0, 1e-20)])
def test_sums_of_squares_are_right_at_any_size(sizes):
    arrays = [jnp.float32(size) * jnp.abs(X) for size in sizes]
    sums, exponents = norm_engine._squares(*arrays)
    for array, total, exponent in zip(arrays, sums, exponents, strict=True):
        expected = (np.float64(array) ** 2).sum()
        np.testing.assert_allclose(np.float64(total) * 4.0 ** float(exponent), expected, rtol=1e-5)


@pytest.mark.parametrize("depths", [[16], [1, 15, 16]])
def test_the_deepest_network_fills_the_store(monkeypatch, depths):
    monkeypatch.setattr(norm_engine, "_CAPACITY", 16)
    full = sweep(depths=depths)
    monkeypatch.setattr(norm_engine, "_CAPACITY", 64)
    np.testing.assert_allclose(full.weight_gradient, sweep(depths=depths).weight_gradient, atol=1e-5)


@pytest.mark.usefixtures("as_a_reader")
def test_what_exceeds_the_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(norm_engine, "computers_memory", lambda: 10e6)
    with pytest.raises(ValueError, match=r"depth 1000 at width 64 and batch 16 takes 0.018 GB, and there are 0.01 GB"):
        sweep(depths=[1000])
    monkeypatch.setattr(norm_engine, "computers_memory", lambda: 40e6)
    with pytest.raises(ValueError, match=r"100000 networks take 0.16 GB, and there are 0.04 GB. At most 25000 networks fit"):
        sweep(depths=[10] * 10, seeds=range(1000), weight_scales=np.linspace(1, 2, 100))


@pytest.mark.usefixtures("as_a_reader")
def test_an_accelerator_says_how_many_networks_it_takes_at_a_time(monkeypatch, caplog):
    from course_utils.gradients import _tell_size

    class Device:
        platform = "gpu"
        memory_stats = lambda self: {"bytes_limit": 1e9}

    class Mesh:
        devices, size = np.array([Device()]), 1

    monkeypatch.delenv("COURSE_BUILD")
    together = norm_engine.networks_per_call(Mesh, 1024, 128, 64)
    store = 64 * 128 * (2 * 128 + 1024 // 128 + norm_engine.DEPTHS_PER_CALL)
    assert together == 1e9 // 4 // (4 * (store + 1024 * 64 * 64)) == 9
    _tell_size(9, 10, together, Mesh)
    assert not caplog.records
    _tell_size(10, 10, together, Mesh)
    assert caplog.messages == ["10 networks are more than fit side by side: taking 9 at a time."]


INTERRUPTED = """
import signal
import numpy as np
from course_utils import NetworkConfig, norm_engine, sweep_gradient_norms

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores Ctrl-C
x, y = np.random.default_rng(0).standard_normal((64, 64)).astype("f4"), np.arange(64) % 10
calls, plain = 0, norm_engine._sharded_curves

def counted(*arguments, **keywords):
    global calls
    calls += 1
    if calls == 20:
        print("interrupt me", flush=True)
    return plain(*arguments, **keywords)

def run(seeds=range(20)):
    grid = dict(depths=[100], weight_scales=np.linspace(0.5, 2, 50), seeds=seeds, progress=False)
    return sweep_gradient_norms(NetworkConfig(1), x, y, **grid)

norm_engine._sharded_curves = counted
try:
    run()
except KeyboardInterrupt:
    pass
before, calls = calls, 100
resumed = run()
print(before, calls - 100)
alone = run(seeds=[0, 1])
np.testing.assert_array_equal(resumed.weight_gradient[:, :, :2], alone.weight_gradient)
np.testing.assert_array_equal(resumed.backward_signal[:, :, :2], alone.backward_signal)
"""


def test_ctrl_c_keeps_what_is_finished():
    environment = {name: value for name, value in os.environ.items() if name not in ("COURSE_BUILD", "XLA_FLAGS")}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "interrupt me\n"
    process.send_signal(signal.SIGINT)
    told, lines = process.communicate(timeout=150)
    assert process.returncode == 0, lines
    before, after = map(int, told.split())
    kept = int(re.search(r"interrupted. (\d+) of 1000 networks are kept", lines)[1])
    assert 19 <= kept <= before < 1000
    assert after == 1000 - kept
    assert f"goes on after {kept} of 1000 networks" in lines and len(lines.splitlines()) == 2


def test_another_call_is_not_given_what_was_kept():
    from course_utils._partial import _kept, resumable

    with pytest.raises(KeyboardInterrupt), resumable("sweep", lambda: "mine", str) as finished:
        finished[0] = [1]
        raise KeyboardInterrupt
    with resumable("sweep", lambda: "another", str) as finished:
        assert not finished
    with resumable("sweep", lambda: "mine", str) as finished:
        assert finished == {0: [1]}
    assert not _kept


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, 2**31 + 5])
def test_a_whole_number_draws_what_its_key_draws(seed):
    of_number, of_key = (numpy_generator(key, 3).standard_normal(4) for key in (seed, jax.random.key(seed)))
    np.testing.assert_array_equal(of_number, of_key)
