"""Functions with which the children of these tests "read": the raw mail names the action."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tests.support.system_calls import libc, number, outcome
from worker.sandbox.file_watch import FileWatch
from worker.sandbox.frames import Answer, ReadFunction
from workitems.confinement import seccomp

Outcome = tuple[dict[str, Any], list[bytes]]

#: linux/fcntl.h
F_SETOWN_EX = 15
#: asm-generic/ioctls.h: to type into a terminal.
TIOCSTI = 0x5412
#: uretprobe and uprobe of x86-64: no filter sees them, and the kernel ends a process that calls them itself.
PROBES = {335, 336}
#: The first number of the x32 calls.
X32 = 0x40000000


def prepare(setup: Any) -> ReadFunction:
    """Return a function that runs the action of the first word of a mail; the rest is its argument.

    After "files " there are two actions, of the message and of its only file, with "|" between them.
    """

    def act(raw: bytes, mailbox: str, watch: FileWatch) -> Iterator[Answer]:
        message, _, file = raw.removeprefix(b"files ").partition(b"|") if raw.startswith(b"files ") else (raw, b"", b"")
        yield Answer(*run(message, mailbox), more=bool(file))
        if file:
            with watch(1):
                found, contents = run(file, mailbox)
            yield Answer({"file": found}, contents)

    def run(action: bytes, mailbox: str) -> Outcome:
        word, _, rest = action.partition(b" ")
        return ACTS[word.decode()](rest, mailbox, setup)

    return act


def prepare_slowly(setup: Any) -> ReadFunction:
    """Start slowly, as the real reading does: its libraries take most of a second."""
    time.sleep(0.8)
    return prepare(setup)


def fail_to_prepare(setup: Any) -> NoReturn:
    """Fail, as for a rule that is refused."""
    raise ValueError(f"rule {setup!r} is wrong")


def prepare_or_refuse(setup: Any) -> ReadFunction:
    """Return the function, but fail for the rules of the mailbox "refused"."""
    return fail_to_prepare(setup) if "refused" in setup else prepare(setup)


def end_at_start(_setup: Any) -> ReadFunction:
    """End the process, as a broken library could."""
    os._exit(3)


def echo(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Return all input and the process id."""
    return {"size": len(rest), "mailbox": mailbox, "setup": setup, "pid": os.getpid()}, [rest]


def long_text(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Return a text too long for the head, with characters that are difficult in JSON and UTF-8."""
    return {"text": "ä\ud800😀\0" * int(rest), "html": "short \udfff", "none": None}, [b"", b"\0\xff"]


def spin(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Never end."""
    while True:
        pass


def nap(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Sleep for so many seconds."""
    time.sleep(float(rest))
    return echo(b"", mailbox, setup)


def work(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Use so many seconds of processor time."""
    until = time.process_time() + float(rest)
    while time.process_time() < until:
        pass
    return echo(b"", mailbox, setup)


def devour(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Allocate 2 GB."""
    return {"size": len(bytearray(2 * 1024**3))}, []


def grow(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Keep so many megabytes in the process."""
    KEPT.append(b"x" * (int(rest) * 1024 * 1024))
    return echo(b"", mailbox, setup)


KEPT: list[bytes] = []


def crash(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """End the process in one of several ways."""
    match rest:
        case b"segfault":
            ctypes.string_at(0)
        case b"abort":
            os.abort()
        case b"exit":
            os._exit(9)
        case b"leave":
            sys.exit(5)
    raise AssertionError("unreachable")


def fault(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Raise an exception that quotes the mail."""
    if rest == b"deep":
        return fault(rest, _mailbox, _setup)
    raise LookupError(f"secret {rest!r}")


def answer(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Write these bytes to the pipe instead of an answer, and keep running."""
    os.write(outgoing(), rest)
    time.sleep(60)
    return {}, []


def endless(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Write a frame that claims to be small but never ends."""
    pipe = outgoing()
    os.write(pipe, b"\0\0\1\0")
    while True:
        os.write(pipe, b" " * 65536)


def close_pipe(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Close the pipe of the answers and keep running."""
    os.close(outgoing())
    time.sleep(60)
    return {}, []


def large(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Return an answer that exceeds a limit: its head, its parts, or their number."""
    match rest:
        case b"head":
            return {"fields": ["x" * 1000] * 2000}, []
        case b"part":
            return {}, [bytes(200)] * 1000
        case _:
            return {}, [b""] * 5000


def chatter(_rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Print a megabyte of text."""
    for _ in range(1000):
        print("x" * 500)  # noqa: T201
        print("y" * 500, file=sys.stderr)  # noqa: T201
    return echo(b"", mailbox, setup)


def surroundings(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Return environment, directory, descriptors and session of the process."""
    descriptors = [number for number in range(256) if descriptor_is_open(number)]
    return {
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "descriptors": len(descriptors),
        "session": os.getsid(0) == os.getpid(),
    }, []


def late_import(_rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Load a library with its data, and start a thread, after the confinement."""
    import dateparser

    found = dateparser.parse("3. März 2025", languages=["de"])
    thread = threading.Thread(target=KEPT.append, args=(b"",))
    thread.start()
    thread.join()
    return {"date": found.isoformat() if found else None}, []


def denials(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Try forbidden actions: name → "EPERM" and so on, or "done" if not denied. *rest*: a folder, the parent's id."""
    folder, parent = rest.decode().split()
    file, other = Path(folder, "file"), int(parent)
    attempts: dict[str, Callable[[], object]] = {
        "socket": lambda: socket.socket(),
        "socket unix": lambda: socket.socket(socket.AF_UNIX),
        "socketpair": lambda: socket.socketpair(),
        "event loop": lambda: asyncio.run(asyncio.sleep(0)),
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "shell": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "fork": lambda: os.fork() or os._exit(0),
        "signal to the parent": lambda: os.kill(other, 0),
        "signal to the group": lambda: os.kill(0, 0),
        "signal by handle": lambda: os.pidfd_open(other),
        "thread signal": lambda: libc("syscall", number("tgkill"), other, other, 0),
        "signal by a pipe": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, other),
        "signal by a pipe to a thread": lambda: fcntl.fcntl(0, F_SETOWN_EX, struct.pack("ii", 1, other)),
        "priority of the parent": lambda: os.setpriority(os.PRIO_PROCESS, other, 19),
        "class of the parent": lambda: os.sched_setscheduler(other, os.SCHED_IDLE, os.sched_param(0)),
        "processors of the parent": lambda: os.sched_setaffinity(other, {0}),
        "own priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
        "ptrace": lambda: libc("ptrace", 16, other, None, None),
        "memory of the parent": lambda: libc("process_vm_readv", other, None, 0, None, 0, 0),
        "write": lambda: file.write_bytes(b"x"),
        "append": lambda: os.open(file, os.O_WRONLY | os.O_APPEND),
        "update": lambda: os.open(file, os.O_RDWR),
        "truncate": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
        "truncate by name": lambda: os.truncate(file, 0),
        "create": lambda: Path(folder, "new").touch(),
        "device": lambda: os.open("/dev/null", os.O_WRONLY),
        "kernel": lambda: Path("/proc/self/comm").write_text("x"),
        "unlink": file.unlink,
        "rename": lambda: file.rename(Path(folder, "other")),
        "link": lambda: Path(folder, "hard").hardlink_to(file),
        "symlink": lambda: Path(folder, "soft").symlink_to(file),
        "mkdir": lambda: Path(folder, "sub").mkdir(),
        "rmdir": lambda: Path(folder, "empty").rmdir(),
        "chmod": lambda: file.chmod(0o777),
        "chown": lambda: os.chown(file, 1, 1),
        "touch": lambda: os.utime(file),
        "limit": lambda: libc("setrlimit", 9, None),
        "limit of the parent": lambda: libc("prlimit", other, 4, None, None),
        "parent death signal": lambda: libc("prctl", 1, 0, 0, 0, 0),
        "namespace": lambda: libc("unshare", 0x10000000),
        "mount": lambda: libc("mount", b"none", folder.encode(), b"tmpfs", 0, None),
        "root": lambda: os.chroot(folder),
        "user": lambda: os.setuid(1),
        "file by handle": lambda: libc("open_by_handle_at", -100, None, 0),
        "handle of a file": lambda: libc("name_to_handle_at", -100, str(file).encode(), None, None, 0),
        "file in memory": lambda: os.memfd_create("x"),
        "pipe": os.pipe,
        "event": lambda: os.eventfd(0),
        "watch": lambda: libc("inotify_init1", 0),
        "terminal": lambda: fcntl.ioctl(0, TIOCSTI, b"x"),
        "asynchronous pipe": lambda: fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC),
        "lease": lambda: fcntl.fcntl(0, fcntl.F_SETLEASE, fcntl.F_RDLCK),
        "lock": lambda: fcntl.flock(0, fcntl.LOCK_EX),
        "own program": lambda: libc("syscall", number("seccomp"), 0, 0, None),
        "bpf": lambda: libc("syscall", number("bpf"), 0, None, 0),
        "page faults": lambda: libc("syscall", number("userfaultfd"), 0),
        "keys": lambda: libc("syscall", number("keyctl"), 0, 0, 0),
        "counters": lambda: libc("syscall", number("perf_event_open"), None, 0, -1, -1, 0),
        "shared memory": lambda: libc("shmget", 0, 4096, 0o1600),
        "messages": lambda: libc("msgget", 0, 0o1600),
        "personality": lambda: libc("personality", 0x0040000),
        "ring": lambda: libc("syscall", number("io_uring_setup"), 1, None),
        "new clone": lambda: libc("syscall", number("clone3"), None, 0),
        "new open": lambda: libc("syscall", number("openat2"), -100, b"/etc/hostname", None, 0),
        "other numbers": lambda: libc("syscall", 0x40000000 + number("socket"), 2, 1, 0),
    }
    return {name: outcome(attempt) for name, attempt in attempts.items()}, []


def readings(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Like `denials`, for reading files. *rest*: a file, the parent's id."""
    file, parent = rest.decode().split()
    root = Path(__file__).parents[3]
    process = Path("/proc", parent)
    paths: list[str | Path] = [
        file,
        process / "mem",
        process / "environ",
        "/etc/passwd",
        root,
        root / "setup.cfg",
        "/",
        "/tmp",
    ]
    found = {str(path): outcome(partial(os.open, path, os.O_RDONLY)) for path in paths}
    return {"others": found, "own": outcome(partial(os.open, __file__, os.O_RDONLY))}, []


def other_calls(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Try every number of a call that is not on the list, also as an x32 call: number → answer, if it is another."""
    column = seccomp.MACHINES[platform.machine()][1]
    rows = [*seccomp.ALLOWED.values(), *seccomp.DECIDED]
    listed = {each for row in rows for each in seccomp.numbers(row, column)}
    tried = [each for each in range(600) if each not in listed | PROBES]
    tried += [X32 + each for each in range(600)] if platform.machine() == "x86_64" else []
    found = {each: outcome(partial(libc, "syscall", each, *[0] * 6)) for each in tried}
    return {"tried": len(tried), **{str(each): answer for each, answer in found.items() if answer != "ENOSYS"}}, []


def signal_itself(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Send a signal to itself, as abort() and a crash handler do."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.raise_signal(signal.SIGUSR1)
    return {"raised": True}, []


def outgoing() -> int:
    """Return the descriptor of the answers' pipe: the second that the child made for itself."""
    return max(number for number in range(3, 8) if descriptor_is_open(number) and not is_regular(number))


def descriptor_is_open(number: int) -> bool:
    with contextlib.suppress(OSError):
        os.fstat(number)
        return True
    return False


def is_regular(number: int) -> bool:
    """Return whether it is a regular file, such as one of /proc, and no pipe."""
    return bool(os.fstat(number).st_mode & 0o100000) and not os.fstat(number).st_mode & 0o040000


ACTS: dict[str, Callable[[bytes, str, Any], Outcome]] = {
    act.__name__: act
    for act in (
        echo,
        long_text,
        spin,
        nap,
        work,
        devour,
        grow,
        crash,
        fault,
        answer,
        endless,
        close_pipe,
        large,
        chatter,
        surroundings,
        late_import,
        denials,
        readings,
        signal_itself,
        other_calls,
    )
}
