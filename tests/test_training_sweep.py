import jax
import numpy as np
import optax
import pytest

from course_utils import NetworkConfig, sweep_training, train, training_sweep

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
    before = training_sweep._run_grid._cache_size()
    sweep = sweep_training(config, digits, optimizer=optimizer, steps=12, batch_size=50, **GRID)
    assert training_sweep._run_grid._cache_size() == before + 1  # one compilation for all depths and scales
    for d, depth in enumerate(GRID["depths"]):
        for s, scale in enumerate(GRID["weight_scales"]):
            run = config.replace(depth=depth, weight_scale=scale)
            _, history = train(run, digits, optimizer=optimizer, steps=12, batch_size=50, seed=3)
            np.testing.assert_allclose(sweep.loss[d, s, 1], history.loss, rtol=2e-3)
            np.testing.assert_allclose(sweep.accuracy[d, s, 1], history.accuracy, atol=0.021)


def test_the_derivative_through_a_loop_of_traced_length_equals_jax_grad(digits):
    from course_utils import init_params, loss

    config = NetworkConfig(depth=6, activation="gelu", normalization="layer", skip="residual")
    params = init_params(config, key=jax.random.key(0))
    x, y = digits.inputs[:30], digits.labels[:30]
    mine = jax.grad(lambda p: training_sweep._loss_and_accuracy(p, x, y, 6, config)[0])(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), mine, jax.grad(loss)(params, x, y, config))


def test_runs_that_overflow_are_recorded(digits):
    sweep = sweep_training(
        NetworkConfig(1, activation="relu"), digits, optimizer=optax.sgd(1.0), steps=15, depths=[10], weight_scales=[4.0], seeds=[0]
    )
    assert not np.isfinite(sweep.loss[0, 0, 0, -1]) and sweep.final_accuracy.shape == (1, 1, 1)
    assert sweep.final_accuracy[0, 0, 0] < 0.2


def test_what_was_trained_comes_from_the_cache_and_only_then(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_UTILS_CACHE", str(tmp_path))
    runs = []
    monkeypatch.setattr(training_sweep, "_train_grid", lambda *_: runs.append(1) or np.full((2, 1, 1, 1, 3), len(runs), "f4"))
    same = {"optimizer": optax.adam(0.1), "steps": 3, "depths": [2], "weight_scales": [1.0], "seeds": [0]}
    for changes, count in (
        ({}, 1), ({}, 1), ({"optimizer": optax.adam(0.1)}, 1), ({"optimizer": optax.adam(0.2)}, 2),
        ({"optimizer": optax.adam(0.1, b1=0.8)}, 3), ({"steps": 4}, 4), ({"batch_size": 9}, 5), ({"seeds": [1]}, 6),
        ({"weight_scales": [1.1]}, 7), ({}, 7),
    ):  # fmt: skip
        sweep_training(NetworkConfig(1), digits, **(same | changes))
        assert len(runs) == count
    sweep_training(NetworkConfig(1, activation="relu"), digits, **same)
    sweep_training(NetworkConfig(1), digits._replace(inputs=digits.inputs * 2), **same)
    assert len(runs) == 9
    for file in tmp_path.iterdir():
        file.write_bytes(b"spoilt")
    sweep_training(NetworkConfig(1), digits, **same)
    assert len(runs) == 10


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
