"""What a sweep over a million configurations costs: the section of CONTRIBUTING.md, its numbers computed from their sources.

    python benchmarks/arithmetic.py     write the section anew

A test holds the section to this. Measured times are read from results.json and accelerator.md.
"""

import json
import pathlib
import re

from workloads import GRID, MITIGATIONS, TRAINING, WIDTH, grid_axes, grid_operations

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
HEADING = "## What a million configurations cost\n"
MILLION = 10**6

# One core of an AMD EPYC: measured by copying 268 MB, and its cache by the data sheet. The rest is in results.json.
CORE = {"bytes_per_s": 35e9, "cache": 32e6}
# Data sheets. Float32 on a TPU is six passes in bfloat16.
H200 = {"flop_per_s": 67e12, "bytes_per_s": 4.8e12}
POD = {"flop_per_s": 256 * 197e12 / 6, "bytes_per_s": 256 * 819e9}


def measured_on_core(row: str, peer: str) -> float:
    """Our seconds in a row of results.json."""
    held = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    return next(result["ours_s"] for result in held["results"] if result["id"] == row and peer in result["name"])


def measured_on_gpu(row: str) -> float:
    """Seconds of a row of accelerator.md."""
    text = (ROOT / "benchmarks" / "accelerator.md").read_text(encoding="utf-8")
    return float(re.search(rf"\| {row}[^|]*\| ([\d.]+) ms", text).group(1)) / 1e3


def norms() -> dict:
    """A layer of a network in the reverse sweep, a network, and a million of them."""
    rows, square = 4 * GRID["batch"] * WIDTH, 4 * WIDTH**2
    flop, moved = 2 * 2 * GRID["batch"] * WIDTH**2, 8 * rows + 3 * square
    depths, scales = grid_axes()
    networks, layers = len(depths) * len(scales) * GRID["seeds"], sum(depths) / len(depths)
    return {
        "layer_flop": flop, "layer_bytes": moved, "networks": networks, "layers": layers,
        "flop": MILLION * grid_operations() / networks, "bytes": MILLION * layers * moved,
        "core_s": MILLION / networks * measured_on_core("B1", "PyTorch"), "gpu_s": MILLION / networks * measured_on_gpu("B1"),
        "result": MILLION * 2 * 4 * max(depths),
    }  # fmt: skip


def trainings() -> dict:
    """A layer in one step, a run, and a million of them."""
    rows, square = 4 * TRAINING["batch_size"] * WIDTH, 4 * WIDTH**2
    flop, moved = 3 * 2 * TRAINING["batch_size"] * WIDTH**2, 11 * rows + 6 * square
    runs = len(MITIGATIONS) * len(TRAINING["depths"]) * len(TRAINING["weight_scales"])
    layers = sum(TRAINING["depths"]) / len(TRAINING["depths"])
    each = MILLION * TRAINING["steps"] * layers
    return {
        "layer_flop": flop, "layer_bytes": moved, "runs": runs, "layers": layers, "flop": each * flop, "bytes": each * moved,
        "core_s": MILLION / runs * measured_on_core("B5", "compiled / PyTorch"), "gpu_s": MILLION / runs * measured_on_gpu("B5"),
        "result": MILLION * 2 * 4 * TRAINING["steps"], "held": 4 * square,
    }  # fmt: skip


def told(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1g} s"


def section() -> str:
    """The section, as it stands in CONTRIBUTING.md."""
    n, t = norms(), trainings()
    intensity = {name: one["layer_flop"] / one["layer_bytes"] for name, one in (("n", n), ("t", t))}
    balance = {name: one["flop_per_s"] / one["bytes_per_s"] for name, one in (("gpu", H200), ("pod", POD))}
    least = lambda one, machine: max(one["flop"] / machine["flop_per_s"], one["bytes"] / machine["bytes_per_s"])
    b, w = GRID["batch"], WIDTH
    return f"""{HEADING}
*Measured*: `make bench` on one core, `accelerator.md` on one H200. *Data sheet*: H200 {H200["flop_per_s"] / 1e12:.0f} TFLOP/s in float32 and {H200["bytes_per_s"] / 1e12:.1f} TB/s; a pod of 256 TPU v5e, each 197 TFLOP/s in bfloat16 (float32 takes six passes) and 819 GB/s. *Derived*: all else, at width {w}. `python benchmarks/arithmetic.py` writes this section.

**Norms**, as in B1: batch {b}, {n["layers"]:.1f} layers on average. A layer of a network costs the reverse sweep two products, 2 · 2 · {b} · {w}² = {n["layer_flop"] / 1e6:.1f} MFLOP. It moves eight arrays of {b} × {w} (post's derivative g, z, dz; ∂loss/∂W h, dz; the next g dz, g; the norm g) and three of {w} × {w} (W, ∂loss/∂W written and read): {n["layer_bytes"] / 1e3:.0f} kB. That is {intensity["n"]:.1f} FLOP a byte. The forward sweep is shared by all depths.

**Trainings**, as in B5: batch {TRAINING["batch_size"]}, {TRAINING["steps"]} steps, {t["layers"]:.1f} layers. A layer costs a step three products, {t["layer_flop"] / 1e6:.1f} MFLOP. It moves eleven arrays of {TRAINING["batch_size"]} × {w} (forward h, z, z, h; post's derivative g, z, dz; ∂loss/∂W h, dz; the next g dz, g) and six of {w} × {w} (W twice, ∂loss/∂W written; the update W, ∂loss/∂W, W): {t["layer_bytes"] / 1e3:.0f} kB, {intensity["t"]:.1f} FLOP a byte.

| a million of | FLOP | bytes, if no array stays in a cache | results | one core, measured | one H200, measured | one H200, at least | pod, at least |
|---|---|---|---|---|---|---|---|
| norms | {n["flop"]:.1e} | {n["bytes"]:.1e} | {n["result"] / 1e9:.1f} GB | {told(n["core_s"])} | {told(n["gpu_s"])} | {told(least(n, H200))} | {told(least(n, POD))} |
| trainings | {t["flop"]:.1e} | {t["bytes"]:.1e} | {t["result"] / 1e9:.1f} GB | {told(t["core_s"])} | {told(t["gpu_s"])} in twelves | {told(least(t, H200))} | {told(least(t, POD))} |

Measured times are B1's and B5's times a million over their {n["networks"]:,} networks and {t["runs"]} runs. *At least* is the larger of FLOP and bytes over what the data sheet gives a second.

- **One core** is bound by operations. A training holds W, ∂loss/∂W, h and z, {t["held"] / 1e3:.0f} kB a layer, so a cache of {CORE["cache"] / 1e6:.0f} MB holds {CORE["cache"] / t["held"]:.0f} layers. Deeper ones come from memory, whose {CORE["bytes_per_s"] / 1e9:.0f} GB/s (measured) allow {intensity["t"] * CORE["bytes_per_s"] / 1e9:.0f} GFLOP/s, and B5 runs at {t["flop"] / t["core_s"] / 1e9:.0f}. Cores that share that memory meet its bound at {intensity["t"] * CORE["bytes_per_s"] / (t["flop"] / t["core_s"]):.0f} of them.
- **One H200** is bound by memory below {balance["gpu"]:.0f} FLOP a byte. Both sweeps lie below; both would leave it at widths of about {w * balance["gpu"] / intensity["n"]:.0f} and {w * balance["gpu"] / intensity["t"]:.0f}, with batches that grow alike. Measured, it is bound by neither but by the launch of small kernels: B1 reaches {n["flop"] / n["gpu_s"] / 1e12:.1f} TFLOP/s, and B5's calls of three runs leave it nearly idle. A million runs would go thousands at a time.
- **A pod** is bound by memory below {balance["pod"]:.0f} FLOP a byte, so by memory. Runs do not talk to one another; only results travel. Compilation and start, a minute or so, would cost more than the sweep.

"""


def placed(text: str) -> str:
    """The page's text with the section in it."""
    before, _, rest = text.partition(HEADING)
    return before + section() + rest[rest.index("\n## ") + 1 :]


if __name__ == "__main__":
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
