"""Reads the text of strangers' files with libraries, which raise whatever a broken file leads them to.

A reader gives its text in pieces, so that what it gave before an error or the end of its time is kept.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar
from warnings import catch_warnings

T = TypeVar("T")

#: Why a file, or the rest of it, was not read; never with words of the file.
TOO_LARGE = "it is too large"
TOO_COMPLEX = "it is too complex"
TOO_MANY = "the mail has too many files"
TOO_DEEP = "it lies too deep in other files"
ENCRYPTED = "it is encrypted"
SCAN = "it is a scan without text"
DAMAGED = "it is damaged or of another type"
TOO_SLOW = "reading it takes too long"
TOO_MUCH_MEMORY = "reading it needs too much memory"
#: Of files that were posted.
NO_CONTENT = "it came without content"
UNDECODABLE = "its content could not be decoded"
DID_NOT_COME = "it was announced and did not come"
#: The reason until the files of a mail were read.
NOT_REACHED = "the reading of the files ended before it"


class UnreadableError(Exception):
    """A file, or the rest of it, is not read; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutOfTimeError(BaseException):
    """A file has used its processor time. It is no Exception, so that no library catches it."""


def read_untrusted(pieces: Callable[[], Iterator[str]], most: int) -> tuple[str, str | None]:
    """Return the text of a stranger's file, *most* characters or a piece more, and why the rest was not read."""
    out: list[str] = []

    def collect() -> None:
        length = 0
        for piece in pieces():
            out.append(piece)
            length += len(piece)
            if length >= most:
                return

    _, reason = open_untrusted(collect)
    return "".join(out), reason


def open_untrusted(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what *work* makes of a stranger's file, or None and the reason when it raises any error."""
    try:
        with catch_warnings(action="ignore"):  # they would quote the file on standard error
            return work(), None
    except UnreadableError as error:
        return None, error.reason
    except OutOfTimeError:
        return None, TOO_SLOW
    except MemoryError:
        return None, TOO_MUCH_MEMORY
    except RecursionError:
        return None, TOO_COMPLEX
    except Exception:  # noqa: BLE001  libraries may raise anything, and one file must not fail the whole mail
        return None, DAMAGED
