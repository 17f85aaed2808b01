"""What the children of these tests read with: the raw "mail" says what to do."""

import asyncio
import contextlib
import ctypes
import errno
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Outcome = tuple[dict[str, Any], list[bytes]]

#: linux/fcntl.h
F_SETOWN_EX = 15


def prepare(setup: Any) -> Callable[[bytes, str], Outcome]:
    """The first word of the raw mail names a function of this file, the rest is its argument."""

    def act(raw: bytes, mailbox: str) -> Outcome:
        word, _, rest = raw.partition(b" ")
        return ACTS[word.decode()](rest, mailbox, setup)

    return act


def prepare_slowly(setup: Any) -> Callable[[bytes, str], Outcome]:
    """As the real reading, whose libraries take most of a second."""
    time.sleep(0.8)
    return prepare(setup)


def fail_to_prepare(setup: Any) -> Callable[[bytes, str], Outcome]:
    """As a rule that is refused."""
    raise ValueError(f"rule {setup!r} is wrong")


def end_at_start(_setup: Any) -> Callable[[bytes, str], Outcome]:
    """As a library that takes the process down."""
    os._exit(3)


def echo(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Everything that came, and who answers."""
    return {"size": len(rest), "mailbox": mailbox, "setup": setup, "pid": os.getpid()}, [rest]


def long_text(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """A text too long for the head, with what JSON and UTF-8 find hard."""
    return {"text": "ä\ud800😀\0" * int(rest), "html": "short \udfff", "none": None}, [b"", b"\0\xff"]


def spin(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """A mail that never ends."""
    while True:
        pass


def nap(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """A mail that takes its time."""
    time.sleep(float(rest))
    return echo(b"", mailbox, setup)


def work(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """A mail that takes processor time."""
    until = time.process_time() + float(rest)
    while time.process_time() < until:
        pass
    return echo(b"", mailbox, setup)


def devour(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """A mail that asks for 2 GB."""
    return {"size": len(bytearray(2 * 1024**3))}, []


def grow(rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """A mail after which the process keeps megabytes."""
    KEPT.append(b"x" * (int(rest) * 1024 * 1024))
    return echo(b"", mailbox, setup)


KEPT: list[bytes] = []


def crash(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Each way in which a process ends badly."""
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
    """An exception that quotes the mail."""
    if rest == b"deep":
        return fault(rest, _mailbox, _setup)
    raise LookupError(f"secret {rest!r}")


def answer(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Write bytes of our own to the pipe instead of an answer, then live on."""
    os.write(outgoing(), rest)
    time.sleep(60)
    return {}, []


def endless(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """A frame that says it is small and never ends."""
    pipe = outgoing()
    os.write(pipe, b"\0\0\1\0")
    while True:
        os.write(pipe, b" " * 65536)


def close_pipe(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """Close the answer's pipe and live on."""
    os.close(outgoing())
    time.sleep(60)
    return {}, []


def large(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """An answer over a limit: a head, a part, or many parts."""
    match rest:
        case b"head":
            return {"fields": ["x" * 1000] * 2000}, []
        case b"part":
            return {}, [bytes(200)] * 1000
        case _:
            return {}, [b""] * 5000


def chatter(_rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """Print what nobody asked for, a megabyte of it."""
    for _ in range(1000):
        print("x" * 500)  # noqa: T201
        print("y" * 500, file=sys.stderr)  # noqa: T201
    return echo(b"", mailbox, setup)


def surroundings(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """What the process finds around it."""
    descriptors = [number for number in range(256) if descriptor_is_open(number)]
    return {
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "descriptors": len(descriptors),
        "session": os.getsid(0) == os.getpid(),
    }, []


def late_import(_rest: bytes, mailbox: str, setup: Any) -> Outcome:
    """A library and its data, loaded after the confinement; a thread as well."""
    import dateparser

    found = dateparser.parse("3. März 2025", languages=["de"])
    thread = threading.Thread(target=KEPT.append, args=(b"",))
    thread.start()
    thread.join()
    return {"date": found.isoformat() if found else None}, []


def denials(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """name → "EPERM" and so on, or "done" when it was not denied; *rest* is a folder and the parent's id."""
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
        "bond": lambda: libc("prctl", 1, 0, 0, 0, 0),
        "namespace": lambda: libc("unshare", 0x10000000),
        "mount": lambda: libc("mount", b"none", folder.encode(), b"tmpfs", 0, None),
        "ring": lambda: libc("syscall", number("io_uring_setup"), 1, None),
        "new clone": lambda: libc("syscall", number("clone3"), None, 0),
        "new open": lambda: libc("syscall", number("openat2"), -100, b"/etc/hostname", None, 0),
        "other numbers": lambda: libc("syscall", 0x40000000 + number("socket"), 2, 1, 0),
    }
    return {name: outcome(attempt) for name, attempt in attempts.items()}, []


def readings(rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """As `denials`, for what could be read; *rest* is a file and the parent's id."""
    file, parent = rest.decode().split()
    root = Path(__file__).parents[3]
    process = Path("/proc", parent)
    places: list[str | Path] = [
        file,
        process / "mem",
        process / "environ",
        "/etc/passwd",
        root,
        root / "setup.cfg",
        "/",
        "/tmp",
    ]
    found = {str(place): outcome(partial(os.open, place, os.O_RDONLY)) for place in places}
    return {"others": found, "own": outcome(partial(os.open, __file__, os.O_RDONLY))}, []


def number(name: str) -> int:
    """The number of a system call on this machine, as the kernel's headers give it."""
    numbers = {"tgkill": (234, 131), "io_uring_setup": (425, 425), "clone3": (435, 435), "openat2": (437, 437)}
    return {**numbers, "socket": (41, 198)}[name][platform.machine() == "aarch64"]


def outcome(attempt: Callable[[], object]) -> str:
    """How the system answered."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def libc(name: str, *arguments: Any) -> int:
    """Call the C library as Python's modules would; OSError when it says -1."""
    library = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    if getattr(library, name)(*wide) == -1:
        raise OSError(ctypes.get_errno(), name)
    return 0


def signal_itself(_rest: bytes, _mailbox: str, _setup: Any) -> Outcome:
    """What abort() and a crash handler need."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.raise_signal(signal.SIGUSR1)
    return {"raised": True}, []


def outgoing() -> int:
    """The descriptor of the answer's pipe: the second that the child made for itself."""
    return max(number for number in range(3, 8) if descriptor_is_open(number) and not is_regular(number))


def descriptor_is_open(number: int) -> bool:
    with contextlib.suppress(OSError):
        os.fstat(number)
        return True
    return False


def is_regular(number: int) -> bool:
    """Whether it is a file, such as /proc's, and no pipe."""
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
    )
}
