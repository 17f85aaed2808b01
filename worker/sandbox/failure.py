"""How a reading can end badly, in words for a person. Never any mail content."""

import re
import signal
from typing import Any, Literal

from worker.sandbox.limits import EXIT_MEMORY
from workitems.errors import TubepostError

Kind = Literal["timeout", "memory", "crash", "error"]

_CLASS = re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII)
_PLACE = re.compile(r"\w{1,60}\.py:\d{1,6}", re.ASCII)


class ReadFailedError(TubepostError):
    """This mail could not be read. `kind` tells how, `reason` tells a person in one sentence."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class SandboxUnavailableError(TubepostError):
    """No reading process starts, none got free in time, or the sandbox is closed: never the mail's fault."""


def took_too_long(limit: float) -> ReadFailedError:
    """The time for one mail, *limit* seconds, is over."""
    return ReadFailedError("timeout", f"reading took longer than {limit:g} s")


def raised(head: dict[str, Any]) -> ReadFailedError:
    """The child's own report of an exception; it read a stranger's mail, so only what looks like ours is passed on."""
    error, where = str(head.get("error"))[:80], str(head.get("where"))[:80]
    name = error if _CLASS.fullmatch(error) else "an error"
    place = f" ({where})" if _PLACE.fullmatch(where) else ""
    return ReadFailedError("error", f"reading failed with {name}{place}")


def ended(code: int | None) -> ReadFailedError:
    """The process ended by itself with *code*, negative for a signal as in subprocess."""
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


def nonsense(found: object) -> ReadFailedError:
    """The process answered what is no answer; *found* is a sentence of ours."""
    return ReadFailedError("crash", f"the reading process answered nonsense: {found}")
