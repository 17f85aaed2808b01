"""One line an event in logfmt (`key=value`), to standard error; supervisord keeps the files.

Mail content and secrets never go to a log: pass ids, sizes, counts and reasons.
"""

import logging
import sys
from typing import Any

import structlog

#: The longest value that a line carries, in characters; an error text from a server may quote a whole mail.
LONGEST_VALUE = 300

#: The longest trace, in characters; its end is kept, which names the error.
LONGEST_TRACE = 4_000

#: Control characters would let a stranger's text forge a line. In traces line feeds stay: they are escaped or indented.
_CONTROL = dict.fromkeys([*range(32), 127, *range(128, 160), 8232, 8233], "�")
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
    """Ours at *level*, the libraries' from WARNING (aioimaplib prints whole mails at DEBUG)."""
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


def get_logger(who: str) -> Any:
    """A logger whose lines name the part of the program that speaks."""
    return structlog.get_logger(who=who)
