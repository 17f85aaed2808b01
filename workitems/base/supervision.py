"""One supervisord owns a data folder, and its programs end with it.

A supervisord that is killed cannot stop its programs. So each program asks the kernel to end it then (prctl(2), Linux).
It also holds a lock in the data folder (flock(2)): programs of another supervisord wait for it or refuse to start. The
kernel frees a lock when its process ends, however it ends; exec keeps it.
"""

import ctypes
import fcntl
import os
import random
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workitems.base.errors import TubepostError

#: Seconds to wait for a lock. Less than `startsecs` of a worker, so that one that is refused is BACKOFF in the status.
WAIT_SECONDS = 3.0

_STDOUT = 1

#: linux/prctl.h
_PR_SET_PDEATHSIG = 1

#: Bytes that name an owner. A fixed length is written in place, so that a full disk does not prevent a start.
_OWNER_BYTES = 64


class DataFolderInUseError(TubepostError):
    """Another program holds the data folder; the message names it and says how to end it."""


class DataFolderUnusableError(TubepostError):
    """The data folder cannot be made or written, or its file system has no locks."""


class SupervisorLostError(TubepostError):
    """The supervisord that started this program has ended."""


def is_supervised() -> bool:
    """Return whether supervisord started this program."""
    return "SUPERVISOR_ENABLED" in os.environ


def signal_when_parent_ends(number: signal.Signals) -> None:
    """Ask the kernel for signal *number* when the parent ends; other systems than Linux cannot do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def close_to_others(folder: Path) -> None:
    """Let nobody but the owner and the group read *folder* and its logs, and only the owner write.

    supervisord creates the logs, and has no setting for their rights unless it runs as a daemon.
    """
    for path, most in [(folder, 0o750), *((log, 0o640) for log in folder.glob("*.log*"))]:
        with suppress(OSError):  # it belongs to another user, or the file system has no rights
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o777 & ~most:
                path.chmod(mode & ~(0o777 & ~most))


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send signal *number* to this process when its parent ends (Linux only; kept over exec).

    Raises SupervisorLostError when the parent has ended already.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    signal_when_parent_ends(number)
    # It may have ended before. Then nothing reads the pipe of this program's output, which supervisord always makes. A
    # wrapper may have put a file there: then it shows when process 1, in another session, is the parent.
    is_orphan = parent == 1 and os.getsid(1) != os.getsid(0)
    if os.getppid() != parent or is_orphan or _is_unread(_STDOUT):
        raise SupervisorLostError("the supervisord that started this program has ended; start supervisord again")


def _is_unread(descriptor: int) -> bool:
    """Return whether *descriptor* is a pipe whose reading end is closed in all processes (poll(2): POLLERR)."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def hold_alone(path: Path) -> int:
    """Lock the file *path* for this process alone; return its descriptor.

    Raises DataFolderInUseError, and DataFolderUnusableError.
    """
    return _hold(path, lambda descriptor: _lock(descriptor, fcntl.LOCK_EX))


def hold_with_siblings(path: Path) -> int:
    """Lock the file *path* for the programs of this supervisord; return its descriptor. Raises as `hold_alone`.

    The programs share the lock. The file names their supervisord; a program of another one can replace that name only
    when no program holds the lock.
    """
    owner = _identity(_supervisor())

    def attempt(descriptor: int) -> bool:
        if _lock(descriptor, fcntl.LOCK_SH):
            if os.pread(descriptor, _OWNER_BYTES, 0) == owner:
                return True
            if _lock(descriptor, fcntl.LOCK_EX):
                os.pwrite(descriptor, owner, 0)
                # The change to a shared lock is not atomic: a program of another supervisord may have come in between.
                if _lock(descriptor, fcntl.LOCK_SH) and os.pread(descriptor, _OWNER_BYTES, 0) == owner:
                    return True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False

    return _hold(path, attempt)


def _hold(path: Path, attempt: Callable[[int], bool]) -> int:
    # An error of the disk is waited for too: supervisord starts a program again without end only if it ran for a while.
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        is_last = time.monotonic() > deadline
        try:
            descriptor = _open_locked(path, attempt)
        except OSError as error:
            if is_last:
                advice = "Correct that, or set `data` to another folder"
                raise DataFolderUnusableError(f"{path.parent} cannot be used: {error.strerror}. {advice}") from None
        else:
            if descriptor is not None:
                os.set_inheritable(descriptor, True)
                return descriptor
            if is_last:
                raise DataFolderInUseError(_in_use(path))
        time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - two that wait must not meet each time


def _open_locked(path: Path, attempt: Callable[[int], bool]) -> int | None:
    """Open and lock the file, and return its descriptor; None when another program holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    is_locked = False
    try:
        is_locked = attempt(descriptor)
    finally:
        if not is_locked:
            os.close(descriptor)
    return descriptor if is_locked else None


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _supervisor() -> int:
    """Return the id of the supervisord above this process, also above a wrapper such as su; else that of the parent."""
    pid = os.getppid()
    while pid > 0:
        if "supervisord" in _command(pid):
            return pid
        pid = _parent(pid)
    return os.getppid()


def _identity(pid: int) -> bytes:
    """Return a name of a process that no later process has: a pid is used again, its start time is not (proc(5))."""
    started = ""
    with suppress(OSError):
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{pid} {started}".encode().ljust(_OWNER_BYTES)


def _in_use(path: Path) -> str:
    """Return what holds the lock and how to end it."""
    holders = _holders(path)
    if not holders:
        return f"{path.parent} is in use by another program; `fuser {path}` names it. End it first"
    running = ", ".join(f"pid {pid} ({_readable(_command(pid))})" for pid in holders)
    # A supervisord that still runs would start its programs again.
    parents = {pid: _parent(pid) for pid in holders}
    ends = sorted({parent if "supervisord" in _command(parent) else pid for pid, parent in parents.items()})
    return (
        f"{path.parent} is in use by {running}. End that first with `kill {' '.join(map(str, ends))}`, "
        "or set `data` to another folder"
    )


def _readable(command: str) -> str:
    """Return at most 80 characters of a command line, without the folder of the program."""
    program, _, rest = command.partition(" ")
    short = f"{program.rpartition('/')[2]} {rest}".strip()
    return short if len(short) <= 80 else short[:79] + "…"


def _holders(path: Path) -> list[int]:
    """Return the ids of the processes that hold a lock on this file; none where /proc/locks does not say it."""
    found = set()
    with suppress(OSError):
        status = path.stat()
        file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()  # 1: FLOCK ADVISORY WRITE 123 fe:00:456 0 EOF
            if len(words) == 8 and words[5] == file and words[4].isdigit():
                found.add(int(words[4]))
    return sorted(pid for pid in found if pid != os.getpid() and _command(pid))


def _command(pid: int) -> str:
    """Return the command line of a process; '' when it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return " ".join(" ".join(words).split())


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
