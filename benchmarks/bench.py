"""Speed and memory, as ratios to a peer from one interleaved run.

    make bench                                     all rows, into benchmarks/results.md, results.json and results.svg
    python benchmarks/bench.py --only B3 B8 -n 3   some rows, fewer repetitions, printed only

Every measurement is a fresh process pinned to one core with one thread. Times are CPU seconds of the work without imports,
medians over the repetitions; ours and the peer's take turns. A ratio's spread is the least and largest ratio of two
neighbouring runs. The machine's noise is what our own workload gives against itself.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from workloads import GRID, MOVES

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = pathlib.Path(__file__).resolve().parent
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
COLAB_PYTHON = ROOT / ".venv-colab" / "bin" / "python"
PEERS = ("torch", "equinox")  # beside the lock, in an environment of their own
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
    Row("B1", "grid / the bound by operations", "grid_ours", "grid_bound", 0.65),
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


# ---- telling ---------------------------------------------------------------------------------------------------------


def value_of(result: dict) -> str:
    """A result's figure with its spread."""
    if "value" in result:
        return result["value"]
    low, high = result["spread"]
    return f"{result['ratio']:.2f} ({low:.2f} to {high:.2f})"


def told(result: dict) -> str:
    """A result as a line on the terminal."""
    times = f"{result['ours_s']:8.3f} s, peer {result['peer_s']:8.3f} s" if "ours_s" in result else ""
    return f"{result['id']:4} {result['name']:52} {value_of(result):24} {result['target']:14} {'met' if result['met'] else 'MISSED':7} {times}"


def machine() -> dict:
    """What the figures depend on."""
    import importlib.metadata as metadata

    processor = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    versions = {name: metadata.version(name) for name in ("jax", "numpy", "optax")}
    date = datetime.date.today().isoformat()
    return {"date": date, "processor": processor, "cores": os.cpu_count(), "python": platform.python_version(), **versions}


def as_markdown(described: dict, results: list[dict]) -> str:
    """The page of results."""
    depths, scales, seeds, batch = (GRID[name] for name in ("depths", "weight_scales", "seeds", "batch"))
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {described['date']}: {described['processor']}, {described['cores']} cores, Python "
        f"{described['python']}, JAX {described['jax']}, NumPy {described['numpy']}, optax {described['optax']}.",
        "",
        "Width 64, float32, tanh. Each measurement is a fresh process on one pinned core with one thread, in CPU seconds without "
        "imports; ours and the peer's take turns. Figures are ratios of medians; brackets hold the least and largest ratio of "
        f"two neighbouring runs. The grid has {depths} depths up to 100, {scales} weight scales, {seeds} seeds and batches of {batch}. "
        "Where the target says ≤, the figure is ours / peer, else peer / ours.",
        "",
        "![The ratios](results.svg)",
        "",
        "| id | what | figure | target | | ours | peer |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        times = [f"{result[side]:.3g} s" if side in result else "" for side in ("ours_s", "peer_s")]
        memory = f", {result['peak_mb']:.0f} MB" if result.get("peak_mb") else ""
        met = "met" if result["met"] else "**missed**"
        lines.append(
            f"| {result['id']} | {result['name']} | {value_of(result)}{memory} | {result['target']} | {met} | {' | '.join(times)} |"
        )
    return "\n".join([*lines, "", "On an accelerator: [accelerator.md](accelerator.md).", ""])


def draw(results: list[dict], path: pathlib.Path) -> None:
    """How many times longer each peer takes, with its spread."""
    import matplotlib.pyplot as plt

    from course_utils import use_course_style

    use_course_style()
    rows = [result for result in results if "ratio" in result][::-1]
    upside = lambda result, ratio: 1 / ratio if result["target"].startswith("≤") else ratio
    figure, ax = plt.subplots(figsize=(7, 0.36 * len(rows) + 1))
    for place, result in enumerate(rows):
        ratio = upside(result, result["ratio"])
        spread = sorted(upside(result, one) for one in result["spread"])
        target = upside(result, float(result["target"].split()[1]))
        ax.plot(spread, [place] * 2, color="#0072B2", marker="", linewidth=2)
        ax.plot(ratio, place, color="#0072B2", marker="o")
        ax.plot(target, place, color="#D55E00", marker="|", markersize=12)
    ax.set(xscale="log", xlabel="peer's time / ours; the bar is the target", yticks=range(len(rows)))
    ax.set_yticklabels([f"{result['id']} {result['name']}" for result in rows], fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5, help="repetitions of each row (default 5)")
    ids = sorted({row.id for row in ROWS} | {"B4", "B7", "B9"})
    parser.add_argument("--only", nargs="+", choices=ids, help="these rows; nothing is written")
    arguments = parser.parse_args()
    wanted = lambda id: not arguments.only or id in arguments.only
    described, results = machine(), []
    print(", ".join(f"{name} {value}" for name, value in described.items()), flush=True)

    def keep(*some):
        results.extend(some)
        print(*map(told, some), sep="\n", flush=True)

    prepare_peers()
    for row in ROWS:
        if wanted(row.id):
            keep(compare(row, arguments.n))
            if row.peer == "grid_torch":
                peak = results[-1]["peak_mb"]
                keep(fact("B1", "grid, peak memory", f"{peak:.0f} MB", "≤ 400 MB", peak <= 400))
    if wanted("B3"):
        keep(*explorer_moves())
    if wanted("B4"):
        keep(persistent_cache(arguments.n))
    if wanted("B7"):
        keep(eight_devices())
    if wanted("B9"):
        keep(*chapters())
    if arguments.only:
        return 0
    (HERE / "results.json").write_text(json.dumps({"machine": described, "results": results}, indent=1, ensure_ascii=False) + "\n")
    (HERE / "results.md").write_text(as_markdown(described, results))
    draw(results, HERE / "results.svg")
    print("Chapters, with Colab's versions, one at a time on all cores:", flush=True)
    subprocess.run([COLAB_PYTHON, HERE / "chapters.py"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
