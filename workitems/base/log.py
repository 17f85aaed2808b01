"""The log: one line for each event in logfmt (`key=value`), to standard error; supervisord keeps the files.

Mail content and secrets never go to a log: pass ids, sizes, counts and reasons.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from workitems.base.terminal import CONTROL_MARKS

#: The longest value in a line, in characters; an error text from a server may quote a whole mail.
LONGEST_VALUE = 300

#: The longest trace, in characters; its end, which names the error, is kept.
LONGEST_TRACE = 4_000

#: Seconds between two lines about what strangers cause.
LIMITED_SECONDS = 60.0

#: Control characters in a stranger's text could forge a line. In traces line feeds stay: they are escaped or indented.
_CONTROL = CONTROL_MARKS | dict.fromkeys([8232, 8233], "�")
_CONTROL_IN_TRACES = {code: mark for code, mark in _CONTROL.items() if code != ord("\n")}


def _bound(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make every value that is no number a bounded text without control characters."""
    for key, value in event.items():
        if key == "exception":
            event[key] = _bound_trace(value)
        elif not isinstance(value, int | float | None):
            event[key] = str(value).translate(_CONTROL)[:LONGEST_VALUE]
    return event


def _bound_trace(trace: str) -> str:
    return trace[-LONGEST_TRACE:].translate(_CONTROL_IN_TRACES)


class _LibraryFormatter(logging.Formatter):
    """Libraries quote what servers sent them: their message is one line, and the lines of their traces are indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, as the base names it
        return super().formatMessage(record).translate(_CONTROL)[:LONGEST_VALUE]

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "  " + _bound_trace(super().formatException(ei)).replace("\n", "\n  ")


def configure(level: str = "info") -> None:
    """Log ours from *level* on, the libraries' from WARNING on (aioimaplib prints whole mails at DEBUG)."""
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(_LibraryFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[libraries], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _bound,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "who", "event"], drop_missing=True, bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


class LineLimit:
    """Lets one line be logged in LIMITED_SECONDS, about what strangers can cause as often as they like."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_line = float("-inf")
        self._unlogged = 0

    def count(self, number: int = 1) -> int:
        """Count *number* more. Return how many there were since the last line if a line is due now, else 0."""
        self._unlogged += number
        now = self._clock()
        if now < self._next_line:
            return 0
        self._next_line = now + LIMITED_SECONDS
        unlogged, self._unlogged = self._unlogged, 0
        return unlogged


def get_logger(who: str) -> Any:
    """Return a logger whose lines name the part of the program that writes them."""
    return structlog.get_logger(who=who)
