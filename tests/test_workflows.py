"""The workflows: valid, pinned, with the least permissions, and calling the same commands as people do.

Checks read the files' text and structure. Each is shown a planted violation too, and must name it.
"""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
EVENTS = {
    "drift": {"schedule", "workflow_dispatch"},
    "publish": {"push", "workflow_dispatch"},
    "release": {"push"},
    "test": {"pull_request", "push"},
}
# The only jobs that may write, and what.
WRITERS = {
    ("publish", "notebooks"): {"contents"},
    ("publish", "deploy"): {"pages", "id-token"},
    ("release", "publish"): {"contents"},
}
SUPPORTED = ["3.11", "3.12", "3.13"]
# What a step may run beside make: GitHub's own program, messages to GitHub, and what only a machine's owner can do.
ALLOWED = re.compile(
    r"gh auth setup-git|gh release create .*|echo \"(::error|### ).*"
    r"|sudo python3 tools/apt\.py bwrap bubblewrap|sudo sysctl --write kernel\.apparmor_restrict_unprivileged_userns=0"
)
MAKE = re.compile(r"make (?:--silent )?([a-z-]+)(?: [A-Z]+=\w+)?(?: 2>&1 \| sed .* \| tee .*| > notes\.md)?")
PINNED = re.compile(r"uses: (actions/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")


def parsed(text):
    """A workflow with every scalar as text: YAML 1.1 would read `on` as true and 3.10 as a number."""
    return yaml.load(text, yaml.BaseLoader)


def steps(text):
    for job in parsed(text)["jobs"].values():
        yield from job["steps"]


def unpinned(name, text):
    """Actions that are not GitHub's own, or not named by a whole commit hash with its version beside it."""
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s*(- )?uses:", line)]
    pinned = [match for line in lines if (match := PINNED.search(line))]
    used = [step["uses"] for step in steps(text) if "uses" in step]
    yield from (line for line in lines if not PINNED.search(line))
    if sorted(used) != sorted(f"{match[1]}@{match[2]}" for match in pinned):
        yield "uses: written where this test does not see it"


def too_much_permitted(name, text):
    workflow = parsed(text)
    top = workflow.get("permissions")
    if not isinstance(top, dict) or not set(top.values()) <= {"read"}:
        yield f"permissions at the top: {top}"
    for job, body in workflow["jobs"].items():
        given = body.get("permissions", {})
        writes = {what for what, level in given.items() if level != "read"} if isinstance(given, dict) else {given}
        if writes != WRITERS.get((name, job), set()):
            yield f"job {job} may write {sorted(writes)}"


def unknown_commands(name, text):
    """Lines of a step that neither call a target of the Makefile nor are among the few allowed."""
    for line in (line for step in steps(text) for line in step.get("run", "").splitlines()):
        match = MAKE.fullmatch(line)
        if not (match and match[1] in TARGETS) and not ALLOWED.fullmatch(line):
            yield f"run: {line}"


def interpolated(name, text):
    """Expressions inside commands: what they hold would run. Variables of the environment do not."""
    yield from (step["run"] for step in steps(text) if "${{" in step.get("run", ""))


def wrongly_triggered(name, text):
    on = parsed(text)["on"]
    if set(on) != EVENTS[name]:
        yield f"on: {sorted(on)}"
    if "push" in on and on["push"] not in ({"branches": ["main"]}, {"tags": ["v*"]}):
        yield f"on push: {on['push']}: a push to another branch must start nothing"


def unbounded(name, text):
    workflow = parsed(text)
    if "group" not in workflow.get("concurrency", {}):
        yield "no concurrency group"
    yield from (f"job {job} has no timeout" for job, body in workflow["jobs"].items() if "timeout-minutes" not in body)


def leaves_credentials(name, text):
    for step in steps(text):
        if "checkout" in step.get("uses", "") and step.get("with", {}).get("persist-credentials") != "false":
            yield "a checkout leaves its token on disk"


def cached(name, text):
    """What is published comes from no cache; pull requests can write some."""
    if name in ("publish", "release") and re.search(r"^\s+(- )?uses: actions/cache|^\s+cache:", text, re.MULTILINE):
        yield "uses a cache"


def other_pythons(name, text):
    for job, body in parsed(text)["jobs"].items():
        versions = body.get("strategy", {}).get("matrix", {}).get("python", SUPPORTED[-1:])
        set_up = [step["with"]["python-version"] for step in body["steps"] if "setup-python" in step.get("uses", "")]
        wanted = SUPPORTED if (name, job) == ("test", "test") else SUPPORTED[-1:]
        if versions != wanted:
            yield f"job {job} runs on {versions}, not on {wanted}"
        for version in set_up:
            named = "${{ matrix.python }}" if "strategy" in body else SUPPORTED[-1]
            if version != named or body["env"].get("PYTHON") != f"python{named}":
                yield f"job {job} sets up Python {version}, and make takes {body['env'].get('PYTHON')}"


CHECKS = [
    unpinned, too_much_permitted, unknown_commands, interpolated, wrongly_triggered, unbounded, leaves_credentials, cached,
    other_pythons,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", TEXTS)
def test_no_workflow_breaks_a_rule(name, check):
    assert list(check(name, TEXTS[name])) == []


PLANTED = [
    (unpinned, "test", r"actions/checkout@\w+ # v7.0.1", "actions/checkout@v7", "checkout@v7"),
    (unpinned, "test", r"(actions/checkout@\w+) # v7.0.1", r"\1", "actions/checkout"),
    (unpinned, "drift", r"(@[0-9a-f]{39})[0-9a-f]", r"\1", "checkout"),
    (unpinned, "publish", r"actions/deploy-pages", "someone/deploy-pages", "someone"),
    (unpinned, "drift", r"- run: make drift", "- {uses: a/b@v1}", "does not see"),
    (too_much_permitted, "publish", r"permissions: \{\}", "permissions: write-all", "at the top"),
    (too_much_permitted, "publish", r"permissions: \{\}\n", "", "at the top"),
    (too_much_permitted, "drift", r"contents: read", "contents: write", "at the top"),
    (too_much_permitted, "publish", r"contents: read", "contents: write", "job build may write ['contents']"),
    (too_much_permitted, "publish", r"pages: write", "actions: write", "job deploy"),
    (too_much_permitted, "test", r"    timeout-minutes: 90\n", "    timeout-minutes: 90\n    permissions: write-all\n", "write-all"),
    (unknown_commands, "drift", r"make drift", "make drfit", "drfit"),
    (unknown_commands, "test", r"make test$", "pip install something", "pip install"),
    (unknown_commands, "test", r"make test$", "make test; curl x | sh", "curl"),
    (interpolated, "release", r'create "\$TAG"', "create ${{ github.ref_name }}", "github.ref_name"),
    (wrongly_triggered, "test", r"pull_request:", "pull_request_target:", "pull_request_target"),
    (wrongly_triggered, "publish", r"branches: \[main\]", "branches: ['**']", "another branch"),
    (wrongly_triggered, "publish", r"  push:\n    branches: \[main\]", "  push:", "another branch"),
    (unbounded, "drift", r"concurrency:\n.*\n.*\n", "", "concurrency"),
    (unbounded, "release", r"    timeout-minutes: 10\n", "", "job publish has no timeout"),
    (leaves_credentials, "publish", r"persist-credentials: false", "persist-credentials: true", "token"),
    (leaves_credentials, "test", r"        with:\n          persist-credentials: false\n", "", "token"),
    (cached, "publish", r'(python-version: "3.13")', r"\1\n          cache: pip", "cache"),
    (cached, "release", r"actions/upload-artifact", "actions/cache/restore", "cache"),
    (other_pythons, "test", r'"3.12", ', "", "job test runs on"),
    (other_pythons, "test", r'python-version: "3.13"', 'python-version: "3.11"', "job colab sets up Python 3.11"),
    (other_pythons, "drift", r"PYTHON: python3.13", "PYTHON: python3", "make takes python3"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "old", "new", "says"), PLANTED)
def test_a_planted_violation_is_named(check, name, old, new, says):
    text, count = re.subn(old, new, TEXTS[name], count=1, flags=re.MULTILINE)
    assert count == 1
    assert says in "\n".join(check(name, text))


def test_the_workflows_are_these():
    assert set(TEXTS) == set(EVENTS)


def test_an_action_has_one_version_everywhere():
    pins = {match.groups() for text in TEXTS.values() for line in text.splitlines() if (match := PINNED.search(line))}
    assert len(pins) == len({action for action, _, _ in pins}) == len({commit for _, commit, _ in pins})


def test_the_pythons_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={SUPPORTED[0]}"
    # In steps of one: none between is left out.
    assert [f"3.{minor}" for minor in range(11, 11 + len(SUPPORTED))] == SUPPORTED


def test_pull_requests_meet_both_version_sets():
    runs = {job: [step["run"] for step in body["steps"] if "run" in step][-1] for job, body in parsed(TEXTS["test"])["jobs"].items()}
    assert runs == {"test": "make test", "colab": "make test-colab"}


def test_the_notebooks_are_pushed_before_the_site_whose_buttons_lead_there():
    jobs = parsed(TEXTS["publish"])["jobs"]
    assert jobs["notebooks"]["needs"] == "build" and set(jobs["deploy"]["needs"]) == {"build", "notebooks"}
    # A run by hand on another branch must not overwrite what main published.
    assert jobs["build"]["if"] == "github.ref == 'refs/heads/main'"


def test_a_job_that_may_write_installs_nothing():
    for name, job in WRITERS:
        body = parsed(TEXTS[name])["jobs"][job]
        commands = "\n".join(step.get("run", "") for step in body["steps"])
        assert set(re.findall(r"make ([a-z-]+)", commands)) <= {"push-notebooks"}
        assert not any("setup-python" in step.get("uses", "") for step in body["steps"])


def test_drift_runs_the_tests_that_colabs_versions_run():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = lambda target: re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    arguments = lambda target: re.search(r"(?:-m pytest|drift\.py) (.*)", recipe(target))[1]
    assert arguments("drift") == arguments("test-colab")


def test_gitlab_calls_the_same_commands():
    pipeline = parsed((ROOT / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    scripts = {name: job["script"] for name, job in pipeline.items() if isinstance(job, dict)}
    assert scripts == {"test": ["make test", "make test-colab"], "pages": ["make book", "mv _build/html public"]}
    assert pipeline["image"] == f"python:{SUPPORTED[-1]}"


def schema(name, *paths):
    tool = pathlib.Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([tool, "--builtin-schema", name, *paths], capture_output=True, text=True)


@pytest.mark.lock
@pytest.mark.parametrize(
    ("name", "files", "old", "new"),
    [
        ("vendor.github-workflows", [*FOLDER.glob("*.yml")], "runs-on:", "run-on:"),
        ("vendor.gitlab-ci", [ROOT / ".gitlab-ci.yml"], "script:", "scripts:"),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"], "title:", "titel:"),
    ],
)
def test_files_for_others_fit_their_schemas(tmp_path, name, files, old, new):
    run = schema(name, *files)
    assert run.returncode == 0, run.stdout
    planted = tmp_path / files[0].name
    planted.write_text(files[0].read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert schema(name, planted).returncode == 1


@pytest.mark.lock
def test_a_security_audit_finds_nothing(tmp_path):
    zizmor = pathlib.Path(sys.executable).with_name("zizmor")
    audit = [zizmor, "--offline", "--no-progress", "--no-config", "--persona", "auditor", "--strict-collection"]
    run = subprocess.run([*audit, FOLDER], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    planted = tmp_path / ".github" / "workflows" / "planted.yml"
    planted.parent.mkdir(parents=True)
    planted.write_text(TEXTS["test"].replace("run: make test\n", 'run: echo "${{ github.head_ref }}"\n'), encoding="utf-8")
    run = subprocess.run([*audit, planted], capture_output=True, text=True)
    assert run.returncode and "template-injection" in run.stdout
