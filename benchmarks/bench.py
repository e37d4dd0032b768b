"""Speed and memory, as ratios to a peer from one interleaved run.

    make bench                       all rows
    python benchmarks/bench.py -n 3  fewer repetitions

Every measurement is a fresh process pinned to one core with one thread; times are CPU seconds of the work without
imports, medians over the repetitions, ours and the peer's taking turns. The spread behind a ratio is the least and
largest ratio of two neighbouring runs.
"""

import argparse
import csv
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import nbformat
from workloads import GRID, batch, grid_axes

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
COLAB_PYTHON = ROOT / ".venv-colab" / "bin" / "python"
CHAPTERS = ROOT / "benchmarks" / "chapters.py"
FIRST_DEPTHS = (5, 10, 20, 50, 100, 200, 500, 1000)
NBGRADER = ROOT / ".venv-nbgrader" / "bin"
HOMEWORKS = ("backpropagation", "initialization", "skip", "diagnosis")  # every third chapter, with all of its exercises
CLASS = 10


# ---- workers: each runs in a process of its own and prints one JSON line -------------------------------------


def first_results_ours():
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


def first_results_scan():
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


def grid_ours():
    from course_utils import NetworkConfig, norm_engine, sweep_gradient_norms

    inputs, labels = batch(GRID["batch"])
    depths, scales = grid_axes()
    start = time.process_time()
    sweep_gradient_norms(
        NetworkConfig(1),
        inputs,
        labels,
        depths=depths,
        weight_scales=scales,
        seeds=range(GRID["seeds"]),
        progress=False,
    )
    seconds = time.process_time() - start
    assert norm_engine._sharded_curves._cache_size() == 1
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def grid_torch():
    """A twentieth of the grid (10 of the 200 pairs of scale and seed) in an eager loop, denormals flushed, times 20."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    inputs, labels = (torch.from_numpy(array) for array in batch(GRID["batch"]))
    depths, scales = grid_axes()
    pairs = [(scales[(5 * i) % len(scales)], i) for i in range(10)]
    start = time.process_time()
    for scale, seed in pairs:
        torch.manual_seed(seed)
        base = [torch.randn(64, 64) / 8 for _ in range(max(depths))]
        readout = torch.randn(64, 10) / 8
        for depth in depths:
            weights = [(scale * weight).requires_grad_() for weight in base[:depth]]
            h, outputs = inputs, []
            for weight in weights:
                h = torch.tanh(h @ weight)
                outputs.append(h)
            loss = torch.nn.functional.cross_entropy(h @ readout, labels)
            gradients = torch.autograd.grad(loss, weights + outputs)
            torch.stack([gradient.norm() for gradient in gradients]).log10()
    return {"seconds": 20 * (time.process_time() - start)}


def slider():
    from course_utils import GradientExplorer, NetworkConfig, norm_engine

    explorer = GradientExplorer(NetworkConfig(10), depths=[1, 100], weight_scales=[0.25, 4.0], seeds=range(3))
    moves = {}
    for depth in (10, 100):
        explorer.depth.value = depth
        before, times = norm_engine._sharded_curves._cache_size(), []
        for i in range(15):
            start = time.perf_counter()
            explorer.weight_scale.value = 0.5 + i / 10
            times.append(1e3 * (time.perf_counter() - start))
        assert norm_engine._sharded_curves._cache_size() == before
        moves[f"depth {depth}"] = {"median_ms": statistics.median(times), "worst_ms": max(times)}
    return moves


def import_ours():
    start = time.process_time()
    import jax  # noqa: F401

    import course_utils  # noqa: F401

    return {"seconds": time.process_time() - start}


def import_jax():
    start = time.process_time()
    import jax  # noqa: F401

    return {"seconds": time.process_time() - start}


def homework(prefix, folder):
    """A chapter's exercises as an assignment: the pack, and the notebook with solutions that a class hands in."""
    from course_utils.exercises.catalogue import course_exercises
    from course_utils.grading.assign import assign

    ids = [id for id in course_exercises() if id.rpartition("-")[0] == prefix]
    pack = assign(ids, title="Homework", out=folder / "assignment", chapters=ROOT / "chapters")
    return pack, pack.notebook()


def a_submission(graded):
    """CPU seconds a submission over all homeworks."""
    seconds = []
    for prefix in HOMEWORKS:
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(graded(prefix, pathlib.Path(folder)) / CLASS)
    return {"seconds": statistics.mean(seconds)}


def cpu_seconds(command, **more):
    """CPU seconds of a command and of all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, text=True, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def graded_by_course(prefix, folder):
    """CPU seconds of `course grade` for a class, with a warm cache."""
    pack, solved = homework(prefix, folder)
    (folder / "in").mkdir()
    for i in range(CLASS):
        nbformat.write(solved, folder / "in" / f"student{i}.ipynb")
    command = [sys.executable, "-m", "course_utils", "grade", pack.folder, "--jobs", "1"]
    warm = [*command, folder / "in" / "student0.ipynb", "--out", folder / "warm"]
    subprocess.run(warm, check=True, capture_output=True)
    seconds = cpu_seconds([*command, folder / "in", "--out", folder / "out"])
    with (folder / "out" / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASS and all(row["total"] == row["max"] for row in rows)
    # A sandbox is not waited for by our process: its own clock, from its start to its end, is in the table.
    return seconds + sum(float(row["cpu_seconds"]) for row in rows)


def graded_by_nbgrader(prefix, folder):
    """CPU seconds of `nbgrader autograde` for the same class."""
    from course_utils.grading.export_nbgrader import export_nbgrader

    pack, solved = homework(prefix, folder)
    course = folder / "course"
    export_nbgrader(pack, course)
    answers = {cell.id.removeprefix("solution-"): cell.source for cell in solved.cells if cell.id.startswith("solution-")}
    environment = {**os.environ, "PATH": f"{NBGRADER}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    environment.pop("PYTHONPATH", None)
    settings = {"cwd": course, "env": environment}
    generate, export = ([NBGRADER / "nbgrader", *words] for words in (["generate_assignment", pack.slug], ["export"]))
    subprocess.run(generate, check=True, capture_output=True, **settings)
    given = nbformat.read(course / "release" / pack.slug / f"{pack.slug}.ipynb", as_version=4)
    for cell in given.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    for i in range(CLASS):
        place = course / "submitted" / f"student{i}" / pack.slug
        place.mkdir(parents=True)
        nbformat.write(given, place / f"{pack.slug}.ipynb")
    seconds = cpu_seconds([NBGRADER / "nbgrader", "autograde", pack.slug], **settings)
    subprocess.run(export, check=True, capture_output=True, **settings)
    with (course / "grades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASS and all(float(row["score"]) == pack.points for row in rows)
    return seconds


def grading_ours():
    return a_submission(graded_by_course)


def grading_nbgrader():
    return a_submission(graded_by_nbgrader)


WORKERS = {
    f.__name__: f
    for f in (
        first_results_ours,
        first_results_scan,
        grid_ours,
        grid_torch,
        slider,
        import_ours,
        import_jax,
        grading_ours,
        grading_nbgrader,
    )
}


# ---- the run --------------------------------------------------------------------------------------------------


def measure(name, python=sys.executable):
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
    run = subprocess.run(
        [python, __file__, "--worker", name], check=True, capture_output=True, text=True, preexec_fn=pin,
        env={**os.environ, **threads, "XLA_FLAGS": flags, "COURSE_BUILD": "1", "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    return json.loads(run.stdout.splitlines()[-1])


def compare(ours, peer, repetitions, peer_python=sys.executable):
    """Interleaved runs: medians, and how many times longer the peer takes."""
    pairs = [(measure(ours), measure(peer, peer_python)) for _ in range(repetitions)]
    ratios = [b["seconds"] / a["seconds"] for a, b in pairs]
    medians = [statistics.median(run["seconds"] for run in side) for side in zip(*pairs, strict=True)]
    peaks = [a["peak_mb"] for a, _ in pairs if "peak_mb" in a]
    return {"ours_s": medians[0], "peer_s": medians[1], "ratio": medians[1] / medians[0],
            "spread": [min(ratios), max(ratios)], "peak_mb": statistics.median(peaks) if peaks else None}  # fmt: skip


def prepare_torch():
    """PyTorch in an environment of its own, so that the course's lock stays small."""
    if not TORCH_PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", TORCH_PYTHON.parent.parent], check=True)
    installed = (
        subprocess.run([TORCH_PYTHON, "-c", "import torch, numpy"], capture_output=True).returncode == 0
    )
    if not installed:
        subprocess.run([TORCH_PYTHON, "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)


def line(name, result, target):
    low, high = result["spread"]
    print(f"{name:58} {result['ours_s']:7.2f} s  peer {result['peer_s']:7.2f} s  ratio {result['ratio']:5.2f} "
          f"({low:.2f} to {high:.2f})  target {target}", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=5, help="repetitions of each row (default 5)")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(WORKERS[arguments.worker]()))
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; CPU seconds, medians of {arguments.n}"
    )
    line(
        "first results at 8 depths / jitted scan a depth",
        compare("first_results_ours", "first_results_scan", arguments.n),
        "≥ 5",
    )
    prepare_torch()
    grid = compare("grid_ours", "grid_torch", arguments.n, TORCH_PYTHON)
    line("grid 20 × 25 × 8 / PyTorch loop (a twentieth, times 20)", grid, "≥ 2")
    print(f"{'grid, peak memory':58} {grid['peak_mb']:7.0f} MB  target ≤ 400 MB")
    for depth, move in measure("slider").items():
        print(
            f"{'slider move, event to pushed picture, ' + depth:58} {move['median_ms']:7.1f} ms (worst {move['worst_ms']:.1f})  target ≤ 60 ms"
        )
    line(
        "course grade, a submission / nbgrader autograde",
        compare("grading_ours", "grading_nbgrader", min(arguments.n, 3)),
        "≥ 3",
    )
    imports = compare("import_ours", "import_jax", max(arguments.n, 5))
    print(f"{'import course_utils and jax / import jax':58} {1 / imports['ratio']:7.2f}  target ≤ 1.3")
    print("Chapters, with Colab's versions, on all cores:", flush=True)
    subprocess.run([COLAB_PYTHON, CHAPTERS], check=True)


if __name__ == "__main__":
    main()
