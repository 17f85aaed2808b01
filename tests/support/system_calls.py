"""Tries system calls, for probes that run in a confined child."""

import ctypes
import errno
import platform
from collections.abc import Callable
from typing import Any

#: Numbers of calls without a function in every C library: on x86-64, on aarch64 (the kernel's tables).
_NUMBERS = {
    "socket": (41, 198), "tgkill": (234, 131), "io_uring_setup": (425, 425), "clone3": (435, 435),
    "openat2": (437, 437), "seccomp": (317, 277), "bpf": (321, 280), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "perf_event_open": (298, 241),
}  # fmt: skip


def number(name: str) -> int:
    """Return the number of a call on this machine."""
    return _NUMBERS[name][platform.machine() == "aarch64"]


def outcome(attempt: Callable[[], object]) -> str:
    """Return the system's answer to an attempt: "done", or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def libc(name: str, *arguments: Any) -> int:
    """Call a function of the C library. Raises OSError when it returns -1."""
    library = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    if getattr(library, name)(*wide) == -1:
        raise OSError(ctypes.get_errno(), name)
    return 0
