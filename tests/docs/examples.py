"""Read the blocks of code in a document."""

import re

from tests.support.program import PROJECT

STREAM = (PROJECT / "docs/stream.md").read_text(encoding="utf-8")


def section(heading: str, document: str = STREAM) -> str:
    """Return the text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _without_code(document), re.DOTALL | re.MULTILINE)
    assert found, f"no heading {heading!r}"
    return document[found.start(1) : found.end(1)]


def block(heading: str, language: str, document: str = STREAM) -> str:
    """Return the first block of a language below a heading."""
    found = re.search(rf"^```{language}\n(.*?)^```$", section(heading, document), re.DOTALL | re.MULTILINE)
    assert found, f"no {language!r} below {heading!r}"
    return found[1]


def _without_code(document: str) -> str:
    """Return text of the same length in which comments of code no longer look like headings."""
    return re.sub(r"^```.*?^```$", lambda code: code[0].replace("#", "."), document, flags=re.DOTALL | re.MULTILINE)
