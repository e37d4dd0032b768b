"""The site's widget bundle: small, free of hosts, and the same bytes when rebuilt from its lock."""

import gzip
import json
import pathlib
import shutil
import subprocess
import sys

import pytest
from node import environment, program

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"
WIDGETS = ASSETS / "widgets"


def test_size():
    total = sum(
        len(gzip.compress((WIDGETS / name).read_bytes(), 9)) for name in ("widgets.js", "widgets.css")
    )
    assert total <= 140_000


def test_the_lock_names_no_host_and_pins_everything():
    lock = json.loads((WIDGETS / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or package["integrity"], name


def test_notices_name_what_is_bundled():
    notices = (WIDGETS / "THIRD-PARTY-NOTICES.txt").read_text()
    for name in (
        "@jupyter-widgets/base",
        "@jupyter-widgets/controls",
        "@lumino/widgets",
        "jquery",
        "mathjax-full",
        "svgpath",
        "anywidget",
    ):
        assert name in notices


@pytest.mark.slow
@pytest.mark.lock
def test_a_rebuild_gives_the_same_bytes(tmp_path):
    source = tmp_path / "widgets"
    source.mkdir()
    for path in WIDGETS.iterdir():
        if path.is_file() and path.name not in ("widgets.js", "widgets.css", "wake.js", "THIRD-PARTY-NOTICES.txt"):
            shutil.copy(path, source)
    subprocess.run(
        [program("npm"), "ci", "--no-audit", "--no-fund"], cwd=source, env=environment(), check=True, capture_output=True
    )
    amd = pathlib.Path(sys.prefix) / "share" / "jupyter" / "nbextensions" / "anywidget" / "index.js"
    subprocess.run(
        [program("node"), "build.mjs", amd, tmp_path / "out"],
        cwd=source,
        env=environment(),
        check=True,
        capture_output=True,
    )
    built = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in built} == {"widgets.js", "widgets.css", "THIRD-PARTY-NOTICES.txt", "typeset.mjs", "LICENSE"}
    for path in built:
        assert path.read_bytes() == (ASSETS / path.relative_to(tmp_path / "out")).read_bytes(), path.name
    committed = {path.relative_to(ASSETS) for path in (ASSETS / "mathjax").rglob("*") if path.is_file()}
    assert committed <= {path.relative_to(tmp_path / "out") for path in built}
