"""`make push-notebooks`: one commit on a branch of its own, and nothing of the caller's touched."""

import os
import pathlib
import shutil
import subprocess
import sys

import push_notebooks
import pytest
from push_notebooks import NotPushed, push

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(folder, *arguments, **environment):
    return subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A clone in the middle of somebody's work, with notebooks to push and a bare remote beside it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{what}", raising=False)
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "course")
    course = tmp_path / "course"
    git(course, "config", "user.name", "Ada")
    git(course, "config", "user.email", "ada@example.org")
    (course / ".gitignore").write_text("/_build/\n")
    (course / "page.md").write_text("old\n")
    git(course, "add", ".")
    git(course, "commit", "--quiet", "-m", "Begin")
    git(course, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    (course / "page.md").write_text("staged\n")
    git(course, "add", "page.md")
    (course / "page.md").write_text("being written\n")
    chapters = course / "_build" / "notebooks" / "chapters"
    chapters.mkdir(parents=True)
    (chapters / "01_one.ipynb").write_bytes(b'{"cells": []}\r\n')
    (chapters / "02 zwei ü.ipynb").write_text("{}", encoding="utf-8")
    (course / "_build" / "notebooks" / "README.md").write_text("Made by make book.\n")
    return course


def pushed(course):
    return git(course, "ls-remote", "origin", "refs/heads/notebooks").split()[0]


def state(course):
    """All that is the caller's: branch, commits, index and working tree."""
    return (
        git(course, "status", "--porcelain=v2", "--branch", "--untracked-files=all"),
        git(course, "diff"), git(course, "diff", "--cached"), git(course, "for-each-ref", "refs/heads", "refs/tags", "refs/stash"),
        (course / "page.md").read_text(), (course / ".git" / "HEAD").read_text(), (course / ".git" / "config").read_text(),
    )  # fmt: skip


def test_the_branch_holds_the_notebooks_in_one_commit(course):
    said, commit = push(course), pushed(course)
    origin = course.parent / "origin.git"
    assert git(origin, "rev-list", "--parents", "notebooks") == commit
    names = git(origin, "ls-tree", "-r", "-z", "--name-only", "notebooks").split("\0")
    assert names == ["README.md", "chapters/01_one.ipynb", "chapters/02 zwei ü.ipynb", ""]
    blob = subprocess.run(["git", "show", "notebooks:chapters/01_one.ipynb"], cwd=origin, capture_output=True, check=True)
    assert blob.stdout == b'{"cells": []}\r\n'
    head = git(course, "rev-parse", "HEAD")
    assert git(origin, "log", "-1", "--format=%an <%ae>|%cn|%s", "notebooks") == f"Ada <ada@example.org>|Ada|Notebooks of {head}"
    assert "2 notebooks" in said and head in said and commit in said


def test_nothing_of_the_callers_is_touched(course):
    before = state(course)
    push(course)
    assert state(course) == before
    push(course)
    assert state(course) == before


def test_the_same_notebooks_are_pushed_once(course):
    push(course)
    first = pushed(course)
    assert first in push(course) and "already" in push(course)
    assert pushed(course) == first


def test_new_notebooks_replace_the_old_ones_and_their_history(course):
    push(course)
    first = pushed(course)
    (course / "_build" / "notebooks" / "chapters" / "01_one.ipynb").unlink()
    push(course)
    origin = course.parent / "origin.git"
    assert pushed(course) != first and git(origin, "rev-list", "--count", "notebooks") == "1"
    assert "01_one" not in git(origin, "ls-tree", "-r", "--name-only", "notebooks")


def test_what_git_is_told_to_change_or_ignore_stays_as_it_is(course):
    """A filter that strips notebooks, line ends that are converted, files that are ignored: all common with notebooks."""
    git(course, "config", "filter.strip.clean", "sed s/cells/stripped/")
    git(course, "config", "core.autocrlf", "input")
    (course / ".git" / "info" / "attributes").write_text("*.ipynb filter=strip\n")
    (course / ".git" / "info" / "exclude").write_text("*.ipynb\n")
    push(course)
    origin = course.parent / "origin.git"
    blob = subprocess.run(["git", "show", "notebooks:chapters/01_one.ipynb"], cwd=origin, capture_output=True, check=True)
    assert blob.stdout == b'{"cells": []}\r\n'


def test_githubs_machines_commit_as_the_bot(course, monkeypatch):
    git(course, "config", "--unset", "user.name")
    git(course, "config", "--unset", "user.email")
    git(course, "config", "user.useConfigOnly", "true")
    with pytest.raises(NotPushed, match="git commit-tree failed"):
        push(course)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    push(course)
    assert git(course.parent / "origin.git", "log", "-1", "--format=%an|%cn", "notebooks") == "|".join(["github-actions[bot]"] * 2)


def test_a_shallow_checkout_like_githubs_pushes_too(course):
    push(course)
    url = f"file://{course.parent / 'origin.git'}"
    git(course.parent, "clone", "--quiet", "--depth", "1", "--branch", "main", url, "shallow")
    shallow = course.parent / "shallow"
    shutil.copytree(course / "_build", shallow / "_build")
    assert "already" in push(shallow)
    (shallow / "_build" / "notebooks" / "README.md").write_text("New.\n")
    git(shallow, "config", "user.name", "Ada")
    git(shallow, "config", "user.email", "ada@example.org")
    push(shallow)
    assert git(course.parent / "origin.git", "show", "notebooks:README.md") == "New."


def test_a_push_by_another_in_between_is_not_overwritten(course, monkeypatch):
    push(course)
    (course / "_build" / "notebooks" / "README.md").write_text("Mine.\n")
    theirs, plain = [], push_notebooks.git

    def with_a_rival(root, *arguments, **more):
        if arguments[0] == "push":
            tree = plain(root, "rev-parse", "HEAD^{tree}")
            theirs.append(plain(root, "commit-tree", tree, "-m", "Theirs"))
            plain(root, "push", "--quiet", "--force", "origin", f"{theirs[0]}:refs/heads/notebooks")
        return plain(root, *arguments, **more)

    monkeypatch.setattr(push_notebooks, "git", with_a_rival)
    with pytest.raises(NotPushed, match="stale info"):
        push(course)
    assert pushed(course) == theirs[0]


@pytest.mark.parametrize("there", [False, True])
def test_without_notebooks_it_says_how_to_get_them(course, there):
    shutil.rmtree(course / "_build" / "notebooks")
    if there:
        (course / "_build" / "notebooks" / "chapters").mkdir(parents=True)
    with pytest.raises(NotPushed, match=r"make book.*address"):
        push(course)
    assert git(course, "ls-remote", "origin", "refs/heads/notebooks") == ""


def test_the_remotes_refusal_is_told_without_a_password(course):
    hook = course.parent / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'branch is locked by https://ada:secret@example.org/course' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(NotPushed, match=r"git push failed:(.|\n)*locked by https://example\.org"):
        push(course)


def test_the_command_answers_in_sentences(course):
    (course / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "push_notebooks.py", course / "tools")
    shutil.copy(ROOT / "Makefile", course)
    run = lambda: subprocess.run(
        ["make", "--silent", "push-notebooks", f"PYTHON={sys.executable} -I"], cwd=course, capture_output=True, text=True
    )
    assert "Pushed 2 notebooks" in run().stdout
    git(course, "remote", "remove", "origin")
    failed = run()
    assert failed.returncode and failed.stderr.startswith("push-notebooks: git ls-remote failed")
    assert "Traceback" not in failed.stderr
