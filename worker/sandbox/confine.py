"""What a child gives up before it touches a mail. Each step says whether the platform had it.

Linux: prctl(2), capabilities(7), landlock(7), seccomp(2). Elsewhere the limits of setrlimit(2) are all there is.
"""

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from worker.sandbox import landlock, seccomp
from worker.sandbox.limits import ChildLimits

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9

# linux/capability.h. Reading past permissions stays, so that root finds libraries in another user's private home.
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_READ_SEARCH = 1 << 2


def tie_to_parent(parent: int) -> bool:
    """Let the kernel kill this process when *parent* ends; ends it at once where that has happened already."""
    tied = _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    return tied


def confine(limits: ChildLimits, readable: list[Path]) -> list[str]:
    """Give everything up but reading *readable*; returns the names of the steps that this platform does not have."""
    _die_first()
    steps: dict[str, Callable[[], bool]] = {
        "memory limit": lambda: _limit(resource.RLIMIT_AS, limits.memory),
        "file size limit": lambda: _limit(resource.RLIMIT_FSIZE, 0),
        "descriptor limit": lambda: _limit(resource.RLIMIT_NOFILE, limits.files),
        "core limit": lambda: _limit(resource.RLIMIT_CORE, 0),
        "processor limit": lambda: _limit(resource.RLIMIT_CPU, limits.cpu),
        "no new privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "no capabilities": _drop_capabilities,
        "landlock": lambda: landlock.read_only(readable),
        "not dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "seccomp": _filter,  # the last, since it denies what the others do
    }
    return [name for name, step in steps.items() if not step()]


def _limit(what: int, value: int) -> bool:
    """Lower a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(what, (value, value))
    except (ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
        return False
    return True


def _die_first() -> None:
    """When the machine runs out of memory, let the kernel take this process and not the worker or Redis."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


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
    """Root without capabilities is a user as others; it cannot raise its limits again either."""
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
    """Load the filter of `seccomp`. prctl is among what it denies, so nothing can follow it."""
    steps = seccomp.program(platform.machine(), os.getpid()) if sys.platform == "linux" else None
    if steps is None:
        return False
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(steps) // 8, steps)))
