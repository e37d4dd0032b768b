"""What a site says of its own address: here, in a fork that edits nothing, and in one that edits one line."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from course_utils.grading.set_up import is_set_up, package_at, set_up_source

pytestmark = [pytest.mark.slow, pytest.mark.lock]
ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PUBLISHING = ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "GITHUB_SHA", "CI_PROJECT_URL", "CI_COMMIT_SHA", "CI_PAGES_URL", "SITE_URL")
CHAPTER = "02_vanishing_gradients"
TABLE = "format: jb-book\nroot: chapters/intro\nchapters:\n- file: chapters/{chapter}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Builds a copy of the book with a page of prose and the head of one chapter, in a publisher's surroundings."""
    book = tmp_path_factory.mktemp("fork")
    shutil.copytree(ROOT / "assets", book / "assets", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(ROOT / "_config.yml", book)
    (book / "_toc.yml").write_text(TABLE.format(chapter=CHAPTER))
    (book / "chapters").mkdir()
    (book / "chapters" / "intro.md").write_text("# Intro\n\nHello.\n")
    chapter = nbformat.read(ROOT / "chapters" / f"{CHAPTER}.ipynb", as_version=4)
    set_up = next(i for i, cell in enumerate(chapter.cells) if is_set_up(cell))
    chapter.cells = [chapter.cells[0], chapter.cells[set_up], nbformat.v4.new_markdown_cell("Then [diagnosis](02_vanishing_gradients.ipynb).")]
    nbformat.write(chapter, book / "chapters" / f"{CHAPTER}.ipynb")

    def build(line='url: ""', **surroundings):
        config = (ROOT / "_config.yml").read_text()
        (book / "_config.yml").write_text(re.sub(r'url: ".*"', line, config, count=1))
        variables = {name: value for name, value in os.environ.items() if name not in PUBLISHING} | surroundings | {"XLA_FLAGS": ""}
        command = [sys.executable, ROOT / "tools" / "build_book.py", "--source", book]
        run = subprocess.run(command, capture_output=True, text=True, env=variables)
        assert run.returncode == 0, run.stdout + run.stderr
        return book / "_build"

    return build


def page_of(build):
    return (build / "html" / "chapters" / f"{CHAPTER}.html").read_text(encoding="utf-8")


def test_a_fork_names_itself_with_nothing_edited(built):
    build = built(GITHUB_REPOSITORY="fork-er/my.course", GITHUB_SERVER_URL="https://github.com", GITHUB_SHA=COMMIT)
    page, own = page_of(build), "https://github.com/fork-er/my.course"
    (button,) = re.findall(r'href="(https://colab[^"]+)"', page)
    assert button == f"https://colab.research.google.com/github/fork-er/my.course/blob/notebooks/chapters/{CHAPTER}.ipynb"
    opened = build / "notebooks" / "chapters" / f"{CHAPTER}.ipynb"  # what that button leads to, once pushed
    for path, source in ((opened, package_at(own, COMMIT)), (build / "book" / "chapters" / opened.name, package_at(own, COMMIT))):
        (cell,) = filter(is_set_up, nbformat.read(path, as_version=4).cells)
        assert cell.source == set_up_source(source)
    assert f"{own}@{COMMIT}" in re.sub(r"<[^>]+>", "", page)
    text = json.dumps(json.loads(opened.read_text()))
    assert "](https://colab.research.google.com/github/fork-er/my.course/blob/notebooks/chapters/02" in text
    addresses = {part for name in (opened, build / "html" / "chapters" / f"{CHAPTER}.html") for part in re.findall(r"github\.com/[\w.-]+/[\w.-]+", name.read_text())}
    assert {a for a in addresses if "fork-er/my.course" not in a} == set()
    home = "https://fork-er.github.io/my.course/"
    assert f'<link href="{home}chapters/{CHAPTER}.html" rel="canonical">' in page and '"@type": "LearningResource"' in page
    assert (build / "html" / re.search(rf'content="{home}([^"]+png)"', page)[1]).stat().st_size < 60_000
    assert f"<loc>{home}chapters/{CHAPTER}.html</loc>" in (build / "html" / "sitemap.xml").read_text()
    assert f"Sitemap: {home}sitemap.xml" in (build / "html" / "robots.txt").read_text()


def test_another_commit_runs_no_chapter_again_and_pins_the_new_one(built):
    built(GITHUB_REPOSITORY="a/b", GITHUB_SHA=COMMIT)
    build = built(GITHUB_REPOSITORY="a/b", GITHUB_SHA=COMMIT[::-1])
    assert f"a/b@{COMMIT[::-1]}" in page_of(build) and COMMIT not in page_of(build)
    assert not (build / "executed" / f"{CHAPTER}.log").exists()


def test_one_edited_line_is_enough(built):
    build = built('url: "https://github.com/school/course"')
    assert "github/school/course/blob/notebooks/" in page_of(build)
    assert "git+https://github.com/school/course@v" in page_of(build)


def test_elsewhere_than_on_github_there_is_no_button_for_colab(built):
    build = built(CI_PROJECT_URL="https://gitlab.com/school/group/course", CI_COMMIT_SHA=COMMIT)
    assert "colab.research" not in page_of(build) and not (build / "notebooks").exists()
    assert f"git+https://gitlab.com/school/group/course@{COMMIT}" in page_of(build)


def test_without_an_address_nothing_points_at_a_made_up_one(built):
    build = built()
    for path in [*(build / "html").rglob("*.html"), *(build / "html" / "_sources").rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert "colab.research" not in text and "git+http" not in text and "OWNER" not in text, path
        assert "canonical" not in text and "og:" not in text and "ld+json" not in text, path
    assert not [name for name in ("sitemap.xml", "robots.txt", "_static/cards") if (build / "html" / name).exists()]
    assert not (build / "notebooks").exists()


def test_the_download_button_gives_the_self_contained_chapter(built):
    build = built(GITHUB_REPOSITORY="a/b", GITHUB_SHA=COMMIT)
    (link,) = set(re.findall(r'href="([^"]*_sources/[^"]+)"', page_of(build)))
    notebook = nbformat.read((build / "html" / "chapters" / link).resolve(), as_version=4)
    given = nbformat.read(build.parent / "chapters" / f"{CHAPTER}.ipynb", as_version=4)
    assert [cell.id for cell in notebook.cells if cell.id != "carried-package"] == [cell.id for cell in given.cells]
    (wheel,) = (build / "html" / "_static").glob("course_utils-*.whl")
    (carried,) = [cell for cell in notebook.cells if cell.id == "carried-package"]
    assert wheel.name in carried.source and len(carried.source) > wheel.stat().st_size
