"""Shows the progress of a long command: a bar on a terminal, otherwise a line from time to time."""

import sys
import time
from typing import TextIO

#: Seconds between two changes of the bar, and between two lines where there is no terminal.
BAR, LINE = 0.1, 5.0

#: Characters of the bar.
WIDTH = 30


class ProgressLine:
    """A line that is overwritten, and sentences that stay."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._shown = ""
        self._at = 0.0

    def show(self, text: str) -> None:
        """Show the progress. Calls in quick succession are skipped."""
        now = time.monotonic()
        if now - self._at < (BAR if self._terminal else LINE):
            return
        self._at = now
        if self._terminal:
            self._write("\r" + text.ljust(len(self._shown)))
            self._shown = text
        else:
            self._write(text + "\n")

    def print(self, text: str) -> None:
        """Print a sentence that stays."""
        if self._shown:
            self._write("\r" + " " * len(self._shown) + "\r")
            self._shown = ""
        self._at = 0.0
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def format_bar(what: str, taken: int, todo: int, seconds: float) -> str:
    """Return `INBOX [######----]  60 %  600 of 1,000, 40 s left`. *seconds*: the time so far."""
    share = taken / todo if todo else 1.0
    drawn = "#" * int(share * WIDTH)
    left = f", {_format_duration(seconds / taken * (todo - taken))} left" if 0 < taken < todo else ""
    return f"{what} [{drawn:-<{WIDTH}}] {share:4.0%}  {taken:,} of {todo:,}{left}"


def _format_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
