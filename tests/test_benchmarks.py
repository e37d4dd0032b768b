"""The benchmarks' own arithmetic: what they print, from measurements that are made up here."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))


def test_the_page_of_arithmetic_is_what_its_sources_give():
    import arithmetic

    page = arithmetic.PAGE.read_text(encoding="utf-8")
    assert arithmetic.placed(page) == page, "run benchmarks/arithmetic.py"


def test_the_arithmetic_agrees_with_counting_by_hand():
    import arithmetic

    norms, trainings = arithmetic.norms(), arithmetic.trainings()
    assert norms["layer_flop"] == 2 * (2 * 64 * 128 * 64) and trainings["layer_flop"] == 3 * (2 * 64 * 64 * 64)
    assert norms["flop"] == pytest.approx(10**6 / 4000 * 444.6e9, rel=1e-3)  # B1's grid
    assert trainings["flop"] == 10**6 * 150 * 12.5 * trainings["layer_flop"]


def test_the_build_s_rows_say_what_it_wrote_down(tmp_path):
    from bench import Row, chapters, judged

    costs = {"01_one.ipynb": {"execution_seconds": 12.4, "peak_bytes": 2e9}, "02_two.ipynb": {"execution_seconds": 7.0, "peak_bytes": None}}
    with pytest.raises(SystemExit, match="make book"):
        chapters(tmp_path)
    (tmp_path / "executed").mkdir()
    (tmp_path / "executed" / "costs.json").write_text(json.dumps(costs))
    (tmp_path / "times.json").write_text(json.dumps({"cold": {"seconds": 590.2, "cores": 2}}))
    rows = {row["name"]: (row["id"], row["value"], row["met"]) for row in chapters(tmp_path)}
    assert rows == {
        "01_one, beside others": ("B9", "12 s", True),
        "01_one, peak memory": ("B10", "2000 MB", False),
        "02_two, beside others": ("B9", "7 s", True),
        "the whole build, cold": ("B9", "590 s on 2 cores", True),
        "the whole build, warm": ("B9", "not measured: make book", False),
    }
    pairs = [({"seconds": ours}, {"seconds": peer}) for ours, peer in ((1.0, 3.0), (2.0, 5.0), (1.5, 6.0))]
    faster, no_slower = (judged(Row("", "", "", "", target, at_most), pairs) for target, at_most in ((3, False), (0.3, True)))
    assert (faster["ratio"], faster["spread"], faster["met"]) == (5 / 1.5, [2.5, 4.0], True)
    assert (no_slower["ratio"], no_slower["met"]) == (0.3, True)


@pytest.mark.lock
def test_the_build_keeps_its_time_cold_and_warm(tmp_path):
    from build_book import _keep_time

    executed = tmp_path / "executed"
    executed.mkdir()
    kept = lambda: {kind: time["seconds"] for kind, time in json.loads((tmp_path / "times.json").read_text()).items()}
    for name in ("a.ipynb", "b.ipynb", "a.log", "b.log"):
        (executed / name).write_text("")
    _keep_time(tmp_path, 500.0)
    assert kept() == {"cold": 500.0}
    (executed / "b.log").unlink()
    _keep_time(tmp_path, 300.0)  # some chapters ran: neither
    assert kept() == {"cold": 500.0}
    (executed / "a.log").unlink()
    _keep_time(tmp_path, 40.0)
    assert kept() == {"cold": 500.0, "warm": 40.0}


def test_results_are_kept_row_by_row_and_those_of_another_machine_go(tmp_path):
    from results import keep

    here = {"processor": "one", "cores": 2, "python": "3", "jax": "1", "numpy": "2", "optax": "0"}
    there = here | {"jax": "2"}
    row = lambda id, ratio: {
        "id": id, "name": f"row {id}", "ours_s": 1.0, "peer_s": ratio, "ratio": ratio, "spread": [ratio, ratio],
        "target": "≥ 2", "met": ratio >= 2, "peak_mb": None, "runs": 5,
    }  # fmt: skip
    figures = lambda: {r["id"]: r.get("ratio") for r in json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["results"]}
    keep(here, [row("B3", 3.0)], tmp_path)
    keep(here, [row("B1", 1.0), {"id": "B7", "name": "bytes", "value": "the same", "target": "", "met": True}], tmp_path)
    keep(here, [row("B3", 4.0)], tmp_path)
    assert figures() == {"B1": 1.0, "B3": 4.0, "B7": None}
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| B1 | row B1 | 1.00 (1.00 to 1.00) | ≥ 2 | **missed** | 1 s | 1 s |" in page and "| B3 | row B3 | 4.00" in page
    assert (tmp_path / "results.svg").stat().st_size > 1000
    keep(there, [row("B8", 2.0)], tmp_path)
    assert figures() == {"B8": 2.0}
