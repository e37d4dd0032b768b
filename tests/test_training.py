import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from course_utils import Dataset, NetworkConfig, init_params, loss, train, unstack_layers


def test_plain_descent_equals_a_loop_by_hand(digits):
    config = NetworkConfig(depth=3)
    params, history = train(config, digits, optimizer=optax.sgd(0.1), steps=30, seed=2)
    expected, losses = init_params(config, key=jax.random.key(2)), []
    step = jax.jit(jax.value_and_grad(loss), static_argnames="config")
    for _ in range(30):
        value, gradient = step(expected, digits.inputs, digits.labels, config=config)
        losses.append(value)
        expected = jax.tree.map(lambda p, g: p - 0.1 * g, expected, gradient)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-4)
    for (a, _), (b, _) in zip(unstack_layers(params), unstack_layers(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_history_has_every_step_and_layer(digits):
    config = NetworkConfig(depth=4)
    _, history = train(config, digits, optimizer=optax.sgd(0.05), steps=27, batch_size=64)
    assert history.loss.shape == history.accuracy.shape == (27,)
    assert history.gradient_norm.shape == history.weight_norm.shape == history.update_norm.shape == (27, 4)
    np.testing.assert_allclose(history.update_norm, 0.05 * history.gradient_norm, rtol=1e-5)
    assert history.first_nonfinite_step is None
    start = init_params(config, key=jax.random.key(0))
    norms = [np.linalg.norm(weight) for weight, _ in unstack_layers(start)[:-1]]
    np.testing.assert_allclose(
        history.weight_norm[0], norms, rtol=1e-6
    )  # before the update, to the last digits
    assert (np.abs(history.weight_norm[1] / norms - 1) > 1e-5).any()


def test_an_overflow_is_recorded_to_the_end(digits):
    config = NetworkConfig(depth=10, activation="relu", weight_scale=4.0)
    _, history = train(config, digits, optimizer=optax.sgd(1.0), steps=40, batch_size=128)
    first = history.first_nonfinite_step
    assert first is not None and first < 10 and len(history.loss) == 40
    assert np.isfinite(history.loss[:first]).all() and not np.isfinite(history.loss[-1])
    # A step whose update breaks the weights counts, although its own loss is still finite.
    breaks = optax.scale(np.inf)
    assert train(NetworkConfig(depth=2), digits, optimizer=breaks, steps=3)[1].first_nonfinite_step == 0


def test_an_epoch_shows_each_sample_once():
    from course_utils.training import _batches

    batches = _batches(10, 3, seed=0)
    first, second = ([next(batches) for _ in range(3)] for _ in range(2))
    assert len(set(np.concatenate(first).tolist())) == 9
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()


def test_same_seed_same_run_other_seed_other_run(digits):
    config = NetworkConfig(depth=2)
    runs = [
        train(config, digits, optimizer=optax.adam(1e-3), steps=26, batch_size=32, seed=s)[1].loss
        for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"steps": 0}, "steps"), ({"batch_size": 0}, "batch_size"), ({"batch_size": 10**6}, "batch_size"),
     ({"optimizer": 0.1}, "optimizer"), ({"seed": -1}, "seed")],
)  # fmt: skip
@pytest.mark.usefixtures("as_a_reader")
def test_wrong_arguments_are_named(digits, wrong, named):
    with pytest.raises(ValueError, match=named):
        train(NetworkConfig(depth=2), digits, **({"optimizer": optax.sgd(0.1), "steps": 1} | wrong))


@pytest.mark.usefixtures("as_a_reader")
def test_a_data_set_that_does_not_fit_is_named(digits):
    with pytest.raises(ValueError, match="input_size"):
        train(NetworkConfig(depth=2, input_size=3), digits, optimizer=optax.sgd(0.1), steps=1)
    with pytest.raises(ValueError, match="labels"):
        train(NetworkConfig(depth=2, output_size=3), digits, optimizer=optax.sgd(0.1), steps=1)
    empty = Dataset(*(np.zeros((0, 64), "f4"), np.zeros(0, "i4")) * 2)
    with pytest.raises(ValueError):
        train(NetworkConfig(depth=2), empty, optimizer=optax.sgd(0.1), steps=1)


def test_an_optimizer_may_hand_out_the_same_state_again(digits):
    shared = jnp.zeros(3)
    optimizer = optax.GradientTransformation(lambda _: shared, lambda updates, state, _=None: (updates, state + 1))
    for _ in range(2):
        train(NetworkConfig(depth=1), digits, optimizer=optimizer, steps=2)
    assert (shared == 0).all()
