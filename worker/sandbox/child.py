"""The program of a reading child, started as `python -I -B … worker/sandbox/child.py`.

It loads the function that its first frame names and gives up all rights that it does not need. Then it answers each
frame until its input ends: a mail, or other rules for the mails after it. It sends class names and line numbers of
errors, never their texts, which may quote a mail.
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
if __name__ == "__main__":  # isolated mode adds neither the current directory nor the script's
    sys.path.insert(0, str(ROOT))

from worker.reading.attachments.library_guard import OutOfTimeError  # noqa: E402  (the path comes first)
from worker.sandbox import frames  # noqa: E402
from worker.sandbox.file_watch import CpuTimer, FileWatch  # noqa: E402
from worker.sandbox.limits import ChildLimits  # noqa: E402
from workitems.confinement import confine, landlock  # noqa: E402
from workitems.confinement.limits import EXIT_MEMORY  # noqa: E402

#: The folders whose functions may be named, and whose line numbers are reported when they fail.
PROJECT_FOLDERS = (ROOT / "worker", ROOT / "tests")

#: Bytes that one system call reads or writes: an ordinary mail in one call.
BUFFER = 128 * 1024

#: A function that makes the reading function from the rules.
MakeReader = Callable[[Any], frames.ReadFunction]

_NAME = re.compile(r"(?:worker|tests)(?:\.[a-z_][a-z0-9_]*)+:[a-z_][a-z0-9_]*")


def main() -> int:
    """Serve until the parent closes the pipe. Return the exit code, which is only for the log."""
    incoming, outgoing = own_pipes()
    hello, _ = frames.receive(incoming) or ({}, [])
    if not hello:
        return 0
    confine.tie_to_parent(hello["parent"])
    os.nice(hello["nice"])
    limits = ChildLimits.decode(hello["limits"])
    try:
        make_reader = load(hello["function"])
        read = make_reader(hello["setup"])
    except Exception as error:  # noqa: BLE001  imports and rules may raise anything; the parent needs a report
        send(outgoing, {**describe(error), "message": str(error)[:300]})  # safe to quote: no mail has been read yet
        return 1
    warnings.simplefilter("ignore")  # libraries quote what they read
    logging.disable(logging.CRITICAL)
    memory = MemoryMeter()
    gc.collect()
    gc.freeze()
    confine.hide_project(ROOT)
    readable = [*PROJECT_FOLDERS, *landlock.libraries()]
    missing = confine.confine(limits, readable)
    send(outgoing, {"ready": True, "missing": missing, "cpu": time.process_time()})
    serve(incoming, outgoing, make_reader, read, limits, memory)
    return 0


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the two pipes away from standard input and output, so that a stray print cannot damage a frame."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(incoming, "rb", BUFFER), os.fdopen(outgoing, "wb", BUFFER)


def load(name: str) -> MakeReader:
    """Import `package.module:function`, which must be in this project's own files. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("the reading function must be named as worker.module:function")
    module, function = name.split(":")
    found: MakeReader = getattr(importlib.import_module(module), function)
    if not is_project_file(Path(sys.modules[module].__file__ or "/")):
        raise ValueError(f"{module} was found outside of the project")
    return found


def serve(
    incoming: BinaryIO,
    outgoing: BinaryIO,
    make_reader: MakeReader,
    read: frames.ReadFunction,
    limits: ChildLimits,
    memory: "MemoryMeter",
) -> None:
    """Answer every frame until the input ends."""
    timer = CpuTimer()

    def report(n: int) -> None:
        send(outgoing, {"file": n})

    while frame := frames.receive(incoming):
        head, parts = frame
        del frame
        if "setup" in head:
            read = change_setup(outgoing, make_reader, read, head["setup"])
            continue
        (raw,) = parts
        watch = FileWatch(timer, report, head["files"], head["share"])
        try:
            answers = read(raw, head["mailbox"], watch)
            with timer.limit(head["seconds"]):
                given = next(answers)
            while True:
                answer, parts = pack(given.reading, given.attachments or ())
                answer |= {"rss": memory.resident(), "cpu": time.process_time(), "more": given.more}
                answer |= {"same": given.attachments is None, "unfinished": watch.is_out_of_time}
                send(outgoing, answer, parts, limits)
                if not given.more:
                    break
                given = next(answers)
        except MemoryError:
            os._exit(EXIT_MEMORY)
        except (Exception, OutOfTimeError) as error:  # noqa: BLE001  one bad mail must not end the process for the next
            send(outgoing, {**describe(error), "cpu": time.process_time()})
        raw, answer, parts, given = (
            b"",
            {},
            [],
            frames.Answer({}, None),
        )  # keep nothing of a mail while waiting for the next one


def change_setup(
    outgoing: BinaryIO, make_reader: MakeReader, read: frames.ReadFunction, setup: Any
) -> frames.ReadFunction:
    """Return the function that reads with another *setup*, or *read* when there is none, and tell the parent."""
    try:
        read = make_reader(setup)
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except Exception as error:  # noqa: BLE001  rules may raise anything; the parent ends this process then
        send(outgoing, describe(error))
        return read
    gc.collect()
    gc.freeze()
    send(outgoing, {"ready": True, "cpu": time.process_time()})
    return read


def pack(reading: dict[str, Any], attachments: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Move long texts out of the JSON and put them before the attachments."""
    long = [name for name, value in reading.items() if isinstance(value, str) and len(value) > frames.LONG_TEXT]
    texts = [reading[name].encode("utf-8", "replace") for name in long]
    short = {name: value for name, value in reading.items() if name not in long}
    return {"reading": short, "long": long}, [*texts, *attachments]


def send(
    outgoing: BinaryIO, head: dict[str, Any], parts: Sequence[bytes] = (), limits: ChildLimits | None = None
) -> None:
    """Write one frame. Raises FrameError, and writes nothing, when it is over *limits*."""
    outgoing.write(frames.encode(head, parts, limits=limits))
    for part in parts:
        outgoing.write(part)
    outgoing.flush()


def describe(error: BaseException) -> dict[str, str]:
    """Return the error's class and the innermost line of this project in its traceback."""
    where, step = "", error.__traceback__
    while step:
        path = Path(step.tb_frame.f_code.co_filename)
        if is_project_file(path):
            where = f"{path.name}:{step.tb_lineno}"
        step = step.tb_next
    return {"error": type(error).__name__, "where": where}


def is_project_file(path: Path) -> bool:
    """Return whether the file belongs to the project."""
    return any(path.is_relative_to(folder) for folder in PROJECT_FOLDERS)


class MemoryMeter:
    """Measures resident bytes in a microsecond. Without /proc it returns the peak.

    It opens its file before the filter denies that.
    """

    def __init__(self) -> None:
        statm = Path("/proc/self/statm")
        self._statm = os.open(statm, os.O_RDONLY) if statm.exists() else None

    def resident(self) -> int:
        if self._statm is None:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(os.pread(self._statm, 128, 0).split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
