"""A release: two builds give the same bytes, the archives hold what they should, and every place names one version."""

import email
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import release

import course_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = f"course_utils-{course_utils.__version__}"


def files():
    """What git tracks, or would with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def copy_to(folder, *, mode, time):
    for name in files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(mode)
        os.utime(target, (time, time))


def make_dist(folder, *, umask, **environment):
    """`make dist` there, with this environment's tools instead of one of its own."""
    variables = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    run = subprocess.run(
        ["make", "dist", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/ready"],
        cwd=folder, umask=umask, env={**variables, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two builds in places and under habits as different as they can be: name to bytes each, and the folder of one."""
    here = tmp_path_factory.mktemp("here")
    there = tmp_path_factory.mktemp("there") / "a longer name" / "Unstable Gradients"
    copy_to(here, mode=0o644, time=1_000_000_000)
    copy_to(there, mode=0o600, time=1_700_000_000)
    subprocess.run(["git", "init", "--quiet", here], check=True)
    # What lies about in a folder that is worked in.
    for junk in ("_build/html/index.html", ".venv/lib/x.py", "src/course_utils/__pycache__/x.pyc", "dist/course_utils-0.0.1.tar.gz"):
        (there / junk).parent.mkdir(parents=True, exist_ok=True)
        (there / junk).write_text("junk")
    first = make_dist(here, umask=0o022, TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    second = make_dist(there, umask=0o077, TZ="Pacific/Apia", LC_ALL="C.UTF-8", PYTHONHASHSEED="2", HOME=str(there))
    return first, second, here


def test_two_builds_give_the_same_bytes(built):
    first, second, _ = built
    assert set(first) == {f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"}
    assert first == second


def test_the_source_archive_gives_the_same_wheel(built, tmp_path):
    first, _, here = built
    with tarfile.open(here / "dist" / f"{NAME}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(build, cwd=tmp_path / NAME, check=True, capture_output=True)
    wheel = tmp_path / NAME / "dist" / f"{NAME}-py3-none-any.whl"
    assert wheel.read_bytes() == first[wheel.name]


def test_the_source_archive_holds_the_package_and_nothing_of_the_site(built):
    with tarfile.open(built[2] / "dist" / f"{NAME}.tar.gz") as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    package = {name for name in files() if name.startswith("src/course_utils/")}
    about = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == package | about


def test_the_wheel_holds_every_file_of_the_package(built):
    with zipfile.ZipFile(built[2] / "dist" / f"{NAME}-py3-none-any.whl") as wheel:
        held = {name for name in wheel.namelist() if not name.startswith(f"{NAME}.dist-info/")}
        metadata = email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
        for name in held:
            assert wheel.read(name) == (ROOT / "src" / name).read_bytes(), name
    package = {name.removeprefix("src/") for name in files() if name.startswith("src/course_utils/")}
    assert held == package
    assert {pathlib.PurePath(name).suffix for name in held} >= {".py", ".js", ".css"}
    assert metadata["Version"] == course_utils.__version__


def test_every_place_names_this_version():
    assert list(release.problems()) == []
    assert release.version() == course_utils.__version__
    assert re.match(rf"## {re.escape(course_utils.__version__)}, ", (ROOT / "CHANGELOG.md").read_text().split("\n\n")[1])


@pytest.fixture
def released(tmp_path):
    """A repository whose version 1.2.3 is ready to be released."""
    (tmp_path / "src" / "course_utils").mkdir(parents=True)
    (tmp_path / "src" / "course_utils" / "__init__.py").write_text('"""Says __version__."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3, 2026-12-31\n\n- New.\n\n## 1.2.2, 2026-01-01\n\n- Old.\n")
    (tmp_path / "CITATION.cff").write_text('cff-version: 1.2.0\nversion: "1.2.3"\ndate-released: "2026-12-31"\n')
    return tmp_path


def test_a_release_is_described_by_its_own_changes(released):
    assert list(release.problems(released, "v1.2.3")) == []
    assert release.topmost(released) == ("1.2.3", "2026-12-31", "- New.")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("CHANGELOG.md", "## 1.2.3", "## 1.2.4", "CHANGELOG.md's topmost section is of 1.2.4"),
        ("CHANGELOG.md", "2026-12-31", "unreleased", "calls 1.2.3 unreleased"),
        ("CHANGELOG.md", ", 2026-12-31", "", "where a date like"),
        ("CHANGELOG.md", "2026-12-31", "2026-12-30", "date-released 2026-12-31"),
        ("CITATION.cff", '"1.2.3"', "1.2.2", "CITATION.cff is of 1.2.2"),
        ("CITATION.cff", "date-released", "date-of-release", "date-released None"),
        ("src/course_utils/__init__.py", "1.2.3", "1.3.0", "the tag is v1.2.3, and the version of course_utils is 1.3.0"),
    ],
)
def test_a_release_that_contradicts_itself_is_refused(released, file, old, new, says):
    text = (released / file).read_text()
    assert old in text
    (released / file).write_text(text.replace(old, new))
    assert says in "\n".join(release.problems(released, "v1.2.3"))


def test_the_command_gives_the_notes_or_says_why_not(released):
    (released / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "release.py", released / "tools")
    shutil.copy(ROOT / "Makefile", released)

    def notes(**environment):
        variables = {name: value for name, value in os.environ.items() if name != "TAG"} | environment
        command = ["make", "--silent", "release-notes", f"PYTHON={sys.executable}"]
        return subprocess.run(command, cwd=released, env=variables, capture_output=True, text=True)

    assert notes(TAG="v1.2.3").stdout == notes().stdout == "- New.\n"
    wrong = notes(TAG='v2"; touch harm; $(shell touch harm)')
    assert wrong.returncode and "the tag is v2" in wrong.stderr and not (released / "harm").exists()
