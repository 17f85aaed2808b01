"""The program of a reading child: a file that Python is started with, `python -I -B … worker/sandbox/child.py`.

It loads the one function that its first frame names, gives up everything it does not need, and then answers a frame
with a frame until its input ends. It sends class names and line numbers of errors, never their texts: those may quote
a mail.
"""

import gc
import importlib
import logging
import os
import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # isolated mode knows neither the current directory nor the script's
    sys.path.insert(0, str(ROOT))

from worker.sandbox import confine, frames, landlock  # noqa: E402  (the path comes first)
from worker.sandbox.limits import EXIT_MEMORY, ChildLimits  # noqa: E402

#: The folders whose functions may be named, and whose lines are told when they fail.
OURS = (ROOT / "worker", ROOT / "tests")

#: Bytes that one call to the system reads or writes: an ordinary mail at once.
BUFFER = 128 * 1024

_NAME = re.compile(r"(?:worker|tests)(?:\.[a-z_][a-z0-9_]*)+:[a-z_][a-z0-9_]*")


def main() -> int:
    """Serve until the parent closes the pipe; the exit code is only for the log."""
    incoming, outgoing = own_pipes()
    hello, _ = frames.receive(incoming) or ({}, [])
    if not hello:
        return 0
    confine.tie_to_parent(hello["parent"])
    limits = ChildLimits.decode(hello["limits"])
    try:
        read = load(hello["function"])(hello["setup"])
    except Exception as error:  # noqa: BLE001  whatever an import or a rule raises, the parent is told
        send(outgoing, {**describe(error), "message": str(error)[:300]})  # no mail was seen yet
        return 1
    warnings.simplefilter("ignore")  # libraries quote what they read
    logging.disable(logging.CRITICAL)
    memory = Memory()
    gc.collect()
    gc.freeze()
    sys.path.remove(str(ROOT))  # what is ours is loaded; beside it lie settings and mail
    readable = [*OURS, *landlock.libraries()]
    send(outgoing, {"ready": True, "missing": confine.confine(limits, readable)})
    serve(incoming, outgoing, read, limits, memory)
    return 0


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes away from standard input and output, so that a stray print cannot spoil a frame."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(incoming, "rb", BUFFER), os.fdopen(outgoing, "wb", BUFFER)


def load(name: str) -> Callable[[Any], frames.Read]:
    """The function `package.module:function`, from this project's own files alone."""
    if not _NAME.fullmatch(name):
        raise ValueError("the reading function must be named as worker.module:function")
    module, function = name.split(":")
    found: Callable[[Any], frames.Read] = getattr(importlib.import_module(module), function)
    if not ours(Path(sys.modules[module].__file__ or "/")):
        raise ValueError(f"{module} was found outside of the project")
    return found


def serve(incoming: BinaryIO, outgoing: BinaryIO, read: frames.Read, limits: ChildLimits, memory: "Memory") -> None:
    """Answer every frame until the input ends."""
    while frame := frames.receive(incoming):
        head, (raw,) = frame
        del frame
        try:
            answer, parts = pack(*read(raw, head["mailbox"]))
            answer |= {"rss": memory.resident(), "cpu": time.process_time()}
            send(outgoing, answer, parts, limits)
        except MemoryError:
            os._exit(EXIT_MEMORY)
        except Exception as error:  # noqa: BLE001  one bad mail must not end the process for the next
            send(outgoing, describe(error))
        raw, answer, parts = b"", {}, []  # nothing of a mail stays while the next one is awaited


def pack(reading: dict[str, Any], attachments: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Long texts out of the JSON, in front of the attachments."""
    long = [name for name, value in reading.items() if isinstance(value, str) and len(value) > frames.LONG_TEXT]
    texts = [reading[name].encode("utf-8", "replace") for name in long]
    short = {name: value for name, value in reading.items() if name not in long}
    return {"reading": short, "long": long}, [*texts, *attachments]


def send(
    outgoing: BinaryIO, head: dict[str, Any], parts: Sequence[bytes] = (), limits: ChildLimits | None = None
) -> None:
    """Write one frame; FrameError, with nothing written, when it is over *limits*."""
    outgoing.write(frames.encode(head, parts, limits=limits))
    for part in parts:
        outgoing.write(part)
    outgoing.flush()


def describe(error: BaseException) -> dict[str, str]:
    """The error's class and the innermost line of ours that it came through."""
    where, step = "", error.__traceback__
    while step:
        path = Path(step.tb_frame.f_code.co_filename)
        if ours(path):
            where = f"{path.name}:{step.tb_lineno}"
        step = step.tb_next
    return {"error": type(error).__name__, "where": where}


def ours(path: Path) -> bool:
    """Whether the file is one of the project's."""
    return any(path.is_relative_to(folder) for folder in OURS)


class Memory:
    """Resident bytes now; opened before the filter, read in a microsecond. Where there is no /proc, the most ever."""

    def __init__(self) -> None:
        statm = Path("/proc/self/statm")
        self._statm = os.open(statm, os.O_RDONLY) if statm.exists() else None

    def resident(self) -> int:
        if self._statm is None:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(os.pread(self._statm, 128, 0).split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
