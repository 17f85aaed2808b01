"""Gives the metrics of this process to the other processes of the host, by a socket of its own in a common folder.

A socket needs no Redis, and its answer is of this moment: so a counter never goes back from one scrape to the next,
whichever process answers. The series of a process that has ended disappear with it.
"""

import asyncio
import errno
import os
import re
import socket
import stat
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from workitems.base.errors import DecodeError
from workitems.base.log import get_logger
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.samples import ProcessSamples, decode_samples, encode_samples

log = get_logger("metrics")

#: Seconds for an answer. A process needs up to two of them while its disk hangs.
ANSWER_SECONDS = 2.5

#: The most processes that are asked, and bytes of an answer.
MAX_PROCESSES, MAX_ANSWER_BYTES = 128, 4 * 1024 * 1024

#: Seconds after which a socket that nobody listens on is removed: a process that starts makes its own anew.
_LEFT_BEHIND_SECONDS = 60.0

_SUFFIX = ".sock"


@dataclass(frozen=True, slots=True)
class HostSamples:
    """The metrics of the other processes, and the names of those that run but gave no answer."""

    answered: Sequence[ProcessSamples]
    silent: Sequence[str]


@asynccontextmanager
async def serving_samples(folder: Path, metrics: ProcessMetrics) -> AsyncIterator[None]:
    """Answer inside the block at a socket in *folder*. A folder that cannot be used is logged and is no error."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(encode_samples(await metrics.collect()))
                await writer.drain()
        writer.close()

    path = _socket_path(folder, metrics.process)
    try:
        _make_own(folder)
        listening = _listen(path)
    except OSError as error:
        reason = f"{path}: {error.strerror or error}; TMPDIR sets another place"
        log.warning("other processes cannot have the metrics of this one", reason=reason)
        yield
        return
    made = path.stat().st_ino
    server = await asyncio.start_unix_server(answer, sock=listening)
    try:
        yield
    finally:
        server.close()
        _remove_own(path, made)


async def ask_processes(folder: Path, *, except_process: str) -> HostSamples:
    """Return the metrics of all processes with a socket in *folder*, within ANSWER_SECONDS."""
    paths = _other_sockets(_socket_path(folder, except_process))
    answers = await asyncio.gather(*map(_ask, paths))
    return HostSamples(
        [answer for answer in answers if isinstance(answer, ProcessSamples)],
        [path.stem for path, answer in zip(paths, answers, strict=True) if answer == "silent"],
    )


def _other_sockets(own: Path) -> list[Path]:
    try:
        _check_own(own.parent)
        return sorted(path for path in own.parent.glob(f"*{_SUFFIX}") if path != own)[:MAX_PROCESSES]
    except OSError:  # no process gives its metrics there
        return []


async def _ask(path: Path) -> ProcessSamples | str:
    """Return what a process answers: `silent` if it runs and does not answer, `ended` if it does not run."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return decode_samples(await _read_all(path))
    except (ConnectionRefusedError, FileNotFoundError):
        _remove_left_behind(path)
        return "ended"
    except (OSError, TimeoutError, DecodeError):
        return "silent"


def _remove_own(path: Path, made: int) -> None:
    with suppress(OSError):
        if path.stat().st_ino == made:  # else a new process of this name listens already
            path.unlink()
        path.parent.rmdir()  # the last process removes it


def _remove_left_behind(path: Path) -> None:
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _LEFT_BEHIND_SECONDS:
            path.unlink()


async def _read_all(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        found = bytearray()
        while piece := await reader.read(65536):
            found += piece
            if len(found) > MAX_ANSWER_BYTES:
                raise DecodeError("the metrics of a process are too large")
        return bytes(found)
    finally:
        writer.close()


def _make_own(folder: Path) -> None:
    """Make a folder that only this user can use, below one of all users. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_own(folder)


def _check_own(folder: Path) -> None:
    """Raise OSError when another user could put a socket into *folder*."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "the folder belongs to others")


def _listen(path: Path) -> socket.socket:
    """Return a listening socket at *path*, in the place of one that an earlier process left. Raises OSError."""
    with suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.setblocking(False)
        listening.bind(os.fspath(path))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def _socket_path(folder: Path, process: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9_.-]', '_', process)[:40]}{_SUFFIX}"
