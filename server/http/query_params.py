"""Checks the parameters of a query."""

import re
from contextlib import suppress
from datetime import date

from workitems.base.errors import InvalidChangeError
from workitems.base.statuses import STATUSES

_MAILBOX = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SUBMISSION = re.compile(r"sub_[a-z2-7]{26}", re.ASCII)


def parse_status(value: str) -> str:
    """Return *value* if it is a status. Raise InvalidChangeError otherwise, as all functions here."""
    if value not in STATUSES:
        raise InvalidChangeError(f"{value!r:.60} is not a status; accepted: {', '.join(STATUSES)}", "status")
    return value


def parse_mailbox(value: object) -> str:
    """Return *value* if it can be the name of a mailbox in the settings."""
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value) or value in STATUSES:
        raise InvalidChangeError(
            "this is not the name of a mailbox; accepted: 1 to 64 characters of a-z, 0-9, _ and -, "
            f"but none of {', '.join(STATUSES)}",
            "mailbox",
        )
    return value


def parse_submission(value: str, field: str = "submission") -> str:
    """Return *value* if it has the form of a submission's id."""
    if not _SUBMISSION.fullmatch(value):
        raise InvalidChangeError("this is not an id; accepted: 'sub_' and 26 characters of a-z and 2-7", field)
    return value


def parse_number(value: str, field: str, *, least: int, most: int) -> int:
    """Return the whole number in *value*, which must be from *least* to *most*."""
    if not (value.isascii() and value.isdigit() and len(value) <= 19 and least <= int(value) <= most):
        raise InvalidChangeError(f"a whole number from {least} to {most} is accepted", field)
    return int(value)


def parse_date(value: object, field: str) -> date:
    """Return the day in *value*, which has the form 2026-03-01."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):  # there is no such day
            return date.fromisoformat(value)
    raise InvalidChangeError("a day such as 2026-03-01 is accepted", field)
