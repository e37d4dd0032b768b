"""Speed and memory, as ratios to a peer from one interleaved run.

    make bench                                     all rows
    python benchmarks/bench.py --only B3 B8 -n 3   some rows, fewer repetitions

Rows of at least five repetitions go into benchmarks/results.md, results.json and results.svg, and the rows that were
measured before on the same machine stay there: a bench that is stopped loses one row.

Every measurement is a fresh process pinned to one core with one thread. Times are CPU seconds of the work without imports,
medians over the repetitions; ours and the peer's take turns. A ratio's spread is the least and largest ratio of two
neighbouring runs. The machine's noise is what our own workload gives against itself.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from results import keep, machine, told
from workloads import MOVES

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = pathlib.Path(__file__).resolve().parent
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
COLAB_PYTHON = ROOT / ".venv-colab" / "bin" / "python"
PEERS = ("torch", "equinox")  # beside the lock, in an environment of their own
ENOUGH = 5  # repetitions of a row, to be kept
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class Row(NamedTuple):
    """A comparison: how many times longer the peer takes."""

    id: str
    name: str
    ours: str
    peer: str
    target: float
    at_most: bool = False
    """Whether the figure is ours / peer, and must not exceed the target, instead of peer / ours, which must reach it."""


ROWS = (
    Row("B1", "grid, compiled / the bound by operations", "grid_compiled_ours", "grid_bound", 0.65),
    Row("B1", "grid, compilation included / the bound", "grid_ours", "grid_bound", 0.65),
    Row("B1", "grid / PyTorch loop (a twentieth, times 20)", "grid_ours", "grid_torch", 2.5),
    Row("B2", "first results at 8 depths / jitted list of layers", "first_ours", "first_list", 15),
    Row("B2", "first results at 8 depths / jitted scan", "first_ours", "first_scan", 5),
    Row("B2", "first results at 8 depths / Flax", "first_ours", "first_flax", 1),
    Row("B2", "first results at 8 depths / Equinox", "first_ours", "first_equinox", 1),
    Row("B3", "a move, depth 10 / PyTorch", "move_10_ours", "move_10_torch", 1.0, at_most=True),
    Row("B3", "a move, depth 100 / PyTorch", "move_100_ours", "move_100_torch", 0.7, at_most=True),
    Row("B5", "training grid, compiled / PyTorch loop", "training_compiled_ours", "training_torch", 3),
    Row("B5", "training grid, compiled / loop of jitted steps", "training_compiled_ours", "training_compiled_jitted", 1.15),
    Row("B5", "training grid, compilation included / PyTorch loop", "training_ours", "training_torch", 3),
    Row("B5", "training grid, compilation included / jitted steps", "training_ours", "training_jitted", 1.15),
    Row("B6", "robust norms / plain norms", "grid_ours", "grid_plain", 1.12, at_most=True),
    Row("B8", "depth 5 in a store for 1024 / compiled alone", "shallow_ours", "shallow_alone", 1.3, at_most=True),
    Row("B9", "the map of chapter 2's first explorer / jitted scans", "map_ours", "map_scan", 1),
    Row("G1", "course grade, a submission / nbgrader autograde", "grading_ours", "grading_nbgrader", 3),
    Row("I1", "import course_utils and jax / import jax", "import_ours", "import_jax", 1.3, at_most=True),
    Row("–", "noise: the grid / itself", "grid_ours", "grid_ours", 0.9),
)


# ---- measuring -----------------------------------------------------------------------------------------------------


def measure(name: str, **variables) -> dict:
    """What a workload took in a fresh process on one core."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
    python = PEERS_PYTHON if name.endswith(PEERS) else sys.executable
    run = subprocess.run(
        [python, HERE / "worker.py", name], capture_output=True, text=True, preexec_fn=pin,
        env={**os.environ, **ONE_THREAD, "XLA_FLAGS": XLA, "COURSE_BUILD": "1", "PYTHONPATH": str(ROOT / "src"), **variables},
    )  # fmt: skip
    if run.returncode:
        sys.exit(f"{name} failed:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def compare(row: Row, repetitions: int) -> dict:
    """A row's result from interleaved runs."""
    pairs = [(measure(row.ours), measure(row.peer)) for _ in range(repetitions)]
    return judged(row, pairs)


def judged(row: Row, pairs: list) -> dict:
    """Medians of both sides, their ratio, its spread, and whether it meets the target."""
    ours, peer = (statistics.median(run["seconds"] for run in side) for side in zip(*pairs, strict=True))
    ratios = [b["seconds"] / a["seconds"] for a, b in pairs]
    ratio = peer / ours
    if row.at_most:
        ratio, ratios = 1 / ratio, [1 / one for one in ratios]
    peaks = [a["peak_mb"] for a, _ in pairs if "peak_mb" in a]
    return {
        "id": row.id, "name": row.name, "ours_s": ours, "peer_s": peer, "ratio": ratio, "spread": [min(ratios), max(ratios)],
        "target": f"{'≤' if row.at_most else '≥'} {row.target}", "met": ratio <= row.target if row.at_most else ratio >= row.target,
        "peak_mb": statistics.median(peaks) if peaks else None, "runs": len(pairs),
    }  # fmt: skip


def fact(id: str, name: str, value: str, target: str, met: bool) -> dict:
    """A result that is no ratio of times."""
    return {"id": id, "name": name, "value": value, "target": target, "met": met}


def persistent_cache(repetitions: int) -> dict:
    """B4: the first curve of a new process, with JAX's compilation cache warm and empty."""
    row, pairs = Row("B4", "first result, warm compilation cache / empty", "first_result", "first_result", 0.25, at_most=True), []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            cold = measure("first_result", JAX_COMPILATION_CACHE_DIR=folder)
            pairs.append((measure("first_result", JAX_COMPILATION_CACHE_DIR=folder), cold))
    return judged(row, pairs)


def eight_devices() -> dict:
    """B7: the grid on eight simulated devices and on one, byte by byte."""
    one = measure("grid_digest")
    eight = measure("grid_digest", XLA_FLAGS=f"--xla_force_host_platform_device_count=8 {XLA}")
    assert (one["devices"], eight["devices"]) == (1, 8)
    same = one["digest"] == eight["digest"]
    return fact("B7", "grid on 8 devices", "the same bytes" if same else "other bytes", "the same bytes", same)


def explorer_moves() -> list[dict]:
    """A reader's wait for the picture, three seeds."""
    moves = measure("explorer_moves")["moves"]
    return [
        fact(
            "B3", f"an explorer's move, {depth}, median of {MOVES}", f"{move['median_ms']:.1f} ms (worst {move['worst_ms']:.1f})",
            "≤ 60 ms", move["median_ms"] <= 60,
        )
        for depth, move in moves.items()
    ]  # fmt: skip


def chapters(build: pathlib.Path = ROOT / "_build") -> list[dict]:
    """B9, B10: what the book's build took, and each chapter in it, as the build itself wrote down."""
    costs, times = build / "executed" / "costs.json", build / "times.json"
    if not costs.exists():
        sys.exit("The book has not been built: run make book first.")
    results, times = [], json.loads(times.read_text()) if times.exists() else {}
    for name, cost in sorted(json.loads(costs.read_text()).items()):
        chapter, seconds, peak = name.removesuffix(".ipynb"), cost["execution_seconds"], cost["peak_bytes"]
        results.append(fact("B9", f"{chapter}, beside others", f"{seconds:.0f} s", "", True))
        if peak:  # some systems do not tell
            results.append(fact("B10", f"{chapter}, peak memory", f"{peak / 1e6:.0f} MB", "≤ 1500 MB", peak <= 1.5e9))
    for kind, target in (("cold", 600), ("warm", 60)):
        name, took = f"the whole build, {kind}", times.get(kind)
        if took:
            result = f"{took['seconds']:.0f} s on {took['cores']} cores"
            results.append(fact("B9", name, result, f"≤ {target} s", took["seconds"] <= target))
        else:
            results.append(fact("B9", name, "not measured: make book", f"≤ {target} s", False))
    return results


def prepare_peers() -> None:
    """An environment for the peers, with the lock's JAX, so that the course's lock stays small."""
    if not PEERS_PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS_PYTHON.parent.parent], check=True)
    if subprocess.run([PEERS_PYTHON, "-c", "import torch, equinox, optax, sklearn"], capture_output=True).returncode:
        wanted = ["torch", "equinox", "jax", "optax", "scikit-learn", "tqdm", "matplotlib"]
        pip = [PEERS_PYTHON, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "requirements.txt"]
        subprocess.run([*pip, *wanted], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5, help="repetitions of each row (default 5)")
    ids = sorted({row.id for row in ROWS} | {"B4", "B7", "B9"})
    parser.add_argument("--only", nargs="+", choices=ids, help="these rows")
    arguments = parser.parse_args()
    wanted = lambda id: not arguments.only or id in arguments.only
    described = machine()
    print(", ".join(f"{name} {value}" for name, value in described.items()), flush=True)

    def tell(*some):
        print(*map(told, some), sep="\n", flush=True)
        if arguments.n >= ENOUGH:
            keep(described, some)

    prepare_peers()
    for row in ROWS:
        if wanted(row.id):
            result = compare(row, arguments.n)
            tell(result)
            if row.peer == "grid_torch":
                peak = result["peak_mb"]
                tell(fact("B1", "grid, peak memory", f"{peak:.0f} MB", "≤ 400 MB", peak <= 400))
    if wanted("B3"):
        tell(*explorer_moves())
    if wanted("B4"):
        tell(persistent_cache(arguments.n))
    if wanted("B7"):
        tell(eight_devices())
    if wanted("B9"):
        tell(*chapters())
    if arguments.only:
        return 0
    print("Chapters, with Colab's versions, one at a time on all cores:", flush=True)
    subprocess.run([COLAB_PYTHON, HERE / "chapters.py"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
