"""A bar for a terminal, lines for everything else."""

import io

import pytest

from worker.commands import progress_bar
from worker.commands.progress_bar import ProgressLine, format_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_far_it_has_come_and_how_long_it_will_take() -> None:
    assert format_bar("INBOX", 600, 1000, 60.0) == f"INBOX [{'#' * 18}{'-' * 12}]  60%  600 of 1,000, 40 s left"
    assert format_bar("INBOX", 0, 100_000, 0.0) == f"INBOX [{'-' * 30}]   0%  0 of 100,000"
    assert format_bar("INBOX", 0, 0, 0.0).endswith("100%  0 of 0")
    assert format_bar("INBOX", 10, 500, 60.0).endswith("49 min left")
    assert format_bar("INBOX", 10, 10_000, 60.0).endswith("16.6 h left")


def test_a_terminal_has_one_line_that_is_written_over_and_sentences_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "BAR", 0.0)
    terminal = Terminal()
    line = ProgressLine(terminal)
    line.show("a long line")
    line.show("short")
    line.print("It waits.")
    assert terminal.getvalue() == "\ra long line\rshort      \r     \rIt waits.\n"


def test_elsewhere_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    line = ProgressLine(file)
    for n in range(100):
        line.show(f"{n}")
    line.print("Done.")
    assert file.getvalue() == "0\nDone.\n"
