"""Keeps the report of a failing test short, and prevents it from ending the whole test run."""

import gc
from collections.abc import Generator

import pytest

#: Lines of captured output and log that a failing test prints, its last ones.
MAX_LINES = 50


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Cut the captured output to its last lines, with the garbage collector switched off.

    pytest parses source with `ast.parse`. A collection within that may report a
    coroutine that was never awaited; its traceback is parsed, too, and Python before 3.11.8 and 3.12.1 then raises
    SystemError "AST constructor recursion depth mismatch" (python/cpython#106905), which ends the run.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        report = yield
    finally:
        if was_enabled:
            gc.enable()
    report.sections = shorten(report.sections)
    return report


def shorten(sections: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return *sections* with their last MAX_LINES lines together, and a line for how many were cut from each."""
    kept, left = [], MAX_LINES
    for title, text in reversed(sections):
        lines = text.splitlines(keepends=True)
        last = lines[max(0, len(lines) - left) :]
        left -= len(last)
        cut = len(lines) - len(last)
        kept.append((title, "".join([f"({cut} lines were cut)\n"] * bool(cut) + last)))
    return kept[::-1]
