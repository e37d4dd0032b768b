"""The set-up cell on fresh machines: what it installs, what it leaves alone, and what it says."""

import base64
import json
import os
import pathlib
import re
import subprocess
import time
import zipfile

import address
import nbformat
import pytest
from fresh import NO_ISOLATION, UNREACHABLE, fresh_environment, run_as_a_reader

from course_utils import __version__
from course_utils.grading import cli, set_up
from course_utils.grading.submissions import code_cells

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY = f"course_utils {__version__} is ready.\n"
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("examples/*/*.ipynb")])
pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(tmp_path):
    """Runs a program on a machine without the package, and without a network but where asked."""
    python = fresh_environment(tmp_path / "env")
    (tmp_path / "home").mkdir()

    def run(source, network=False, **variables):
        kept = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
        variables = kept | (variables if network else {**UNREACHABLE, **NO_ISOLATION, **variables})
        return subprocess.run([python, "-c", source], cwd=tmp_path, env=variables, capture_output=True, text=True)

    return run


def distributions(run):
    """Name and version of what pip sees, but for the package."""
    listed = run("import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'list', '--format=freeze', '--exclude=course_utils'])")
    return set(listed.stdout.split())


def wheel_of(folder, name, version, files=(), requires=()):
    """A small wheel, made by hand."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {
            **dict(files or {f"{name}.py": f"__version__ = '{version}'\n"}),
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }.items():
            wheel.writestr(file, text)
    return str(path)


def test_it_installs_the_package_from_a_repository_and_changes_nothing_else(fresh, remote):
    before = distributions(fresh)
    run = fresh(set_up.set_up_source(remote) + "\nimport course_utils; print(course_utils.NetworkConfig(depth=3).depth)")
    assert (run.stdout, run.stderr, run.returncode) == (READY + "3\n", "", 0)
    assert distributions(fresh) == before and len(before) > 20


def test_it_does_nothing_where_the_right_version_is(fresh):
    never = "import subprocess; subprocess.run = None\n"
    package = "import sys, types; sys.modules['course_utils'] = types.ModuleType('course_utils')\n"
    package += f"sys.modules['course_utils'].__version__ = {__version__!r}; sys.modules['course_utils'].__spec__ = 1\n"
    run = fresh(package + never + set_up.set_up_source("git+https://localhost/nowhere"))
    assert (run.stdout, run.stderr) == (READY, "")


def test_it_replaces_another_version_even_one_that_is_already_imported(fresh, remote, tmp_path):
    old = wheel_of(tmp_path, "course_utils", "0.0.1")
    fresh(f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'install', {old!r}])")
    assert fresh("import course_utils; print(course_utils.__version__)").stdout == "0.0.1\n"
    run = fresh("import course_utils\n" + set_up.set_up_source(remote) + "\nimport course_utils; print(course_utils.__version__)")
    assert run.stdout == READY + f"{__version__}\n"


def test_it_would_rather_fail_than_change_an_installed_package(fresh, tmp_path):
    files = {"course_utils.py": f"__version__ = '{__version__}'\n"}
    greedy = wheel_of(tmp_path, "course_utils", __version__, files, ["other>=2"])
    one, _ = wheel_of(tmp_path, "other", "1.0"), wheel_of(tmp_path, "other", "2.0")
    offers = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    fresh(f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'install', {one!r}])", **offers)
    run = fresh(set_up.set_up_source(greedy), **offers)
    assert run.returncode and "conflict" in run.stderr and "could not be installed" in run.stderr
    assert "other==1.0" in distributions(fresh)
    assert fresh("import course_utils").returncode, "what cannot work stays installed"


def test_what_another_package_lacks_is_not_its_business(fresh, tmp_path):
    """As in Colab, where ipython asks for jedi and there is none."""
    files = {"course_utils.py": f"__version__ = '{__version__}'\n"}
    package = wheel_of(tmp_path, "course_utils", __version__, files, ["other>=1"])
    one, _ = wheel_of(tmp_path, "other", "1.0", requires=["absent"]), wheel_of(tmp_path, "absent", "1.0")
    offers = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    fresh(f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'install', '--no-deps', {one!r}])", **offers)
    before = distributions(fresh)
    assert "other==1.0" in before and fresh(set_up.set_up_source(package), **offers).stdout == READY
    assert distributions(fresh) == before


def test_it_installs_a_requirement_that_is_missing(fresh, tmp_path):
    files = {"course_utils.py": f"__version__ = '{__version__}'\n"}
    package = wheel_of(tmp_path, "course_utils", __version__, files, ["other>=2"])
    wheel_of(tmp_path, "other", "2.0")
    run = fresh(set_up.set_up_source(package), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert run.stdout == READY and "other==2.0" in distributions(fresh)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "no public address yet"),
        ("git+https://localhost:9/nobody/nothing@v1", "unable to access"),
        ("git+file:///nowhere@v1", "does not appear to be a git repository"),
    ],
)
def test_it_says_what_went_wrong_and_what_else_there_is(fresh, source, words):
    run = fresh(set_up.set_up_source(source))
    assert run.returncode and run.stdout == "" and words in run.stderr
    said = run.stderr.rstrip().splitlines()
    assert "download" in said[-2] and "pip install ." in said[-1]
    assert "Traceback" not in run.stderr


@pytest.mark.lock
def test_from_a_repository_it_takes_less_than_half_a_minute(fresh, remote):
    """With all that pip does there: a clone, an environment of its own to build in, a download of what builds."""
    proxies = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    start = time.monotonic()
    run = fresh(set_up.set_up_source(remote), network=True, **proxies)
    assert run.stdout == READY, run.stderr
    assert time.monotonic() - start < 30


def test_every_notebook_begins_with_the_same_cell():
    cells = [next(filter(set_up.is_set_up, nbformat.read(path, as_version=4).cells)) for path in NOTEBOOKS]
    assert len(cells) > 11 and len({(cell.source, json.dumps(cell.metadata, sort_keys=True)) for cell in cells}) == 1


def cut(notebook):
    """The notebook up to its first import."""
    last = next(i for i, cell in enumerate(notebook.cells) if "from course_utils import" in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    return notebook


def test_a_self_contained_chapter_runs_without_a_network(tmp_path, capsys):
    out = tmp_path / "chapter.ipynb"
    assert cli.main(["notebook", "2", "--self-contained", "--out", str(out), "--chapters", str(ROOT / "chapters")]) == 0
    assert f"{out}: 02_vanishing_gradients" in capsys.readouterr().out
    notebook = nbformat.read(out, as_version=4)
    nbformat.validate(notebook)
    run_as_a_reader(cut(notebook), timeout=100, offline=True)
    texts = [out.text for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs if "text" in out]
    assert texts == [f"course_utils-{__version__}-py3-none-any.whl is unpacked.\n", READY]


def test_a_self_contained_notebook_is_the_chapter_with_the_wheel_in_a_folded_cell(tmp_path):
    chapter = nbformat.read(ROOT / "chapters" / "02_vanishing_gradients.ipynb", as_version=4)
    wheel = set_up.build_wheel(ROOT, tmp_path)
    notebook = set_up.self_contained(chapter, wheel)
    (carried,) = [cell for cell in notebook.cells if cell.id == "carried-package"]
    assert carried.metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert base64.b64decode(re.search(r'"""(.*?)"""', carried.source, re.DOTALL)[1]) == wheel.read_bytes()
    assert len(nbformat.writes(notebook)) < 500_000
    assert [c.source for c in notebook.cells if c.id != "carried-package" and not set_up.is_set_up(c)] == [
        c.source for c in chapter.cells if not set_up.is_set_up(c)
    ]


def test_the_package_of_another_folder_is_not_mistaken(tmp_path):
    with pytest.raises(ValueError, match=r"is not the course's folder: there is no pyproject.toml"):
        set_up.build_wheel(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99"], "no chapter is called '99'"),
        (["0"], "no chapter is called '0'"),
        (["1"], "01_backpropagation.ipynb is there already"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "01_backpropagation.ipynb").write_text("mine")
    assert cli.main(["notebook", *arguments, "--chapters", str(ROOT / "chapters")]) == 2
    assert words in capsys.readouterr().err
    assert (tmp_path / "01_backpropagation.ipynb").read_text() == "mine"


def test_a_chapter_can_be_handed_out_without_its_solutions(tmp_path):
    out = tmp_path / "c.ipynb"
    cli.main(["notebook", "02_van", "--without-solutions", "--out", str(out), "--chapters", str(ROOT / "chapters")])
    cells = nbformat.read(out, as_version=4).cells
    assert not any("solution" in cell.metadata.get("tags", []) for cell in cells) and any(c.id.startswith("stub-") for c in cells)


def test_an_assignment_can_carry_the_package(tmp_path):
    cli.main(["assign", "vanishing-1", "--title", "Trial", "--out", str(tmp_path / "hw"), "--chapters", str(ROOT / "chapters"), "--self-contained"])  # fmt: skip
    given = nbformat.read(tmp_path / "hw" / "trial.ipynb", as_version=4)
    kinds = [cell.id for cell in given.cells if cell.cell_type == "code"]
    assert kinds[:2] == ["carried-package", "set-up"]
    plain = nbformat.read(tmp_path / "hw" / "pack" / "with_solutions.ipynb", as_version=4)
    chapter = nbformat.read(NOTEBOOKS[0], as_version=4)
    assert next(filter(set_up.is_set_up, plain.cells)).source == next(filter(set_up.is_set_up, chapter.cells)).source
    # The grader runs a student's own cells, and not these two, even where they name another version or source.
    graded = {source for _, source in code_cells(tmp_path / "hw" / "trial.ipynb")}
    assert graded == {cell.source for cell in given.cells if cell.cell_type == "code"} - {given.cells[1].source, given.cells[2].source}


def test_only_unaltered_set_up_cells_are_left_out_of_grading():
    cell = set_up.set_up_source("git+https://example.org/a/b@v9").replace(__version__, "0.0.9")
    assert set_up.only_installs(cell) and set_up.only_installs(cell + "\n")
    assert not set_up.only_installs(cell + "\nanswer = 3")
    assert not set_up.only_installs(cell.replace("import sys", "import sys, numpy"))


def test_links_lead_somewhere_in_colab():
    text = "[a](10_diagnosis.ipynb#signs), [b](notation.md), [c](https://arxiv.org/abs/1), [d](#here), [e](../README.md)"
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("x[0](a)")])
    linked = set_up.with_links_to(chapter, "https://github.com/O/R", "notebooks")
    assert linked.cells[0].source == (
        "[a](https://colab.research.google.com/github/O/R/blob/notebooks/chapters/10_diagnosis.ipynb#signs), "
        "[b](https://github.com/O/R/blob/notebooks/chapters/notation.md), [c](https://arxiv.org/abs/1), [d](#here), "
        "[e](https://github.com/O/R/blob/notebooks/README.md)"
    )
    assert linked.cells[1].source == "x[0](a)" and chapter.cells[0].source == text


def test_the_address_here_stands_the_same_everywhere():
    assert address.differing(address.configured()) == {}, "run `make address`"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of all files that hold the address."""
    for path, _ in address.places(ROOT):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(address, "ROOT", tmp_path)
    monkeypatch.setattr(address, "configured", lambda root=tmp_path, read=address.configured: read(root))
    monkeypatch.setattr(address, "differing", lambda url, root=tmp_path, read=address.differing: read(url, root))
    return tmp_path


def test_one_command_writes_an_address_everywhere_and_takes_it_away(repository, capsys):
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    assert address.main(["--write", "https://github.com/OWNER/REPOSITORY.git/"]) == 0
    for path, _ in address.places(repository):
        assert "https://github.com/OWNER/REPOSITORY" in path.read_text(), path
        assert "REPOSITORY.git" not in path.read_text()
    assert f"git+https://github.com/OWNER/REPOSITORY@v{__version__}" in (repository / "chapters/11_claims.ipynb").read_text()
    assert address.main([]) == 0
    assert address.main(["--write", ""]) == 0
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before
    capsys.readouterr()


def test_a_place_that_differs_is_named(repository, capsys):
    address.main(["--write", "https://github.com/OWNER/REPOSITORY"])
    path = repository / "chapters" / "03_exploding_gradients.ipynb"
    path.write_text(path.read_text().replace("OWNER", "SOMEONE"))
    capsys.readouterr()
    assert address.main([]) == 1
    assert "chapters/03_exploding_gradients.ipynb: differs" in capsys.readouterr().out


@pytest.mark.parametrize("url", ["github.com/a/b", "https://github.com/a", "git@github.com:a/b", "https://github.com/a/b c", "http://x.org/a/b"])
def test_a_wrong_address_is_refused_and_nothing_is_written(repository, url, capsys):
    assert address.main(["--write", url]) == 2
    assert "must look like https://github.com/OWNER/REPOSITORY" in capsys.readouterr().err
    assert address.configured() == ""
