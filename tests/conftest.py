"""Every test runs as the build does: strict claims, no progress bars, rank promotion an error, shapes checked."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ["COURSE_BUILD"] = "1"
# Tests compute what they test: nothing comes from the user's cache.
os.environ["COURSE_UTILS_CACHE"] = tempfile.mkdtemp()
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
os.environ.setdefault("MPLBACKEND", "agg")
# Eight simulated devices, so that sharding is tested on any machine.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_rank_promotion", "raise")
with install_import_hook("course_utils", "beartype.beartype"):
    import course_utils.claims_table
    import course_utils.diagnosis
    import course_utils.explorer
    import course_utils.recording
    import course_utils.training_explorer
    import course_utils.training_sweep

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))


@pytest.fixture(scope="session")
def digits():
    return course_utils.load_digits()


@pytest.fixture
def as_a_reader():
    """Without the tests' type checks, which would stop a wrong argument before the package's own checks see it."""
    from jaxtyping import config

    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def x64():
    """Double precision, for what must hold exactly."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The built site's folder; built now, or reused where nothing changed. Workers side by side share one build."""
    html = ROOT / "_build" / "html"
    folder = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    with (folder / "site.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            build = subprocess.run(
                [sys.executable, ROOT / "tools" / "build_book.py"], capture_output=True, text=True,
                env={**os.environ, "XLA_FLAGS": ""},
            )  # fmt: skip
            assert build.returncode == 0, build.stdout[-3000:] + build.stderr[-3000:]
            lock.write("built")
    return html


@pytest.fixture(scope="session")
def remote(tmp_path_factory):
    """What a set-up cell installs from: a git repository with the package as it stands here, at its one commit."""
    folder = tmp_path_factory.mktemp("remote")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    git = ["git", "-C", folder, "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "The package"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    return f"git+{folder.as_uri()}@{commit.strip()}"


# Frames as fast as they are drawn: a test that waits for a thousand of them need not wait for a screen.
UNTHROTTLED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    from browser import chromium

    with chromium(*UNTHROTTLED) as browser:
        yield browser


@pytest.fixture(scope="session")
def address(site):
    """Where a server of this test run serves the site."""
    from audit.server import serve

    with serve(site) as base:
        yield base


@pytest.fixture
def open_page(browser, address):
    """Opens a page of the site; at the end, nothing may have failed, complained or left the site."""
    from audit.visit import watch
    from site_pages import ALIVE

    contexts, seen = [], []

    def open_it(name, base=address, **options):
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        seen.append(watch(page, base))
        page.goto(base + name, wait_until="load")
        if name in ALIVE and options.get("java_script_enabled", True):
            page.evaluate("dispatchEvent(new Event('beforeprint'))")  # wakes the explorers far down the page
            page.wait_for_selector("html[data-widgets=ready]", timeout=20_000)
            page.wait_for_function("document.querySelector('.ug-curve > svg .ug-mark')")
        return page

    yield open_it
    for context in contexts:
        for page in context.pages:
            page.wait_for_load_state("networkidle")
    found = [complaint for page in seen for complaint in page]  # before the contexts close, which cuts short what is still on its way
    for context in contexts:
        context.close()
    assert found == []
