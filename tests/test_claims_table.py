"""The verdicts that chapter 11 draws, from notebooks made for the purpose."""

import nbformat
import pytest

from course_utils import (
    POPULAR_CLAIMS,
    ClaimRecord,
    claim,
    popular_claims_table,
    read_claims,
    statements_table,
    verdict_on,
)
from course_utils.claims import METADATA, _Verdict, anchor_of


def executed(folder, name, *verdicts):
    """A notebook whose outputs are those verdicts."""
    outputs = [nbformat.v4.new_output("display_data", data={"text/plain": ""}, metadata={METADATA: verdict.record}) for verdict in verdicts]
    other = nbformat.v4.new_output("stream", text="nothing to see")
    cells = [nbformat.v4.new_markdown_cell("text"), nbformat.v4.new_code_cell("1", outputs=[*outputs, other])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")


def test_claims_are_read_back_in_the_order_of_the_chapters(tmp_path):
    executed(tmp_path, "02_b", _Verdict("B holds", True, {"measured": "2"}, {"supports": "vanishing-1"}))
    executed(tmp_path, "01_a", _Verdict("A < B", False, {"predicted": "1"}, {}))
    assert read_claims(tmp_path) == [
        ClaimRecord("01_a", "A < B", False, predicted="1"),
        ClaimRecord("02_b", "B holds", True, measured="2", supports="vanishing-1"),
    ]


def test_the_build_names_the_folder(tmp_path, monkeypatch):
    executed(tmp_path, "02_b", _Verdict("B holds", True, {}, {}))
    monkeypatch.setenv("COURSE_EXECUTED_CHAPTERS", str(tmp_path))
    assert [record.statement for record in read_claims()] == ["B holds"]


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([], "not tested"),
        ([("supports", True)], "holds"),
        ([("refutes", True)], "fails"),
        ([("supports", True), ("refutes", True)], "it depends"),
        ([("supports", True), ("refutes", False)], "holds"),
        ([("supports", False)], "not tested"),
    ],
)
def test_a_verdict_follows_from_the_claims_that_hold(evidence, verdict):
    records = [ClaimRecord("02_b", "s", holds, **{side: "vanishing-1"}) for side, holds in evidence]
    records.append(ClaimRecord("02_b", "s", True, supports="vanishing-2"))
    assert verdict_on("vanishing-1", records) == verdict
    assert f"<strong>{verdict}</strong>" in popular_claims_table(records)._repr_html_()


def test_statements_are_folded_by_chapter():
    records = [ClaimRecord(chapter, f"{chapter} {i}", True) for chapter in ("01_a", "02_b") for i in range(3)]
    tables = statements_table(records)
    assert [(table.caption, len(table)) for table in tables] == [("01 a", 3), ("02 b", 3)]
    text = tables._repr_html_()
    assert text.count("<details>") == 2 and "<summary>02 b: 3 statements</summary>" in text and "01_a 2" in text


def test_tables_escape_html_and_link_to_the_place():
    record = ClaimRecord("02_b", "a < b & c", True, measured="<1>", refutes="vanishing-3")
    for table in (popular_claims_table([record]), statements_table([record])):
        text = table._repr_html_()
        assert f'href="02_b.html#{anchor_of(record.statement)}"' in text
        assert "a &lt; b &amp; c" in text and "&lt;1&gt;" in text and "<1>" not in text


def test_the_anchor_of_a_link_is_on_the_claim():
    shown = _Verdict("ReLU: χ = 1, to 2%", True, {}, {})._repr_html_()
    assert f'id="{anchor_of("ReLU: χ = 1, to 2%")}"' in shown


def test_in_a_readers_session_links_lead_to_notebooks(monkeypatch):
    monkeypatch.delenv("COURSE_BUILD")
    assert ClaimRecord("02_b", "s", True).link == "02_b.ipynb"


def test_without_executed_chapters_the_tables_say_what_to_do(tmp_path):
    for table in (popular_claims_table([]), statements_table([])):
        assert "Run and save the other chapters" in table._repr_html_() and len(table) == 0


@pytest.mark.usefixtures("as_a_reader")
def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="folder must be a folder"):
        read_claims(tmp_path / "nowhere")
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"no notebook: broken\.ipynb"):
        read_claims(tmp_path)
    with pytest.raises(ValueError, match="supports must be one of"):
        claim("x", True, supports="vanishing-9")
    with pytest.raises(ValueError, match="either supports or refutes"):
        claim("x", True, supports="vanishing-1", refutes="vanishing-2")
    with pytest.raises(ValueError, match="name must be one of"):
        verdict_on("vanishing-9", [])


def test_each_popular_claim_is_a_sentence_with_a_source():
    for text, source, url in POPULAR_CLAIMS.values():
        assert text.endswith(".") and source and (url is None or url.startswith("https://"))
    assert len({popular.text for popular in POPULAR_CLAIMS.values()}) == len(POPULAR_CLAIMS)
