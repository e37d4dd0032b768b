import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from course_utils._programs import optimizer_programs, traced

PARAMS = {"a": jnp.arange(1.0, 4), "b": jnp.full((2, 2), 2.0)}
MAKERS = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "adam": optax.adam,
    "adamw": lambda rate: optax.adamw(1e-3, weight_decay=rate),
    "lion": optax.lion,
    "lars": optax.lars,
    "adafactor": optax.adafactor,
    "clipped": lambda rate: optax.chain(optax.clip_by_global_norm(20 * rate), optax.sgd(0.1)),
    "decay": lambda rate: optax.sgd(optax.cosine_decay_schedule(rate, 100)),
    "injected": lambda rate: optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
    "noisy": lambda rate: optax.chain(optax.add_noise(rate, 0.5, 0), optax.sgd(rate)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_optimizers_that_differ_in_numbers_are_one_program_and_compute_what_optax_does(make):
    programs = {}
    for rate in (0.037, 0.0521):
        optimizer = make(rate)
        (init, of_init), (update, of_update) = optimizer_programs(optimizer, PARAMS)
        programs[rate] = init, update
        state, mine = optimizer.init(PARAMS), init(of_init, PARAMS)
        gradient = jax.tree.map(jnp.sin, PARAMS)
        for _ in range(3):
            expected, state = optimizer.update(gradient, state, PARAMS)
            got, mine = jax.jit(update)(of_update, gradient, mine, PARAMS)
            assert jax.tree.structure(mine) == jax.tree.structure(state)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)
    first, second = programs.values()
    assert first == second and hash(first) == hash(second)


def test_what_differs_in_more_than_numbers_is_another_program():
    update_of = lambda optimizer: optimizer_programs(optimizer, PARAMS)[1][0]
    optimizers = optax.sgd(0.1), optax.sgd(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9, nesterov=True), optax.adam(0.1)
    assert len({update_of(optimizer) for optimizer in optimizers}) == 4
    wide = {"a": jnp.zeros(4), "b": jnp.zeros((2, 2))}
    assert optimizer_programs(optimizers[0], wide)[1][0] != update_of(optimizers[0])


def test_whole_numbers_constants_and_numbers_that_come_twice_stay_what_they_are():
    table = np.arange(3.0, dtype="f4")
    functions = [lambda x, by=by, power=power: (by * x**power + by + table, 2.5) for by, power in ((0.5, 2), (0.25, 2), (0.5, 3))]
    pairs = [traced(function, jnp.ones(3)) for function in functions]
    assert pairs[0][0] == pairs[1][0] != pairs[2][0]
    x = jnp.array([1.0, 2.0, 3.0])
    for function, (program, numbers) in zip(functions, pairs, strict=True):
        jax.tree.map(np.testing.assert_array_equal, program(numbers, x), function(x))
    program, numbers = traced(lambda x: (jnp.nan * x, -0.0 * x, 0.0 * x), jnp.ones(2))
    got = program(numbers, jnp.ones(2))
    assert np.isnan(got[0]).all() and np.signbit(got[1]).all() and not np.signbit(got[2]).any()
