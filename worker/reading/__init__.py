"""Reading one mail: bytes in, data out. Nothing here knows a mailbox, a clock or Redis.

`read` opens the whole mail; `read_headers` looks at its headers alone, for mail that is too large or cannot be read.
"""

from worker.reading.limits import Limits
from worker.reading.mail import read, read_headers
from worker.reading.result import Attachment, Reading
from worker.reading.rules import GENERAL, FieldRule

__all__ = ["GENERAL", "Attachment", "FieldRule", "Limits", "Reading", "read", "read_headers"]
