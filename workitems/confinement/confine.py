"""Removes a child's rights before it works on what a stranger wrote.

Each step returns whether the platform supports it.
Linux: prctl(2), capabilities(7), landlock(7), seccomp(2). Other platforms have only the limits of setrlimit(2).
"""

import contextlib
import ctypes
import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from workitems.confinement import landlock, seccomp
from workitems.confinement.limits import ProcessLimits

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9

# linux/capability.h. The right to read any file stays, so that root can read libraries in another user's home folder.
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_READ_SEARCH = 1 << 2


def tie_to_parent(parent: int) -> bool:
    """Let the kernel kill this process when *parent* ends. Exit at once if it has already ended."""
    tied = _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    return tied


def hide_project(root: Path) -> None:
    """Take the project's folder out of the import path: its modules are loaded, and it may hold settings and mail."""
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != root]


def confine(limits: ProcessLimits, readable: list[Path]) -> list[str]:
    """Remove all rights except to read *readable*. Return the steps that this platform does not support."""
    _prefer_for_oom_kill()
    steps: dict[str, Callable[[], bool]] = {
        "memory limit": lambda: _limit(resource.RLIMIT_AS, limits.max_memory_bytes),
        "file size limit": lambda: _limit(resource.RLIMIT_FSIZE, limits.max_file_bytes),
        "descriptor limit": lambda: _limit(resource.RLIMIT_NOFILE, limits.max_open_files),
        "core limit": lambda: _limit(resource.RLIMIT_CORE, 0),
        "processor limit": lambda: _limit(resource.RLIMIT_CPU, limits.max_cpu_seconds),
        "no new privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "no capabilities": _drop_capabilities,
        "landlock": lambda: landlock.read_only(readable),
        "not dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "seccomp": _filter,  # last, since it denies the calls that the other steps make
    }
    return [name for name, step in steps.items() if not step()]


def _limit(what: int, value: int) -> bool:
    """Lower a limit permanently. A limit that is already lower is kept."""
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(what, (value, value))
    except (ValueError, OSError):  # macOS defines RLIMIT_AS but refuses it
        return False
    return True


def _prefer_for_oom_kill() -> None:
    """Make the kernel kill this process, not the worker or Redis, when the machine runs out of memory."""
    with contextlib.suppress(OSError):  # no /proc, or one that cannot be written
        Path("/proc/self/oom_score_adj").write_text("1000")


def _prctl(option: int, value: int, pointer: object = None) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) == 0)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _drop_capabilities() -> bool:
    """Drop the capabilities: root then has an ordinary user's rights and cannot raise its limits again."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    header, sets = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), (_CapabilitySets * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        return False
    kept = sets[0].permitted & _CAP_DAC_READ_SEARCH
    sets[0], sets[1] = _CapabilitySets(kept, kept, 0), _CapabilitySets(0, 0, 0)
    return bool(libc.capset(ctypes.byref(header), sets) == 0)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _filter() -> bool:
    """Load the filter of `seccomp`. It denies prctl too, so no step can follow it."""
    steps = seccomp.program(platform.machine(), os.getpid()) if sys.platform == "linux" else None
    if steps is None:
        return False
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(steps) // 8, steps)))
