"""What a query may say, checked."""

import re

from workitems.errors import InvalidChangeError
from workitems.item import STATUSES

_MAILBOX = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_SUBMISSION = re.compile(r"sub_[a-z2-7]{26}", re.ASCII)


def status(value: str) -> str:
    """One of the statuses."""
    if value not in STATUSES:
        raise InvalidChangeError(f"{value!r:.60} is no status; accepted: {', '.join(STATUSES)}", "status")
    return value


def mailbox(value: object) -> str:
    """A mailbox's name, as in the settings."""
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value) or value in STATUSES:
        raise InvalidChangeError(
            f"a name is 1 to 64 of a-z, 0-9, _ and -, and none of {', '.join(STATUSES)}", "mailbox"
        )
    return value


def submission(value: str) -> str:
    """A submission's id."""
    if not _SUBMISSION.fullmatch(value):
        raise InvalidChangeError("an id such as 'sub_' and 26 of a-z and 2-7 is accepted", "submission")
    return value


def number(value: str, field: str, *, least: int, most: int) -> int:
    """A whole number between *least* and *most*."""
    if not (value.isascii() and value.isdigit() and len(value) <= 19 and least <= int(value) <= most):
        raise InvalidChangeError(f"a whole number from {least} to {most} is accepted", field)
    return int(value)
