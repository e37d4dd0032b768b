"""What the benchmarks measure: each workload, ours or a peer's, as a function that does it and tells what it took.

``WORKLOADS`` names them. `worker.py` runs one in a process of its own. Imports stand inside the functions: a process loads only
what its own workload needs, and does so before the clock starts. Seconds are CPU seconds of the process.
"""

import resource
import statistics
import time

import numpy as np

WIDTH, CLASSES = 64, 10
GRID = {"depths": 20, "weight_scales": 25, "seeds": 8, "batch": 128}
FIRST_DEPTHS = (5, 10, 20, 50, 100, 200, 500, 1000)
TRAINING = {"depths": (5, 20), "weight_scales": (0.7, 1.0, 1.4), "steps": 150, "batch_size": 64}
MITIGATIONS = ({"normalization": "batch"}, {"skip": "residual"})
MOVES = 15
SHALLOW = 5

WORKLOADS = {}


def workload(function):
    """Put a function into the table under its own name."""
    WORKLOADS[function.__name__] = function
    return function


def batch(size: int):
    """Inputs ``[size, 64]`` of unit variance and labels of ten classes."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((size, 64)).astype("f4"), generator.integers(0, CLASSES, size)


def grid_axes():
    """The grid's depths and weight scales."""
    depths = np.unique(np.round(np.linspace(1, 100, GRID["depths"])).astype(int)).tolist()
    return depths, np.geomspace(0.25, 4, GRID["weight_scales"]).tolist()


def grid_operations() -> float:
    """Floating-point operations that the grid's matrix products need, each depth a beginning of the deepest network."""
    depths, scales = grid_axes()
    products = 2 * sum(depths) + max(depths)  # two a layer on each way back, and one way forward for all
    return products * 2 * GRID["batch"] * WIDTH**2 * len(scales) * GRID["seeds"]


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


# ---- the grid: B1, B6, B7 ----------------------------------------------------------------------------------------


def _sweep_the_grid():
    from course_utils import NetworkConfig, sweep_gradient_norms

    inputs, labels = batch(GRID["batch"])
    depths, scales = grid_axes()
    start = time.process_time()
    sweep = sweep_gradient_norms(
        NetworkConfig(1), inputs, labels, depths=depths, weight_scales=scales, seeds=range(GRID["seeds"]), progress=False
    )
    return sweep, time.process_time() - start


@workload
def grid_ours():
    from course_utils import norm_engine

    _, seconds = _sweep_the_grid()
    assert norm_engine._sharded_curves._cache_size() == 1
    return {"seconds": seconds, "peak_mb": peak_mb()}


@workload
def grid_compiled_ours():
    """The grid where the program is compiled: a smaller grid of the same shapes has run."""
    from course_utils import NetworkConfig, sweep_gradient_norms

    sweep_gradient_norms(
        NetworkConfig(1), *batch(GRID["batch"]), depths=[100], weight_scales=[1.0], seeds=[0], progress=False
    )
    return {"seconds": _sweep_the_grid()[1]}


@workload
def grid_plain():
    """The same engine without powers of two of their own: wrong where float32 ends."""
    import jax.numpy as jnp

    from course_utils import norm_engine

    norm_engine._unit = lambda x: (x, 0)
    norm_engine._squares = lambda *arrays: ([jnp.sum(x * x) for x in arrays], [0] * len(arrays))
    norm_engine._into_window = lambda z, h, k, config: (z, h, k)
    norm_engine._power_of_two = lambda k, dtype: jnp.ones((), dtype)
    return {"seconds": _sweep_the_grid()[1]}


@workload
def grid_bound():
    """The time that the grid's operations would take at the rate of a 2048³ matrix product."""
    import jax
    import jax.numpy as jnp

    side, times = 2048, 8
    product = jax.jit(lambda a, b: a @ b)
    a = jnp.ones((side, side), jnp.float32)
    jax.block_until_ready(product(a, a))
    start = time.process_time()
    for _ in range(times):
        jax.block_until_ready(product(a, a))
    rate = times * 2 * side**3 / (time.process_time() - start)
    return {"seconds": grid_operations() / rate, "gflop_per_s": rate / 1e9}


@workload
def grid_digest():
    """The grid's numbers, as a digest of their bytes."""
    import hashlib

    import jax

    sweep, seconds = _sweep_the_grid()
    digest = hashlib.sha256(sweep.weight_gradient.tobytes() + sweep.backward_signal.tobytes()).hexdigest()
    return {"seconds": seconds, "devices": len(jax.devices()), "digest": digest}


# ---- a chapter's map, by both paths: B9 --------------------------------------------------------------------------


def _map_of_chapter_2():
    """What its first explorer measures: the network, inputs, labels, depths, weight scales and seeds."""
    from course_utils import NetworkConfig, load_digits

    digits = load_digits()
    some = digits.inputs[:256], digits.labels[:256]
    return NetworkConfig(1, activation="sigmoid"), *some, range(1, 31), np.geomspace(0.25, 16, 19), range(3)


@workload
def map_ours():
    from course_utils import sweep_gradient_norms

    config, inputs, labels, depths, scales, seeds = _map_of_chapter_2()
    start = time.process_time()
    sweep_gradient_norms(config, inputs, labels, depths=depths, weight_scales=scales, seeds=seeds, progress=False)
    return {"seconds": time.process_time() - start}


@workload
def map_scan():
    """A jitted scan over stacked layers, compiled for each depth."""
    import jax

    from course_utils import backward_signal_norms, init_params, layer_gradient_norms

    config, inputs, labels, depths, scales, seeds = _map_of_chapter_2()
    start = time.process_time()
    for depth in depths:
        for scale in scales:
            network = config.replace(depth=depth, weight_scale=float(scale))
            shape = network.replace(weight_scale=1.0)  # what is compiled does not hang on it
            for seed in seeds:
                params = init_params(network, key=seed)
                jax.block_until_ready(layer_gradient_norms(params, inputs, labels, shape))
                jax.block_until_ready(backward_signal_norms(params, inputs, labels, shape))
    return {"seconds": time.process_time() - start}


# ---- first results: B2, B4 -----------------------------------------------------------------------------------------


@workload
def first_ours():
    from course_utils import NetworkConfig, norm_engine, sweep_gradient_norms

    inputs, labels = batch(256)
    start = time.process_time()
    for depth in FIRST_DEPTHS:
        sweep_gradient_norms(
            NetworkConfig(1), inputs, labels, depths=[depth], weight_scales=[1.0], seeds=[0], progress=False
        )
    seconds = time.process_time() - start
    assert norm_engine._sharded_curves._cache_size() == 1
    return {"seconds": seconds}


@workload
def first_scan():
    """A jitted scan over stacked layers, compiled for each depth."""
    import jax

    from course_utils import NetworkConfig, backward_signal_norms, init_params, layer_gradient_norms

    inputs, labels = batch(256)
    start = time.process_time()
    for depth in FIRST_DEPTHS:
        config = NetworkConfig(depth)
        params = init_params(config, key=jax.random.key(0))
        jax.block_until_ready(layer_gradient_norms(params, inputs, labels, config))
        jax.block_until_ready(backward_signal_norms(params, inputs, labels, config))  # the same compilation
    return {"seconds": time.process_time() - start}


def _numpy_weights(depth: int, seed: int = 0):
    generator = np.random.default_rng(seed)
    draw = lambda columns: (generator.standard_normal((WIDTH, columns)) / WIDTH**0.5).astype("f4")
    return [draw(WIDTH) for _ in range(depth)], draw(CLASSES)


def _mean_cross_entropy(logits, labels):
    import optax

    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@workload
def first_list():
    """A jitted Python list of layers, compiled for each depth."""
    import jax
    import jax.numpy as jnp

    def loss(weights, nudges, readout, x, y):
        for weight, nudge in zip(weights, nudges, strict=True):
            x = jnp.tanh(x @ weight) + nudge
        return _mean_cross_entropy(x @ readout, y)

    @jax.jit
    def norms(*arguments):
        gradients = jax.grad(loss, argnums=(0, 1))(*arguments)
        return jax.tree.map(jnp.linalg.norm, gradients)

    inputs, labels = batch(256)
    start = time.process_time()
    for depth in FIRST_DEPTHS:
        weights, readout = _numpy_weights(depth)
        jax.block_until_ready(norms(weights, [np.zeros((256, WIDTH), "f4")] * depth, readout, inputs, labels))
    return {"seconds": time.process_time() - start}


def _with_biases(depth: int):
    weights, readout = _numpy_weights(depth)
    return [{"kernel": kernel, "bias": np.zeros(kernel.shape[1], "f4")} for kernel in (*weights, readout)]


@workload
def first_flax():
    """Flax's linen, a module a layer; weight gradients only. (Its own draws would compile for minutes.)"""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    class Network(nn.Module):
        depth: int

        @nn.compact
        def __call__(self, x):
            for _ in range(self.depth):
                x = jnp.tanh(nn.Dense(WIDTH)(x))
            return nn.Dense(CLASSES)(x)

    inputs, labels = batch(256)
    start = time.process_time()
    for depth in FIRST_DEPTHS:
        network = Network(depth)
        params = {"params": {f"Dense_{i}": layer for i, layer in enumerate(_with_biases(depth))}}
        loss = lambda params, network=network: _mean_cross_entropy(network.apply(params, inputs), labels)
        norms = jax.jit(lambda params, loss=loss: jax.tree.map(jnp.linalg.norm, jax.grad(loss)(params)))
        jax.block_until_ready(norms(params))
    return {"seconds": time.process_time() - start}


@workload
def first_equinox():
    """Equinox, a list of layers; weight gradients only."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    inputs, labels = batch(256)
    loss = lambda network: _mean_cross_entropy(jax.vmap(network)(inputs), labels)

    @eqx.filter_jit
    def norms(network):
        return jax.tree.map(jnp.linalg.norm, eqx.filter_grad(loss)(network))

    start = time.process_time()
    for depth in FIRST_DEPTHS:
        network = eqx.nn.MLP(64, CLASSES, WIDTH, depth, activation=jnp.tanh, key=jax.random.key(0))
        jax.block_until_ready(jax.tree.leaves(norms(network)))
    return {"seconds": time.process_time() - start}


@workload
def first_result():
    """The first curve of a new process. The caller names a folder for JAX's compilation cache."""
    import jax

    from course_utils import NetworkConfig, sweep_gradient_norms

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    inputs, labels = batch(256)
    start = time.process_time()
    sweep_gradient_norms(
        NetworkConfig(1), inputs, labels, depths=[50], weight_scales=[1.0], seeds=[0], progress=False
    )
    return {"seconds": time.process_time() - start}


# ---- a slider's move: B3 ---------------------------------------------------------------------------------------------


def _moves(move) -> dict:
    """Median seconds of a move, each at a weight scale of its own, after one that warms up."""
    times, scales = [], np.linspace(0.5, 2, MOVES + 1)
    for scale in scales:
        start = time.process_time()
        move(float(scale))
        times.append(time.process_time() - start)
    return {"seconds": statistics.median(times[1:]), "worst_ms": 1e3 * max(times[1:])}


def _move_ours(depth: int):
    from course_utils import NetworkConfig, norm_engine, sweep_gradient_norms

    inputs, labels = batch(GRID["batch"])

    def move(scale, depth=depth):
        grid = {"depths": [depth], "weight_scales": [scale], "seeds": [0]}
        sweep_gradient_norms(NetworkConfig(1), inputs, labels, progress=False, **grid)

    move(1.0, depth=100)  # a slider to 100 exists from the start, and it compiles once
    compiled = norm_engine._sharded_curves._cache_size()
    told = _moves(move)
    assert norm_engine._sharded_curves._cache_size() == compiled
    return told


@workload
def move_10_ours():
    return _move_ours(10)


@workload
def move_100_ours():
    return _move_ours(100)


@workload
def explorer_moves():
    """Wall-clock time from a slider's event to the pushed picture, three seeds, as a reader waits for it."""
    from course_utils import GradientExplorer, NetworkConfig

    explorer = GradientExplorer(NetworkConfig(10), depths=[1, 100], weight_scales=[0.25, 4.0], seeds=range(3))
    moves = {}
    for depth in (10, 100):
        explorer.depth.value, times = depth, []
        for i in range(MOVES):
            start = time.perf_counter()
            explorer.weight_scale.value = 0.5 + i / 10
            times.append(1e3 * (time.perf_counter() - start))
        moves[f"depth {depth}"] = {"median_ms": statistics.median(times), "worst_ms": max(times)}
    return {"seconds": 0.0, "moves": moves}


# ---- training: B5 ------------------------------------------------------------------------------------------------------


def runs():
    """Every run of the training grid: its mitigation, depth and weight scale, the digits, and its batches."""
    from course_utils import load_digits

    digits, generator = load_digits(), np.random.default_rng(0)
    for mitigation in MITIGATIONS:
        for depth in TRAINING["depths"]:
            for scale in TRAINING["weight_scales"]:
                batches = generator.integers(0, len(digits.inputs), (TRAINING["steps"], TRAINING["batch_size"]))
                yield mitigation, depth, scale, digits.inputs, digits.labels, batches


def _train_ours(times: int) -> float:
    """Seconds that the grid takes when it is trained so many times, the last time's."""
    import optax

    from course_utils import NetworkConfig, load_digits, sweep_training, training_engine, training_sweep

    digits, optimizer = load_digits(), optax.sgd(0.1)
    training_sweep.kept_rows = lambda key, shape: np.empty((0, *shape[1:]))  # nothing from an earlier run
    training_sweep.keep_rows = lambda key, rows: False
    for _ in range(times):
        start = time.process_time()
        for mitigation in MITIGATIONS:
            sweep_training(NetworkConfig(5, **mitigation), digits, optimizer=optimizer, seeds=[0], progress=False, **TRAINING)
    assert training_engine.train_runs._cache_size() == len(MITIGATIONS)
    return time.process_time() - start


@workload
def training_ours():
    return {"seconds": _train_ours(1)}


@workload
def training_compiled_ours():
    return {"seconds": _train_ours(2)}


def _train_jitted(times: int) -> float:
    """The same by a Python loop of jitted steps, one compilation a depth and mitigation."""
    import jax
    import optax

    from course_utils import NetworkConfig, init_params
    from course_utils.networks import apply, cross_entropy

    optimizer, steps, everything = optax.sgd(0.1), {}, list(runs())

    def step_of(config):
        @jax.jit
        def step(params, state, inputs, labels):
            loss, gradient = jax.value_and_grad(lambda p: cross_entropy(apply(p, inputs, config), labels))(params)
            updates, state = optimizer.update(gradient, state, params)
            return optax.apply_updates(params, updates), state, loss

        return step

    for _ in range(times):
        start = time.process_time()
        for mitigation, depth, scale, inputs, labels, batches in everything:
            config = NetworkConfig(depth, weight_scale=scale, **mitigation)
            step = steps.setdefault((depth, str(mitigation)), step_of(config))
            params = init_params(config, key=jax.random.key(0))
            state, losses = optimizer.init(params), []
            for some in batches:
                params, state, loss = step(params, state, inputs[some], labels[some])
                losses.append(loss)
            np.asarray(jax.device_get(losses))
    return time.process_time() - start


@workload
def training_jitted():
    return {"seconds": _train_jitted(1)}


@workload
def training_compiled_jitted():
    return {"seconds": _train_jitted(2)}


# ---- a shallow network in a deep store: B8 ---------------------------------------------------------------------------


@workload
def shallow_ours():
    from course_utils import NetworkConfig, sweep_gradient_norms

    inputs, labels = batch(256)

    def move(scale, depth=SHALLOW):
        grid = {"depths": [depth], "weight_scales": [scale], "seeds": [0]}
        sweep_gradient_norms(NetworkConfig(1), inputs, labels, progress=False, **grid)

    move(1.0, depth=1000)  # the store is as deep as it gets
    return _moves(move)


@workload
def shallow_alone():
    """A network of this depth by the readable path, compiled for it alone."""
    import jax

    from course_utils import NetworkConfig, init_params
    from course_utils.gradients import _norms

    inputs, labels = batch(256)
    config = NetworkConfig(SHALLOW)
    params = init_params(config, key=jax.random.key(0))

    def move(scale):
        scaled = lambda layer: layer._replace(weight=scale * layer.weight)
        own = params._replace(first=scaled(params.first), hidden=scaled(params.hidden))
        [np.log10(np.asarray(norms)) for norms in _norms(own, inputs, labels, config)]

    return _moves(move)


# ---- imports -----------------------------------------------------------------------------------------------------------


@workload
def import_ours():
    start = time.process_time()
    import jax  # noqa: F401

    import course_utils  # noqa: F401

    return {"seconds": time.process_time() - start}


@workload
def import_jax():
    start = time.process_time()
    import jax  # noqa: F401

    return {"seconds": time.process_time() - start}
