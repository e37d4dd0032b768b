"""Check that every place names the version of a release, and print what CHANGELOG.md says of it.

python tools/release.py          before a release
python tools/release.py v1.2.3   when it is made: the tag must be this version's, and the version must have its date
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _field(name: str, text: str) -> str | None:
    """The value of a line ``name: value``, or of ``name = "value"``."""
    line = re.search(rf'^{name}(?:: | = )"?(.*?)"?$', text, re.MULTILINE)
    return line[1] if line else None


def version(root: pathlib.Path = ROOT) -> str:
    """The version of `course_utils`, read without importing it: no environment is needed."""
    return _field("__version__", (root / "src" / "course_utils" / "__init__.py").read_text(encoding="utf-8"))


def topmost(root: pathlib.Path = ROOT) -> tuple[str, str | None, str]:
    """CHANGELOG.md's topmost section: its version, its date (None where it is unreleased) and its text."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading, changes = re.search(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE).groups()
    named, _, date = heading.partition(", ")
    return named, None if date == "unreleased" else date, changes.strip()


def problems(root: pathlib.Path = ROOT, tag: str = ""):
    """What keeps this version from being released, or, with a tag, from being released under it."""
    named, date, _ = topmost(root)
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    cited, cited_date = _field("version", citation), _field("date-released", citation)
    if tag and tag != f"v{version(root)}":
        yield f"the tag is {tag}, and the version of course_utils is {version(root)}"
    if named != version(root):
        yield f"CHANGELOG.md's topmost section is of {named}, and the version of course_utils is {version(root)}"
    if cited != version(root):
        yield f"CITATION.cff is of {cited}, and the version of course_utils is {version(root)}"
    if date is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        yield f"CHANGELOG.md says {date!r} where a date like 2026-12-31 belongs, or the word unreleased"
    if tag and not date:
        yield f"CHANGELOG.md calls {named} unreleased: write the date there, and as date-released in CITATION.cff"
    if date != cited_date:
        yield f"CHANGELOG.md has the date {date}, and CITATION.cff the date-released {cited_date}"


if __name__ == "__main__":
    found = list(problems(tag="".join(sys.argv[1:])))
    if found:
        sys.exit("\n".join(f"release: {what}" for what in found))
    print(topmost()[2])
