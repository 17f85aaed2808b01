"""What a failing test prints."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import PROJECT
from tests.support.reports import MAX_LINES, shorten

#: Objects that parse source when the garbage collector finds them, as the traceback of a forgotten coroutine does.
PARSES_WHILE_COLLECTED = """
import ast, gc, pytest

class Noisy:
    def __init__(self): self.itself = self
    def __del__(self): parse("a = (1 + 2) * (3 + 4)")

parse = ast.parse

def spawn(phase, info):
    if phase == "stop": Noisy()

@pytest.fixture
def noise():
    before = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    gc.callbacks.append(spawn)
    yield
    gc.callbacks.remove(spawn)
    gc.set_threshold(*before)
    gc.collect()

def test_fails(noise):
    assert sum([1, 2, 3]) == 7
"""

PRINTS_MUCH = """
import sys
def test_fails():
    for number in range(200): print("out", number)
    for number in range(30): print("err", number, file=sys.stderr)
    assert False
"""


def run(folder: Path, source: str) -> str:
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    command += ["-p", "tests.support.reports", str(folder / "test_it.py")]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False).stdout


def test_a_failing_test_prints_the_last_lines_of_what_was_captured(tmp_path: Path) -> None:
    said = run(tmp_path, PRINTS_MUCH)
    assert "err 0\n" in said
    assert "err 29\n" in said
    assert "(180 lines were cut)\nout 180\n" in said
    assert "out 199\n" in said
    assert "out 179\n" not in said


def test_a_collection_while_a_failure_is_reported_does_not_end_the_run(tmp_path: Path) -> None:
    said = run(tmp_path, PARSES_WHILE_COLLECTED)
    assert "assert 6 == 7" in said
    assert "1 failed" in said
    assert "INTERNALERROR" not in said


@pytest.mark.parametrize(
    ("lengths", "kept"), [([], []), ([10, 20], [10, 20]), ([MAX_LINES + 1], [MAX_LINES]), ([60, 20], [30, 20])]
)
def test_the_last_lines_of_all_sections_together_are_kept(lengths: list[int], kept: list[int]) -> None:
    sections = [(f"section {length}", "line\n" * length) for length in lengths]
    assert [text.count("line\n") for _, text in shorten(sections)] == kept
    assert [title for title, _ in shorten(sections)] == [title for title, _ in sections]
