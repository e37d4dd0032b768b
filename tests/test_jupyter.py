"""Explorers in JupyterLab 4 and Notebook 7, in a real browser: sliders move the picture, and the kernel answers between grid points."""

import contextlib
import csv
import functools
import json
import os
import pathlib
import re
import subprocess
import time

import nbformat
import numpy as np
import optax
import pytest
from playwright.sync_api import TimeoutError
from site_pages import DRAWN

import course_utils

pytestmark = [pytest.mark.slow, pytest.mark.site, pytest.mark.lock]
ROOT = pathlib.Path(__file__).resolve().parent.parent
JUPYTER = ROOT / ".venv-nbgrader" / "bin" / "jupyter"
CHAPTER = ROOT / "chapters" / "04_weight_initialization.ipynb"  # it has both explorers
FRONT_ENDS = {"JupyterLab": ("4.", "lab/tree/"), "Jupyter Notebook": ("7.", "notebooks/")}


def cut_chapter():
    """The chapter with no cells but set-up, imports, and its two explorers."""
    notebook = nbformat.read(CHAPTER, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [*code[:2], *(cell for cell in code[2:] if "Explorer(" in cell.source)]
    assert len(notebook.cells) == 4
    return notebook


@pytest.fixture(scope="module")
def asked():
    """What the chapter asks of its explorers: two dictionaries of arguments."""
    calls = []
    record = lambda config, **options: calls.append({"config": config, **options})
    names = {name: getattr(course_utils, name) for name in course_utils._MODULE_OF}
    names |= {"np": np, "optax": optax, "GradientExplorer": record, "TrainingExplorer": record, "display": lambda _: None}
    for cell in cut_chapter().cells[2:]:
        exec(cell.source, names)
    return calls


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server that serves both front ends: its address, and its empty folder."""
    assert JUPYTER.exists(), f"The tests of Jupyter need {JUPYTER.parent.parent.name}: `make test` makes it"
    home = tmp_path_factory.mktemp("home")
    (home / "work").mkdir()
    reader = {name: value for name, value in os.environ.items() if name not in ("COURSE_BUILD", "MPLBACKEND", "XLA_FLAGS")}
    environment = {
        **reader, "HOME": str(home), "JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_RUNTIME_DIR": str(home / "run"),
        "COURSE_UTILS_CACHE": str(home / "cache"), "PATH": f"{JUPYTER.parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    command = [JUPYTER, "server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token="]
    # Should this process be killed, the server ends itself.
    command += ["--MappingKernelManager.cull_idle_timeout=600", "--ServerApp.shutdown_no_activity_timeout=600"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=home / "work", env=environment, stdout=log, stderr=log)
    try:
        yield _address(server, home), home / "work"
    finally:
        server.terminate()  # it ends its kernels first
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def _address(server, home):
    """The address that the server writes down once it listens."""
    for _ in range(300):
        for file in (home / "run").glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                return json.loads(file.read_text())["url"]
        assert server.poll() is None, (home / "log").read_text()
        time.sleep(0.1)
    raise AssertionError((home / "log").read_text())


@pytest.fixture(scope="module", params=FRONT_ENDS)
def page(request, jupyter, browser):
    """The chapter in a front end, all of its cells run from the menu. At the end the course's code may not have complained."""
    (address, folder), notebook = jupyter, f"{request.param}.ipynb"
    nbformat.write(cut_chapter(), folder / notebook)
    complaints = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    # The explorers' module is loaded from a blob; the front ends' own files have addresses, and errors of their own.
    ours = lambda where, what: complaints.append(what) if "blob:" in where else None
    page.on("pageerror", lambda error: ours(error.stack or "", str(error)))
    page.on("console", lambda m: ours(m.text + m.location["url"], m.text) if m.type in ("error", "warning") else None)
    version, path = FRONT_ENDS[request.param]
    page.goto(f"{address}{path}{notebook}")
    about = json.loads(page.locator("#jupyter-config-data").text_content())
    assert (about["appName"], about["appVersion"][:2]) == (request.param, version)
    run_all(page, address, notebook)
    failed = page.locator("[data-mime-type*=error]")
    page.locator(".ug-training").or_(failed).first.wait_for(state="attached", timeout=180_000)  # training takes a while
    assert failed.all_inner_texts() == []
    yield page
    context.close()
    assert complaints == []


def run_all(page, address, notebook):
    """From the menu, once the notebook's kernel listens: the front ends drop what comes before, or ask for a kernel."""
    for _ in range(300):
        sessions = page.request.get(f"{address}api/sessions").json()
        kernels = [session["kernel"] for session in sessions if session["path"] == notebook]
        if any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels):
            break
        page.wait_for_timeout(200)
    taken = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]"))
    for _ in range(20):
        choose(page, "Run", "runmenu:run-all")
        with contextlib.suppress(TimeoutError):
            return taken.first.wait_for(state="attached", timeout=5000)
    raise AssertionError(f"no kernel took the cells: {kernels}")


def choose(page, menu, command):
    page.locator(".lm-MenuBar-item", has_text=menu).click()
    page.locator(f'.lm-Menu-item[data-command="{command}"]').click()


class Explorer:
    """An explorer on the page: its picture, and the handles and the map that move it."""

    def __init__(self, page, kind):
        self.page, self.root = page, page.locator(f".ug-{kind}")
        box = page.locator(".widget-vbox", has=self.root)
        self.depth, self.scale = (box.locator(".noUi-handle").nth(i) for i in range(2))
        self.map, self.sentence = self.root.locator(".ug-map").first, self.root.locator(".ug-sentence")

    def press(self, where, *keys):
        where.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def click_corner(self):
        """The deepest network at the largest weight scale."""
        self.map.scroll_into_view_if_needed()
        box = self.map.bounding_box()
        self.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 5)

    def drag(self, handle, pixels):
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + pixels, y, steps=5)
        self.page.mouse.up()

    def shows(self, depth, scale, source):
        """What is drawn, once it is drawn for that place and from that source: measured, nearest measured or live."""
        for _ in range(100):
            drawn = self.root.evaluate(DRAWN)
            if (drawn["depth"], drawn["source"]) == (depth, source) and drawn["scale"] == pytest.approx(scale):
                break
            self.page.wait_for_timeout(100)
        assert (drawn["depth"], drawn["source"]) == (depth, source) and drawn["scale"] == pytest.approx(scale)
        self.page.wait_for_timeout(150)  # the words come after the picture
        said = self.sentence.text_content()
        assert said.startswith(f"Depth {depth}, σ_w = {float(f'{scale:.3g}'):g}")
        assert ("Computed just now." in said, "nearest place" in said) == (source == "live", source == "nearest")
        return drawn


def shows_gradients(explorer, asked, depth, scale, source):
    """Both networks' gradients as this process computes them."""
    drawn, digits = explorer.shows(depth, scale, source), course_utils.load_digits()
    compared = explorer.root.locator(".ug-curve > svg .ug-compare .ug-mark").evaluate("marks => marks.numbers")
    for network, found in ((asked["config"], drawn["gradient"]), (asked["compare"], compared)):
        place = {"depths": [depth], "weight_scales": [scale], "seeds": asked["seeds"]}
        sweep = course_utils.sweep_gradient_norms(network, digits.inputs[:256], digits.labels[:256], **place)
        np.testing.assert_allclose(found, np.median(sweep.weight_gradient[0, 0], 0), atol=1e-3)


def shows_losses(explorer, asked, depth, scale, source):
    """Both networks' losses as this process computes them."""
    drawn = explorer.shows(depth, scale, source)
    for kind, network in (("gradient", asked["config"]), ("signal", asked["compare"])):
        plan = {"optimizer": asked["optimizer"], "steps": 100, "batch_size": 64, "seeds": asked["seeds"]}
        place = {"depths": [depth], "weight_scales": [scale]}
        loss = course_utils.sweep_training(network, course_utils.load_digits(), **place, **plan).loss[0, 0]
        points = [np.median(loss[:, block].mean(1)) for block in np.array_split(np.arange(100), 40)]
        np.testing.assert_allclose(drawn[kind], points, rtol=0.02)


def middle(scales):
    """Where σ_w = 1."""
    return int(np.argmin(np.abs(np.log(scales))))


def test_a_gradient_explorer_moves_with_keys_and_mouse_and_computes_live_between_grid_points(page, asked):
    explorer, depths, scales = Explorer(page, "gradients"), asked[0]["depths"], asked[0]["weight_scales"]
    start = asked[0]["config"].depth
    shows = functools.partial(shows_gradients, explorer, asked[0])
    s, quarter = middle(scales), (scales[1] / scales[0]) ** 0.25  # a slider's step, of the way to the next grid point

    shows(start, scales[s], "grid")
    explorer.press(explorer.scale, "ArrowRight")
    shows(start, scales[s] * quarter, "live")
    explorer.press(explorer.depth, "ArrowDown", "ArrowLeft")
    shows(start - 2, scales[s] * quarter, "live")
    explorer.press(explorer.map, "ArrowRight", "ArrowUp")
    shows(start - 1, scales[s + 1], "grid")
    explorer.drag(explorer.scale, 8)  # pixels: one step
    shows(start - 1, scales[s + 1] * quarter, "live")
    explorer.drag(explorer.depth, -400)  # past the slider's end
    shows(depths[0], scales[s + 1] * quarter, "live")
    explorer.click_corner()
    shows(depths[-1], scales[-1], "grid")


def test_a_place_computed_live_can_be_saved_and_left_by_reset(page, asked, tmp_path):
    explorer, start = Explorer(page, "gradients"), asked[0]["config"].depth
    tool = lambda name: explorer.root.get_by_role("button", name=name, exact=True)
    tool("Reset").click()
    scales = asked[0]["weight_scales"]
    s, quarter = middle(scales), (scales[1] / scales[0]) ** 0.25
    explorer.shows(start, scales[s], "grid")
    explorer.press(explorer.scale, "ArrowRight")
    drawn = explorer.shows(start, scales[s] * quarter, "live")
    with page.expect_download() as download:
        tool("CSV").click()
    download.value.save_as(tmp_path / "live.csv")
    rows = list(csv.DictReader((tmp_path / "live.csv").open(encoding="utf-8", newline="")))
    assert {(row["depth"], row["source"]) for row in rows} == {(str(start), "computed live")}
    np.testing.assert_allclose([float(row["log10 of the weight gradient's norm: median over seeds"]) for row in rows], drawn["gradient"])
    tool("Play σ_w").click()
    explorer.press(explorer.scale, "ArrowLeft")  # stops it
    assert explorer.root.get_attribute("data-playing") == ""
    tool("Reset").click()
    explorer.shows(start, scales[s], "grid")
    assert tool("Copy link").count() == 0  # a notebook has no address to share


def test_a_training_explorer_moves_with_keys_and_mouse_and_shows_the_nearest_trained_network(page, asked):
    explorer, depths, scales = Explorer(page, "training"), asked[1]["depths"], asked[1]["weight_scales"]
    shows = functools.partial(shows_losses, explorer, asked[1])
    s, d = middle(scales), depths.index(asked[1]["config"].depth)

    shows(depths[d], scales[s], "grid")
    explorer.press(explorer.depth, "ArrowRight", "ArrowUp")  # no network of that depth was trained
    shows(depths[d], scales[s], "nearest")
    explorer.press(explorer.scale, "ArrowLeft")
    shows(depths[d], scales[s - 1], "nearest")
    explorer.press(explorer.map, "ArrowUp", "ArrowRight")
    shows(depths[d + 1], scales[s], "grid")
    explorer.drag(explorer.depth, -400)
    shows(depths[0], scales[s], "grid")


def test_without_its_kernel_a_picture_goes_on_with_what_it_carries(page, asked):
    explorer, depths, scales = Explorer(page, "gradients"), asked[0]["depths"], asked[0]["weight_scales"]
    shows = functools.partial(shows_gradients, explorer, asked[0])
    choose(page, "Kernel", "kernelmenu:restart")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jupyter-widgets-disconnected").first.wait_for(state="attached")
    explorer.click_corner()
    shows(depths[-1], scales[-1], "grid")
    explorer.press(explorer.depth, "ArrowLeft")
    shows(depths[-2], scales[-1], "grid")
    explorer.press(explorer.scale, "ArrowLeft")
    shows(depths[-2], scales[-1], "nearest")
