"""Reads one mail: bytes in, data out. It uses no mailbox, no clock and no Redis.

`read` reads the whole mail. A child calls its two halves, `read_message` and `read_files`, so that no file can cost a
mail its text. `read_headers` reads only its headers, for mail that is too large or cannot be read.
"""

from worker.reading.fields.rules import GENERAL_RULES, FieldRule
from worker.reading.limits import ReadingLimits
from worker.reading.mail import read, read_files, read_headers, read_message
from worker.reading.result import MailAttachment, Reading

__all__ = [
    "GENERAL_RULES",
    "FieldRule",
    "MailAttachment",
    "Reading",
    "ReadingLimits",
    "read",
    "read_files",
    "read_headers",
    "read_message",
]
