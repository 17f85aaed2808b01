"""Tells a person how far something long has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import TextIO

#: Seconds between two changes of the bar, and between two lines where there is no terminal.
BAR, LINE = 0.1, 5.0

#: Characters of the bar.
WIDTH = 30


class Line:
    """The line that is written over and over, and the sentences that stay."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._shown = ""
        self._at = 0.0

    def show(self, text: str) -> None:
        """How far it has come by now; most of what comes in quick succession is left out."""
        now = time.monotonic()
        if now - self._at < (BAR if self._terminal else LINE):
            return
        self._at = now
        if self._terminal:
            self._write("\r" + text.ljust(len(self._shown)))
            self._shown = text
        else:
            self._write(text + "\n")

    def say(self, text: str) -> None:
        """A sentence of its own, which stays."""
        if self._shown:
            self._write("\r" + " " * len(self._shown) + "\r")
            self._shown = ""
        self._at = 0.0
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar(what: str, taken: int, todo: int, seconds: float) -> str:
    """`INBOX [######----]  60 %  600 of 1,000, 40 s left`; *seconds*: how long those that were taken took."""
    share = taken / todo if todo else 1.0
    drawn = "#" * int(share * WIDTH)
    left = f", {_words(seconds / taken * (todo - taken))} left" if 0 < taken < todo else ""
    return f"{what} [{drawn:-<{WIDTH}}] {share:4.0%}  {taken:,} of {todo:,}{left}"


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
