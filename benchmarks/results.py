"""The benchmarks' results: as lines on the terminal, and kept in results.json, results.md and results.svg."""

import datetime
import json
import os
import pathlib
import platform

from workloads import GRID

HERE = pathlib.Path(__file__).resolve().parent


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
    return {"processor": processor, "cores": os.cpu_count(), "python": platform.python_version(), **versions}


def keep(described: dict, some: list[dict], folder: pathlib.Path = HERE) -> None:
    """Write results into the files, in the place of those of the same name; those of another machine go."""
    file, today = folder / "results.json", datetime.date.today().isoformat()
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    results = {(result["id"], result["name"]): result for result in held.get("results", ()) if held["machine"] == described}
    results |= {(result["id"], result["name"]): {**result, "date": today} for result in some}
    ordered = sorted(results.values(), key=lambda result: result["id"])
    text = json.dumps({"machine": described, "results": ordered}, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    (folder / "results.md").write_text(as_markdown(described, ordered), encoding="utf-8")
    draw(ordered, folder / "results.svg")


def as_markdown(described: dict, results: list[dict]) -> str:
    """The page of results."""
    depths, scales, seeds, batch = (GRID[name] for name in ("depths", "weight_scales", "seeds", "batch"))
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`: {described['processor']}, {described['cores']} cores, Python "
        f"{described['python']}, JAX {described['jax']}, NumPy {described['numpy']}, optax {described['optax']}.",
        "",
        "Width 64, float32, tanh. Each measurement is a fresh process on one pinned core with one thread, in CPU seconds without "
        "imports; ours and the peer's take turns. Figures are ratios of medians; brackets hold the least and largest ratio of "
        f"two neighbouring runs. The grid has {depths} depths up to 100, {scales} weight scales, {seeds} seeds and batches of {batch}. "
        "Where the target says ≤, the figure is ours / peer, else peer / ours. The last row is the machine's noise.",
        "",
        "![The ratios](results.svg)",
        "",
        "| id | what | figure | target | | ours | peer | on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        times = [f"{result[side]:.3g} s" if side in result else "" for side in ("ours_s", "peer_s")]
        memory = f", {result['peak_mb']:.0f} MB" if result.get("peak_mb") else ""
        met = "met" if result["met"] else "**missed**"
        lines.append(
            f"| {result['id']} | {result['name']} | {value_of(result)}{memory} | {result['target']} | {met} | {' | '.join(times)} | {result['date']} |"
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
    low, high = ax.get_xlim()
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    figure.savefig(path, metadata={"Date": None})
