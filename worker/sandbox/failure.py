"""The ways in which a reading can fail, described for a person, without any mail content."""

import re
import signal
from typing import Any, Literal

from workitems.base.errors import TubepostError
from workitems.confinement.limits import EXIT_MEMORY

Kind = Literal["timeout", "memory", "crash", "error", "deferred"]

#: The class with which a child reports that a mail used up its CPU time; the parent does not load it.
OUT_OF_TIME = "OutOfTimeError"

_CLASS = re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII)
_LOCATION = re.compile(r"\w{1,60}\.py:\d{1,6}", re.ASCII)


class ReadFailedError(TubepostError):
    """This mail could not be read. `kind` says how it failed; `reason` explains it to a person in one sentence."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        #: Seconds for which a child was busy with it; of processor time, if the child said so.
        self.seconds = 0.0
        #: The sender of the mail, as keys of `fair_queue`.
        self.sender: tuple[str, ...] = ()


class ReportedError(ReadFailedError):
    """The child reported it, and can read the next mail."""


class SandboxUnavailableError(TubepostError):
    """No reading process could start or became free in time, or the sandbox is closed. The mail is not the cause."""


def timeout_error(limit: float) -> ReadFailedError:
    """Return the error of a mail that took more than *limit* seconds."""
    return ReadFailedError("timeout", f"reading took longer than {limit:g} s")


def unfinished_error() -> ReadFailedError:
    """Return the error of a mail with files that need more time than a first reading has."""
    return ReadFailedError("timeout", "reading its files takes longer")


def deferred_error() -> ReadFailedError:
    """Return the error of a mail whose sender has used up its time; the mail is read, but not with the others."""
    return ReadFailedError("deferred", "mail of its sender took too much time within the last hour")


def reported_error(head: dict[str, Any], limit: float, seconds: float) -> ReportedError:
    """Return the error that the child reports. It may be hostile, so only valid names are kept.

    *limit*: the CPU seconds that the mail had; *seconds*: those that it used.
    """
    error, where = str(head.get("error"))[:80], str(head.get("where"))[:80]
    name = error if _CLASS.fullmatch(error) else "an error"
    location = f" ({where})" if _LOCATION.fullmatch(where) else ""
    if error == OUT_OF_TIME:
        found = ReportedError("timeout", timeout_error(limit).reason)
    else:
        found = ReportedError("error", f"reading failed with {name}{location}")
    found.seconds = seconds
    return found


def exit_error(code: int | None) -> ReadFailedError:
    """Return the error of a process that ended with *code*, negative for a signal as in subprocess."""
    if code is None:
        return ReadFailedError("crash", "the reading process closed its pipe")
    if code == EXIT_MEMORY:
        return ReadFailedError("memory", "reading needed more memory than it may use")
    if code >= 0:
        return ReadFailedError("crash", f"the reading process ended with exit code {code}")
    if -code == signal.SIGXCPU:
        return ReadFailedError("timeout", "reading used more processor time than it may use")
    names = {number.value: number.name for number in signal.Signals}
    return ReadFailedError("crash", f"the reading process ended with signal {names.get(-code, -code)}")


def malformed_answer_error(found: object) -> ReadFailedError:
    """Return the error of a process whose answer has no valid form; *found* describes the fault without quoting it."""
    return ReadFailedError("crash", f"the reading process sent an invalid answer: {found}")
