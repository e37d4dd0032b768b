"""The grid, a slider's move and the training grid on an accelerator, beside PyTorch's eager loop on the same one.

    PYTHONPATH=src python benchmarks/accelerator.py [--repetitions 5] [--out benchmarks/accelerator.md]

It needs JAX and PyTorch for the accelerator, optax, scikit-learn and tqdm. Times are wall-clock seconds until the numbers
lie in the computer's own memory. Ours and the peer's take turns; a row gives medians, and as its spread the least and
largest ratio of two neighbouring runs. What runs first compiles, and is told apart.
"""

import argparse
import datetime
import itertools
import os
import pathlib
import statistics
import time

import jax
import numpy as np
import optax
import torch
import torch_workloads as peers
from workloads import (
    GRID,
    MITIGATIONS,
    TRAINING,
    WIDTH,
    batch,
    grid_axes,
    grid_operations,
)

from course_utils import (
    NetworkConfig,
    init_params,
    load_digits,
    norm_engine,
    sweep_gradient_norms,
    sweep_training,
    training_sweep,
)

HEAD = """\
# On an accelerator

{device}, {date}; JAX {jax}, PyTorch {torch}; wall-clock time, medians of {repetitions} interleaved runs; the ratio's spread
in brackets. *First* holds the compilation. The grid's PyTorch time is that of a twentieth, times 20.
Written by `benchmarks/accelerator.py`.

| workload / peer | ours | first | peer | peer / ours | ours on one of its CPUs |
|---|---|---|---|---|---|
"""


def timed(work) -> float:
    """Seconds of ``work()``, which brings its result to the computer's own memory."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(ours, peer, repetitions: int, peers_share: int = 1) -> dict:
    """Interleaved runs after one of each that warms up; the peer does a part of the work, times ``peers_share``."""
    first = timed(ours)
    timed(peer)
    pairs = [(timed(ours), peers_share * timed(peer)) for _ in range(repetitions)]
    ratios = [b / a for a, b in pairs]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"first_s": first, "ours_s": a, "peer_s": b, "ratio": b / a, "spread": [min(ratios), max(ratios)]}


def the_grid(repetitions: int) -> dict:
    """B1: every network of the grid; PyTorch's loop takes a twentieth of them."""
    inputs, labels = batch(GRID["batch"])
    depths, scales = grid_axes()
    grid = {"depths": depths, "weight_scales": scales, "seeds": range(GRID["seeds"]), "progress": False}
    ours = lambda: sweep_gradient_norms(NetworkConfig(1), inputs, labels, **grid)
    row = compare(ours, peers.some_of_the_grid, repetitions, peers.SHARE)
    return row | {"tflop_per_s": grid_operations() / row["ours_s"] / 1e12}


def a_move(depth: int, repetitions: int) -> dict:
    """B3: one network at a new weight scale, on the accelerator and on one of the same machine's CPUs."""
    inputs, labels = batch(GRID["batch"])
    data, (base, readout) = peers.on_device(GRID["batch"]), peers.draw(depth, 0)
    new_scales = itertools.cycle(np.linspace(0.5, 2, 997).tolist())

    def ours():
        grid = {"depths": [depth], "weight_scales": [next(new_scales)], "seeds": [0]}
        sweep_gradient_norms(NetworkConfig(1), inputs, labels, progress=False, **grid)

    def peer():
        scale = next(new_scales)
        peers.norms(*data, [(scale * weight).requires_grad_() for weight in base], readout)

    norm_engine._sharded_curves.clear_cache()
    row = compare(ours, peer, 6 * repetitions)
    assert norm_engine._sharded_curves._cache_size() == 1
    cpu = jax.devices("cpu")[:1]
    with jax.default_device(cpu[0]):
        config, mesh = NetworkConfig(depth), norm_engine.Mesh(np.array(cpu), ("configurations",))
        capacity = norm_engine.capacity_for(depth, GRID["batch"], WIDTH)
        draws = [norm_engine.stack_layers(init_params(config, key=jax.random.key(0)), capacity)]

        def on_cpu():
            grid = {"depths": [depth], "weight_scales": [next(new_scales)], "config": config, "mesh": mesh}
            norm_engine.log10_norms(draws, inputs, labels, **grid)

        on_cpu()
        return row | {"on_cpu_s": statistics.median(timed(on_cpu) for _ in range(6 * repetitions))}


def train_ours() -> None:
    """B5 by `sweep_training`."""
    for mitigation in MITIGATIONS:
        config = NetworkConfig(5, **mitigation)
        sweep_training(config, load_digits(), optimizer=OPTIMIZER, seeds=[0], progress=False, **TRAINING)


OPTIMIZER = optax.sgd(0.1)


def told(name: str, row: dict) -> str:
    """A row of the table, and what else it found."""
    low, high = row["spread"]
    on_cpu = f"{row['on_cpu_s'] * 1e3:.1f} ms" if "on_cpu_s" in row else ""
    line = (
        f"| {name} | {row['ours_s'] * 1e3:.1f} ms | {row['first_s']:.1f} s | {row['peer_s'] * 1e3:.1f} ms "
        f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {on_cpu} |\n"
    )
    if "tflop_per_s" in row:
        line += f"| of it, operations of its matrix products | {row['tflop_per_s']:.2f} TFLOP/s | | | | |\n"
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="where to write the table, as Markdown")
    arguments = parser.parse_args()
    os.environ["COURSE_BUILD"] = "1"  # no progress bars
    training_sweep.keep_rows = lambda key, rows: False  # nothing from an earlier run
    table = HEAD.format(
        date=datetime.date.today().isoformat(), jax=jax.__version__, torch=torch.__version__,
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", repetitions=arguments.repetitions,
    )  # fmt: skip
    print(table, end="", flush=True)
    tasks = {
        "B1 grid 20 × 25 × 8 / PyTorch": the_grid,
        "B3 a move, depth 10 / PyTorch": lambda n: a_move(10, n),
        "B3 a move, depth 100 / PyTorch": lambda n: a_move(100, n),
        "B5 training / PyTorch": lambda n: compare(train_ours, peers.train_all, n),
    }
    for name, task in tasks.items():
        line = told(name, task(arguments.repetitions))
        print(line, end="", flush=True)
        table += line
        if arguments.out:
            arguments.out.write_text(table)


if __name__ == "__main__":
    main()
