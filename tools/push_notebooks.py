"""Push `_build/notebooks` to the branch that Colab's buttons lead to.

    python tools/push_notebooks.py

The branch holds one commit without a parent, made anew each time: what Colab opens, and no history of it. Neither the
working tree, the index nor the branch of whoever calls it is touched.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BRANCH = "refs/heads/notebooks"
# Who commits on GitHub's machines, where nobody has told git a name.
BOT = {"name": "github-actions[bot]", "email": "41898282+github-actions[bot]@users.noreply.github.com"}


class NotPushed(RuntimeError):
    """What stands in the way, in a sentence for whoever called."""


def git(root: pathlib.Path, *arguments: str, stdin: str = "", **environment: str) -> str:
    """What git prints.

    Raises:
        NotPushed: with git's own words, less any password in an address.
    """
    run = subprocess.run(
        ["git", *arguments], cwd=root, input=stdin,
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    if run.returncode:
        words = re.sub(r"(?<=://)[^/@\s]+@", "", run.stderr.strip())
        raise NotPushed(f"git {arguments[0]} failed:\n{words}")
    return run.stdout.strip()


def tree_of(root: pathlib.Path, folder: pathlib.Path) -> str:
    """Write a folder's files into git's store as they are, whatever git is told to ignore, filter or convert."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = git(root, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin="\n".join(map(str, files)))
    entries = [
        f"100644 {name}\t{path.relative_to(folder).as_posix()}\n"
        for name, path in zip(hashes.split(), files, strict=True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(pathlib.Path(scratch) / "index")}
        git(root, "update-index", "--index-info", stdin="".join(entries), **index)
        return git(root, "write-tree", **index)


def _author() -> dict[str, str]:
    """Nothing where git knows a name or tells how to give one; on GitHub's machines the bot's."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return {}
    return {f"GIT_{role}_{what.upper()}": BOT[what] for role in ("AUTHOR", "COMMITTER") for what in BOT}


def push(root: pathlib.Path = ROOT, remote: str = "origin") -> str:
    """Push ``_build/notebooks`` of ``root``; returns what was done.

    Raises:
        NotPushed: where there is nothing to push, or nowhere to push it to, or the remote refuses.
    """
    folder = root / "_build" / "notebooks"
    if not any(folder.glob("**/*.ipynb")):
        raise NotPushed(
            "_build/notebooks holds no notebooks. `make book` writes them once the course has an address: see "
            "`make address`, or build where GITHUB_REPOSITORY is set."
        )
    tree, source = tree_of(root, folder), git(root, "rev-parse", "HEAD")
    there = git(root, "ls-remote", remote, BRANCH)
    old = there.split()[0] if there else ""
    if old:
        git(root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, BRANCH)
        if git(root, "rev-parse", f"{old}^{{tree}}") == tree:
            return f"The branch notebooks of {remote} holds these notebooks already, in commit {old}."
    commit = git(root, "commit-tree", tree, "-m", f"Notebooks of {source}", **_author())
    # With a lease: whoever pushed since we looked is not overwritten unseen. Empty: the branch must still be missing.
    git(root, "push", "--quiet", f"--force-with-lease={BRANCH}:{old}", remote, f"{commit}:{BRANCH}")
    count = len(list(folder.glob("**/*.ipynb")))
    return f"Pushed {count} notebooks of commit {source} to the branch notebooks of {remote}, as commit {commit}."


if __name__ == "__main__":
    try:
        print(push())
    except NotPushed as why:
        sys.exit(f"push-notebooks: {why}")
