"""One line an event in logfmt (`key=value`), to standard error; supervisord keeps the files.

Mail content and secrets never go to a log: pass ids, sizes, counts and reasons.
"""

import logging
import sys
from typing import Any

import structlog

#: The longest value that a line carries, in characters; an error text from a server may quote a whole mail.
LONGEST_VALUE = 300

#: Control characters would let a stranger's text forge a line.
_CONTROL = dict.fromkeys([*range(32), 127, *range(128, 160), 8232, 8233], "�")


def _bound(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long values and take control characters out, also of the traceback's last line."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = value.translate(_CONTROL)[:LONGEST_VALUE]
    return event


def configure(level: str = "info") -> None:
    """Ours at *level*, the libraries' from WARNING (aioimaplib prints whole mails at DEBUG)."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s", force=True)
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
