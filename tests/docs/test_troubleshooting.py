"""docs/troubleshooting.md quotes logs, pages and answers exactly."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import PROJECT

DOCUMENT = (PROJECT / "docs/troubleshooting.md").read_text(encoding="utf-8")
TEXT = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
SPANS = sorted(set(re.findall(r"`([^`]+)`", TEXT)))

#: Words that an operator types or that belong to other programs.
_THEIRS = re.compile(
    r"run\.py|\.venv/|curl|ss|df|du|ulimit|make|SLOWLOG|maxmemory-policy|append\w+|X-|Cache-Control|log ="
    r"|trusted_proxies =|hosts ="
)


def _words(span: str) -> bool:
    """Return whether text is quoted from Tubepost: words with blanks between them."""
    return " " in span and not _THEIRS.match(span) and "=" not in span.split()[0]


def _sources() -> str:
    """Return all texts of our programs on one line, with adjacent string literals joined."""
    files = [*PROJECT.glob("run.py"), *(PROJECT / "demo").glob("*.py")]
    for package in ("server", "worker", "workitems"):
        files += [*(PROJECT / package).rglob("*.py"), *(PROJECT / package).rglob("*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(files))
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCES = _sources()


@pytest.mark.parametrize("span", [span for span in SPANS if _words(span)])
def test_every_quoted_message_is_in_a_program(span: str) -> None:
    for part in re.split(r"…", span):
        assert part.strip(" .") in SOURCES, part


#: Where the lines of `run.py check` are written that name a fault.
CHECKS = [
    *(PROJECT / "worker/commands").glob("check*.py"),
    *(PROJECT / "workitems/status" / f"redis_{name}.py" for name in ("check", "facts", "refusals")),
]


def _faults(path: Path) -> Iterator[str]:
    """Give the fixed beginning of each message of a finding, and of each line that says what is NOT so."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Finding", "_Refusal"):
            yield from _beginnings(node.args[-2])
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "message":
            yield from _beginnings(node.value)
        elif isinstance(node, ast.Constant | ast.JoinedStr) and "NOT " in ast.unparse(node):
            yield from _beginnings(node)


def _beginnings(node: ast.AST) -> Iterator[str]:
    """Give the first words of a text, up to what differs from case to case."""
    values = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    words = [text.partition("{")[0].strip(" .:,(") for text in texts]
    yield from [each for each in words if re.search(r"\w{2}", each)][:1]


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_every_fault_that_run_py_check_names_has_a_row(path: Path) -> None:
    found = set(_faults(path))
    quoted = "\n".join(SPANS)
    assert [words for words in sorted(found) if words not in quoted] == []
