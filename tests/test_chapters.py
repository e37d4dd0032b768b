"""Every chapter keeps the book's form, and runs. Each rule is tried on a planted violation too."""

import ast
import copy
import pathlib
import re
import statistics
from collections import Counter

import address
import nbformat
import numpy as np
import pytest
from fresh import NO_ISOLATION, run_as_a_reader
from pages.terms import names_of
from perturb import check_claims

from course_utils import POPULAR_CLAIMS, __version__
from course_utils.claims import METADATA, anchor_of
from course_utils.grading.set_up import package_at, set_up_source, with_set_up

HERE = pathlib.Path(__file__).resolve().parent
CHAPTERS = HERE.parent / "chapters"
NOTEBOOKS = sorted(CHAPTERS.glob("*.ipynb"))


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


FORBIDDEN = {
    "a colon fence": r"^:::", "a directive": r"\{[a-z-]+\}`|^```\{", "a GitHub alert": r"\[!\w+\]", "a footnote": r"\[\^",
    "an equation label": r"\\label|^\$\$.*\(\w+\)\s*$", "a task list": r"^\s*[-*] \[[ x]\]", "an image without alt text": r"!\[\]\(",
    "$$ that shares its line": r"^.*\S.*\$\$|^\$\$.*\S",
}  # fmt: skip


def portable(notebook):
    """Markdown that Colab and Jupyter show as the site does."""
    return [
        f"{name}: {line}"
        for source in prose(notebook) for line in source.splitlines()
        for name, pattern in FORBIDDEN.items() if re.search(pattern, line)
    ]  # fmt: skip


def stripped(notebook):
    found = [f"outputs in {cell.id}" for cell in code(notebook) if cell.outputs or cell.execution_count]
    return found + [f"no id: {cell.source[:30]}" for cell in notebook.cells if not cell.get("id")]


SET_UP = set_up_source(package_at(address.configured(), address.RELEASE))
# Colab shows the cell's title, the site a line to open.
FOLDED_SET_UP = {
    "cellView": "form", "tags": ["hide-cell"],
    "mystnb": {"code_prompt_show": "Show the set-up", "code_prompt_hide": "Hide the set-up"},
}  # fmt: skip


def set_up(notebook):
    first = code(notebook)[0]
    found = [] if first.source == SET_UP else ["the first code cell is not the set-up cell"]
    return found + ([] if first.metadata == FOLDED_SET_UP else ["the set-up cell is not folded"])


def lines_of_code(notebook):
    found = [f"a code cell of {count} lines" for cell in code(notebook) if (count := len(cell.source.splitlines())) > 30]
    # A stub is for writing in, and a solution is folded: reading meets neither.
    read = [cell for cell in code(notebook) if not cell.id.startswith(("stub-", "solution-"))]
    counts = [len(cell.source.splitlines()) for cell in read]
    return found + ([f"median of {statistics.median(counts)} lines"] if statistics.median(counts) > 6 else [])


def code_fits_the_page(notebook):
    return [f"{len(line)} characters: {line}" for cell in code(notebook) for line in cell.source.splitlines() if len(line) > 96]


def prose_between_code(notebook):
    seen = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]  # solutions are folded
    kinds = "".join("c" if cell.cell_type == "code" else "m" for cell in seen)
    return ["more than two code cells in a row"] if "ccc" in kinds else []


def words(source):
    text = re.sub(r"\$\$.*?\$\$|^\|[^\n]*$|^#[^\n]*$", "", source, flags=re.DOTALL | re.MULTILINE)
    return len(text.split())


def length_of_prose(notebook):
    counts = [words(source) for source in prose(notebook)]
    found = [f"a prose cell of {count} words" for count in counts if count > 100]
    middle = statistics.median(counts)
    return found + ([f"median of {middle} words"] if not 35 <= middle <= 70 else [])


def figures_are_described(notebook):
    found = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not re.search(r"\bplot_\w+\(", cell.source):
            continue
        meta = cell.metadata.get("mystnb", {})
        if not meta.get("figure", {}).get("caption") or not meta.get("image", {}).get("alt"):
            found.append(f"no caption or alt text: {cell.source[:40]}")
        if not any(later.cell_type == "markdown" for later in notebook.cells[i + 1 : i + 3]):
            found.append(f"a figure without its reading: {cell.source[:40]}")
    return found


LEANS_ON_ANOTHER = re.compile(r"(And|But|Yet|So|It|They|Their|This|That|These|Those|There)\b")


def claims(notebook):
    """Each claim's statement; where it is put together by code, its first piece."""
    calls = [
        node for cell in code(notebook) for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim"
    ]  # fmt: skip
    return [str(call.args[0].value if isinstance(call.args[0], ast.Constant) else ast.unparse(call.args[0])) for call in calls]


def claims_stand_alone(notebook):
    """In the table of chapter 11 a statement has no neighbours to lean on."""
    found = [f"leans on another statement: {text}" for text in claims(notebook) if LEANS_ON_ANOTHER.match(text)]
    return found + [f"said twice: {place}" for place, times in Counter(map(anchor_of, claims(notebook))).items() if times > 1]


def links_lead_somewhere(notebook):
    found = []
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", "\n".join(prose(notebook))):
        name, _, anchor = target.partition("#")
        if not (CHAPTERS / name).exists():
            found.append(f"no such file: {target}")
        elif anchor and anchor not in headings(CHAPTERS / name):
            found.append(f"no such heading: {target}")
    return found


def headings(path):
    return {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    }


TIME = re.compile(r"> \*\*Time:\*\* (\d+) minutes, and (\d+) for the exercises\.")


def says_what_it_takes_and_gives(notebook):
    """Below the opening: minutes, what to know before, and three or four things that the reader can do afterwards."""
    about = prose(notebook)[1]
    time, exercises = TIME.match(about), re.findall(r"^\*\w+, (\d+) minutes\.\*", "\n".join(prose(notebook)), re.MULTILINE)
    abilities = re.findall(r"^> - \w.*[;.]$", about.partition("> **You will be able to**\n>\n")[2], re.MULTILINE)
    found = [] if time else ["no minutes"]
    if time and abs(int(time[1]) - reading_minutes(notebook)) > 7:
        found.append(f"{time[1]} minutes, estimated {reading_minutes(notebook):.0f}")
    if time and int(time[2]) != sum(map(int, exercises)):
        found.append(f"{time[2]} minutes for exercises of {sum(map(int, exercises))}")
    found += [] if re.search(r"^> \*\*Before you start:\*\* \w", about, re.MULTILINE) else ["no word on what to know before"]
    return found + ([] if 3 <= len(abilities) <= 4 else [f"{len(abilities)} abilities"])


def reading_minutes(notebook):
    """An estimate: 230 words a minute, four seconds for a line of code, a minute for a figure, four for an explorer."""
    end = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## Exercises\n"))
    read = [cell for cell in notebook.cells[:end] if "hide-cell" not in cell.metadata.get("tags", [])]
    seen = [cell for cell in read if cell.cell_type == "code"]
    prose_words = sum(len(cell.source.split()) for cell in read if cell.cell_type == "markdown")
    lines, explorers = (sum(map(count, seen)) for count in (lambda cell: len(cell.source.splitlines()), lambda cell: "Explorer(" in cell.source))
    return prose_words / 230 + lines * 4 / 60 + sum("figure" in cell.metadata.get("mystnb", {}) for cell in seen) + explorers * 4


IN_WORDS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
    "nineteen": "19", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100",
    **{word: word for word in ("half", "third", "quarter", "thousand", "thousandth", "thousandths", "million")},
}  # fmt: skip


def numbers(text):
    """The numbers of a sentence, written in digits or in words; "one" and "1" are left out, which may count nothing."""
    digits = re.findall(r"(?<![\w.])\d+(?:\.\d+)?[⁰¹²³⁴⁵⁶⁷⁸⁹]*(?!\d)", re.sub(r"(?<=\d),(?=\d{3})", "", text))
    spoken = [IN_WORDS.get(word.removesuffix("fold")) for word in re.findall(r"[a-z]+", text.lower())]
    return {*map(lambda number: number.removesuffix(".0"), digits), *filter(None, spoken)} - {"1"}


def sums_up_what_was_found(notebook):
    """Three to six findings at the end. The cell's ``checked_by`` names the claims behind each, and they say its numbers."""
    ends = [cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("## What to remember\n")]
    if len(ends) != 1:
        return [f"{len(ends)} summaries"]
    findings = re.findall(r"^- (.*)$", ends[0].source, re.MULTILINE)
    checked_by, known = ends[0].metadata.get("checked_by", []), set(claims(notebook))
    found = [] if 3 <= len(findings) <= 6 else [f"{len(findings)} findings"]
    if len(checked_by) != len(findings) or not all(checked_by):
        return [*found, "a finding that no claim checks"]
    found += [f"no such claim: {name}" for names in checked_by for name in names if name not in known]
    for finding, names in zip(findings, checked_by, strict=True):
        unsaid = numbers(re.sub(r"\$|\\sqrt ?|σ_w|\\sigma_w", " ", finding)) - numbers(re.sub("σ_w|√", " ", " . ".join(names)))
        found += [f"a number that its claims do not say: {number} in {finding}" for number in sorted(unsaid)]
    return found


NO_TERM = re.compile(r".*[.:?]$|You will be able to$")


def terms_are_in_the_glossary(notebook):
    """What a chapter introduces in bold is explained there; bold questions and words such as **Read.** are no terms."""
    chapter = [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and not cell.id.startswith("statement")]
    bold = re.findall(r"\*\*((?:[^*\n]|\*[^*\n]+\*)+)\*\*", "\n".join(chapter))
    asked = {"Predict", "Read"}  # as in "**Predict** first"
    return [
        f"not in the glossary: {term}"
        for term in dict.fromkeys(bold) if term not in asked and not NO_TERM.match(term) and term.lower() not in explained()
    ]  # fmt: skip


def explained():
    rows = (CHAPTERS / "glossary.md").read_text(encoding="utf-8").splitlines()
    return {name.lower() for row in rows if row.startswith("| ") for name in names_of(row.split("|")[1].strip())}


RULES = [
    says_what_it_takes_and_gives,
    sums_up_what_was_found,
    terms_are_in_the_glossary,
    portable,
    stripped,
    set_up,
    lines_of_code,
    code_fits_the_page,
    prose_between_code,
    length_of_prose,
    figures_are_described,
    claims_stand_alone,
    links_lead_somewhere,
]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def chapter(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_chapter_keeps_the_form(chapter, rule):
    assert rule(chapter) == []


ROW = re.compile(r"^\| (\d+) \[(.*?)\]\((.*?)\) \| (.*?) \| .*? \| (\d+) minutes \|$", re.MULTILINE)


def test_the_first_page_says_of_each_chapter_what_it_says_of_itself():
    rows = ROW.findall((CHAPTERS / "intro.md").read_text(encoding="utf-8"))
    assert rows == [of_itself(path) for path in NOTEBOOKS]


def of_itself(path):
    """Number, title, file, question and minutes of a chapter, as its own first cells say them."""
    opening, about = prose(nbformat.read(path, as_version=4))[:2]
    title, question = re.match(r"# (.*)\n\n\*\*(.*?)\*\*\n", opening).groups()
    return str(int(path.stem[:2])), title, path.name, question, TIME.match(about)[1]


def test_each_term_of_the_glossary_has_a_name_of_its_own():
    rows = (CHAPTERS / "glossary.md").read_text(encoding="utf-8").splitlines()
    names = [name.lower() for row in rows if row.startswith("| ") for name in names_of(row.split("|")[1].strip())]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def planted(change):
    notebook = copy.deepcopy(nbformat.read(NOTEBOOKS[0], as_version=4))
    change(notebook)
    return notebook


def say(text):
    return lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell(text))


def run(text, **more):
    return lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell(text, **more))


def replace(old, new):
    """In the first Markdown cell that has it."""

    def change(notebook):
        cell = next(cell for cell in notebook.cells if cell.cell_type == "markdown" and old in cell.source)
        cell.source = cell.source.replace(old, new, 1)

    return change


def forget_what_checked(notebook):
    next(cell for cell in notebook.cells if "checked_by" in cell.metadata).metadata["checked_by"][0] = []


def misname_what_checked(notebook):
    next(cell for cell in notebook.cells if "checked_by" in cell.metadata).metadata["checked_by"][0] = ["Rain falls"]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (says_what_it_takes_and_gives, replace("**Time:**", "**Pages:**")),
        (says_what_it_takes_and_gives, replace("**Time:** 35 minutes", "**Time:** 20 minutes")),
        (says_what_it_takes_and_gives, replace("and 75 for the exercises", "and 60 for the exercises")),
        (says_what_it_takes_and_gives, replace("**Before you start:**", "**Good luck:**")),
        (says_what_it_takes_and_gives, replace("You will be able to", "You may like to")),
        (says_what_it_takes_and_gives, lambda notebook: notebook.cells.pop(1)),
        (sums_up_what_was_found, replace("## What to remember", "## The end")),
        (sums_up_what_was_found, replace("more than thirtyfold", "more than fortyfold")),
        (sums_up_what_was_found, replace("= 0.8$ and grew", "= 0.7$ and grew")),
        (sums_up_what_was_found, forget_what_checked),
        (sums_up_what_was_found, misname_what_checked),
        (terms_are_in_the_glossary, say("The **wobble** of a layer is what nobody measured.")),
        *[(portable, say(text)) for text in (
            ":::{note}", "```{figure} x", "see {ref}`x`", "> [!NOTE]", "text[^1]", "- [ ] do", "![](x.png)", "so $$x$$", r"\label{a}",
        )],
        (stripped, run("1", execution_count=1)),
        (set_up, lambda notebook: notebook.cells.insert(1, nbformat.v4.new_code_cell("import os"))),
        (set_up, lambda notebook: code(notebook)[0].metadata.clear()),
        (lines_of_code, run("\n".join("x = 1" for _ in range(31)))),
        (code_fits_the_page, run("x" * 97)),
        (prose_between_code, lambda notebook: [run("1")(notebook) for _ in range(3)]),
        (length_of_prose, say("word " * 101)),
        (figures_are_described, run("plot_loss(x)")),
        (claims_stand_alone, run("claim('And so it does', x > 1)")),
        (claims_stand_alone, run("claim('It rains', x > 1)")),
        (claims_stand_alone, lambda notebook: [run("claim('Rain falls', x > 1)")(notebook) for _ in range(2)]),
        (links_lead_somewhere, say("[x](nowhere.md)")),
        (links_lead_somewhere, say("[x](references.md#nobody-1900)")),
    ],
)  # fmt: skip
def test_a_planted_violation_is_found(rule, change):
    assert rule(planted(change))


# Claims that need the other chapters' runs.
NEED_OTHERS = {"11_claims": 3}


def shown(notebook):
    """The claims among a notebook's outputs."""
    return [out.metadata[METADATA] for cell in code(notebook) for out in cell.outputs if METADATA in out.get("metadata", {})]


def unmoved(notebook):
    """What the mutation of the claims in each cell found."""
    return [out.data["application/json"] for cell in code(notebook) for out in cell.outputs if "application/json" in out.get("data", {})]


MUTATE = """\
import sys; sys.path.insert(0, {tests!r})
from perturb import check_claims
from IPython.display import JSON, display
display(JSON(check_claims({source!r}, dict(globals()))))"""


def with_mutation(notebook):
    """The chapter, with a cell after each one that makes claims, which perturbs their numbers."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "claim(" in cell.source:
            cells.append(nbformat.v4.new_code_cell(MUTATE.format(tests=str(HERE), source=cell.source)))
    notebook.cells = cells
    return notebook


READY = f"course_utils {__version__} is ready.\n"


@pytest.mark.slow
@pytest.mark.site
def test_the_books_run_of_a_chapter_is_complete_and_in_time(path, site):
    """The build runs each chapter as a reader would, from its set-up cell, two at a time."""
    from jupyter_cache import get_cache  # not among Colab's packages

    notebook = nbformat.read(site.parent / "executed" / path.name, as_version=4)
    assert [out.text for out in code(notebook)[0].outputs] == [READY]
    assert len(shown(notebook)) >= len(claims(notebook)) > 0
    assert all(claim["holds"] for claim in shown(notebook))
    record = get_cache(site.parent / ".jupyter_cache").match_cache_notebook(nbformat.read(path, as_version=4))
    assert record.data["execution_seconds"] < 150  # the budget is 60 s on two idle cores


@pytest.mark.slow
@pytest.mark.colab
def test_a_chapter_runs_on_a_fresh_machine_and_each_claim_falls_with_its_numbers(path, remote):
    """From its set-up cell, in an empty folder with an empty home. Nothing but the package is there to be downloaded."""
    notebook = with_set_up(with_mutation(nbformat.read(path, as_version=4)), remote)
    run_as_a_reader(notebook, timeout=300, offline=True, variables={"COURSE_BUILD": "1", **NO_ISOLATION})
    assert [out.text for out in code(notebook)[0].outputs] == [READY]
    assert len(shown(notebook)) >= len(claims(notebook)) - NEED_OTHERS.get(path.stem, 0) > 0
    assert [found for found in unmoved(notebook) if found] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("claim('a', x < 1)", []),
        ("claim('a', all(v < 1 for v in xs))", []),
        ("claim('a', flag)", []),
        ("claim('a', True)", ["'a'"]),
        ("claim('a', x < 1 or True)", ["'a'"]),
        ("claim('a', abs(x) >= 0 and len(xs) == 2)", []),
        ("claim('a', len(xs) == 2)", ["'a'"]),
    ],
)
def test_the_mutation_finds_claims_that_cannot_fail(source, found):
    assert check_claims(source, {"x": 0.5, "xs": [0.1, np.float32(0.2)], "flag": True}) == found


def test_every_popular_claim_is_tested_by_a_chapter():
    text = "\n".join(cell.source for path in NOTEBOOKS for cell in code(nbformat.read(path, as_version=4)))
    named = set(re.findall(r"(?:supports|refutes)=\"([\w-]+)\"", text))
    assert named == set(POPULAR_CLAIMS)
