"""The grid, a slider's move and the training sweep on an accelerator, beside PyTorch's eager loop on the same one.

    PYTHONPATH=src python benchmarks/accelerator.py [--repetitions 5] [--out benchmarks/accelerator.md]

It needs JAX and PyTorch for the accelerator, optax, scikit-learn and tqdm. Times are
wall-clock seconds until the numbers lie in the computer's own memory. Ours and the peer's take turns; a row gives
medians, and as its spread the least and largest ratio of two neighbouring runs. What runs first compiles, and is told
apart.
"""

import argparse
import datetime
import os
import pathlib
import statistics
import tempfile
import time

import jax
import numpy as np
import optax
import torch
from workloads import GRID, batch, grid_axes

from course_utils import (
    NetworkConfig,
    init_params,
    load_digits,
    norm_engine,
    sweep_gradient_norms,
    sweep_training,
)
from course_utils.networks import apply, cross_entropy

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WIDTH, CLASSES = 64, 10
TRAINING = {"depths": (5, 20), "weight_scales": (0.7, 1.0, 1.4), "steps": 150, "batch_size": 64}
MITIGATIONS = ({"normalization": "batch"}, {"skip": "residual"})


def timed(work) -> float:
    """Seconds of ``work()``, which brings its result to the computer's own memory."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(ours, peer, repetitions: int) -> dict:
    """Interleaved runs after one of each that warms up."""
    first = timed(ours)
    timed(peer)
    pairs = [(timed(ours), timed(peer)) for _ in range(repetitions)]
    ratios = [b / a for a, b in pairs]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"first_s": first, "ours_s": a, "peer_s": b, "ratio": b / a, "spread": [min(ratios), max(ratios)]}


# ---- gradient norms --------------------------------------------------------------------------------------------


def torch_norms(inputs, labels, weights, readout):
    """log10 norms of one network's weight gradients and backward signals, in the computer's memory."""
    h, outputs = inputs, []
    for weight in weights:
        h = torch.tanh(h @ weight)
        outputs.append(h)
    loss = torch.nn.functional.cross_entropy(h @ readout, labels)
    gradients = torch.autograd.grad(loss, weights + outputs)
    return torch.stack([gradient.norm() for gradient in gradients]).log10().cpu()


def torch_draw(depth: int, seed: int):
    torch.manual_seed(seed)
    base = [torch.randn(WIDTH, WIDTH, device=DEVICE) / WIDTH**0.5 for _ in range(depth)]
    return base, torch.randn(WIDTH, CLASSES, device=DEVICE) / WIDTH**0.5


def torch_batch():
    return tuple(torch.from_numpy(array).to(DEVICE) for array in batch(GRID["batch"]))


def the_grid(repetitions: int) -> dict:
    """B1: every network of the grid; PyTorch's loop takes a twentieth of them, times 20."""
    inputs, labels = batch(GRID["batch"])
    depths, scales = grid_axes()
    on_device = torch_batch()

    def ours():
        sweep_gradient_norms(
            NetworkConfig(1),
            inputs,
            labels,
            depths=depths,
            weight_scales=scales,
            seeds=range(GRID["seeds"]),
            progress=False,
        )

    def peer():
        for i in range(10):
            base, readout = torch_draw(max(depths), i)
            scale = scales[(5 * i) % len(scales)]
            for depth in depths:
                weights = [(scale * weight).requires_grad_() for weight in base[:depth]]
                torch_norms(*on_device, weights, readout)

    row = compare(ours, peer, repetitions)
    row["peer_s"], row["ratio"] = 20 * row["peer_s"], 20 * row["ratio"]
    row["spread"] = [20 * ratio for ratio in row["spread"]]
    layers = sum(depths) * len(scales) * GRID["seeds"]
    forward = max(depths) * len(scales) * GRID["seeds"]
    product = 2 * GRID["batch"] * WIDTH**2  # operations of one layer's matrix product
    row["useful_tflop_per_s"] = (2 * layers + 2 * forward) * product / row["ours_s"] / 1e12
    return row


def a_move(depth: int, repetitions: int) -> dict:
    """B3: one network at a new weight scale, on the accelerator and on one of the same machine's CPUs."""
    inputs, labels = batch(GRID["batch"])
    on_device = torch_batch()
    base, readout = torch_draw(depth, 0)
    new_scales = iter(np.linspace(0.5, 2, 10_000))

    def ours():
        grid = {"depths": [depth], "weight_scales": [float(next(new_scales))], "seeds": [0]}
        sweep_gradient_norms(NetworkConfig(1), inputs, labels, progress=False, **grid)

    def peer():
        scale = float(next(new_scales))
        torch_norms(*on_device, [(scale * weight).requires_grad_() for weight in base], readout)

    first = timed(ours)
    compiled = norm_engine._sharded_curves._cache_size()
    row = compare(ours, peer, 6 * repetitions) | {"first_s": first}
    assert norm_engine._sharded_curves._cache_size() == compiled
    cpu = norm_engine.Mesh(np.array(jax.devices("cpu")[:1]), ("configurations",))
    capacity = norm_engine.capacity_for(depth, GRID["batch"], WIDTH)
    with jax.default_device(jax.devices("cpu")[0]):
        config = NetworkConfig(depth)
        stacked = norm_engine.stack_layers(init_params(config, key=jax.random.key(0)), capacity)

        def on_cpu():
            norm_engine.log10_norms(
                [stacked],
                inputs,
                labels,
                depths=[depth],
                weight_scales=[float(next(new_scales))],
                config=config,
                mesh=cpu,
            )

        on_cpu()
        row["on_cpu_s"] = statistics.median(timed(on_cpu) for _ in range(6 * repetitions))
    return row


# ---- training ----------------------------------------------------------------------------------------------------


def ours_training():
    """B5 by `sweep_training`, with nothing from its cache."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_UTILS_CACHE"] = folder
        for mitigation in MITIGATIONS:
            sweep_training(
                NetworkConfig(5, **mitigation),
                load_digits(),
                optimizer=OPTIMIZER,
                seeds=[0],
                progress=False,
                **TRAINING,
            )


OPTIMIZER = optax.sgd(0.1)


def a_run_each():
    """Every run of B5: its network's settings, its batches."""
    digits, generator = load_digits(), np.random.default_rng(0)
    for mitigation in MITIGATIONS:
        for depth in TRAINING["depths"]:
            for scale in TRAINING["weight_scales"]:
                batches = generator.integers(
                    0, len(digits.inputs), (TRAINING["steps"], TRAINING["batch_size"])
                )
                yield mitigation, depth, scale, digits.inputs, digits.labels, batches


_steps: dict = {}


def jitted_steps():
    """B5 as a Python loop of jitted steps, one compilation a depth and mitigation."""
    for mitigation, depth, scale, inputs, labels, batches in a_run_each():
        config = NetworkConfig(depth, weight_scale=scale, **mitigation)
        key = depth, str(mitigation)
        if key not in _steps:

            def step(params, state, inputs, labels, config=config):
                loss, gradient = jax.value_and_grad(
                    lambda p: cross_entropy(apply(p, inputs, config), labels)
                )(params)
                updates, state = OPTIMIZER.update(gradient, state, params)
                return optax.apply_updates(params, updates), state, loss

            _steps[key] = jax.jit(step)
        params = init_params(config, key=jax.random.key(0))
        state, losses = OPTIMIZER.init(params), []
        for some in batches:
            params, state, loss = _steps[key](params, state, inputs[some], labels[some])
            losses.append(loss)
        np.asarray(jax.device_get(losses))


def torch_training():
    """B5 as PyTorch's eager loop."""
    for mitigation, depth, scale, inputs, labels, batches in a_run_each():
        inputs, labels = (
            torch.from_numpy(np.array(inputs)).to(DEVICE),
            torch.from_numpy(np.array(labels)).long().to(DEVICE),
        )
        base, readout = torch_draw(depth, 0)
        weights = [(scale * weight).requires_grad_() for weight in base]
        gains = [torch.ones(WIDTH, device=DEVICE, requires_grad=True) for _ in base]
        shifts = [torch.zeros(WIDTH, device=DEVICE, requires_grad=True) for _ in base]
        optimizer = torch.optim.SGD([*weights, *gains, *shifts, readout.requires_grad_()], 0.1)
        losses = []
        for some in torch.from_numpy(batches).to(DEVICE):
            h = inputs[some]
            for weight, gain, shift in zip(weights, gains, shifts, strict=True):
                z = h @ weight
                if "normalization" in mitigation:
                    z = torch.nn.functional.batch_norm(z, None, None, gain, shift, training=True)
                    h = torch.tanh(z)
                else:
                    h = h + torch.tanh(z + shift)
            loss = torch.nn.functional.cross_entropy(h @ readout, labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).cpu()


# ---- the run -------------------------------------------------------------------------------------------------------


def told(name: str, row: dict) -> str:
    """A row of the table."""
    low, high = row["spread"]
    more = f"{row['on_cpu_s'] * 1e3:.1f} ms" if "on_cpu_s" in row else ""
    return (
        f"| {name} | {row['ours_s'] * 1e3:.1f} ms | {row['first_s']:.1f} s | {row['peer_s'] * 1e3:.1f} ms "
        f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {more} |"
    )


HEAD = """\
# On an accelerator

{device}, {date}; JAX {jax}, PyTorch {torch}; wall-clock time, medians of {repetitions} interleaved runs; the ratio's spread
in brackets. *First* holds the compilation. The grid's PyTorch time is that of a twentieth, times 20.
Written by `benchmarks/accelerator.py`.

| workload / peer | ours | first | peer | peer / ours | ours on one of its CPUs |
|---|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="where to write the table, as Markdown")
    arguments = parser.parse_args()
    os.environ["COURSE_BUILD"] = "1"  # no progress bars
    card = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    machine = {
        "date": datetime.date.today().isoformat(), "device": card, "jax": jax.__version__,
        "torch": torch.__version__, "repetitions": arguments.repetitions,
    }  # fmt: skip
    table = HEAD.format(**machine)
    print(table, end="", flush=True)
    tasks = {
        "B1 grid 20 × 25 × 8 / PyTorch": the_grid,
        "B3 a move, depth 10 / PyTorch": lambda n: a_move(10, n),
        "B3 a move, depth 100 / PyTorch": lambda n: a_move(100, n),
        "B5 training / PyTorch": lambda n: compare(ours_training, torch_training, n),
        "B5 training / loop of jitted steps": lambda n: compare(ours_training, jitted_steps, n),
    }
    for name, task in tasks.items():
        row = task(arguments.repetitions)
        print(told(name, row), flush=True)
        table += told(name, row) + "\n"
        if "useful_tflop_per_s" in row:
            table += f"| of it, useful operations | {row['useful_tflop_per_s']:.2f} TFLOP/s | | | | |\n"
        if arguments.out:
            arguments.out.write_text(table)


if __name__ == "__main__":
    main()
