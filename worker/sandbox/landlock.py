"""Which files a child can still open: Python's libraries and this project's own code, to read.

Without it a child that a mail has taken over could read the settings with their passwords, other people's mail, or the
memory of its parent, and send them home as a field of its answer. landlock(7); Linux from 5.13 on, where it is enabled.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# linux/landlock.h; the numbers of the calls are the same on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
#: Every right of the first version; from the third on, truncating is a right of its own.
_ALL_RIGHTS = (1 << 13) - 1
_TRUNCATE = 1 << 14

#: What libraries look into outside of Python's own folders.
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/dev/null",
    "/dev/urandom",
)


def libraries() -> Iterator[Path]:
    """Where code comes from: Python's folders and import path, the system's, those of libraries loaded already."""
    yield from map(Path, (sys.base_prefix, sys.prefix, *sys.path, *_SYSTEM))
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    yield from {Path(line[line.index("/") :]).parent for line in lines if ".so" in line and "/" in line}


def read_only(places: Iterable[Path]) -> bool:
    """From here on this process can open what lies beneath *places*, to read, and nothing else. False where unknown."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    if version < 1:
        return False
    rights = struct.pack("=Q", _ALL_RIGHTS | (_TRUNCATE if version >= 3 else 0))
    rules = libc.syscall(_CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), 0)
    if rules < 0:
        return False
    allowed = all(_allow(libc, rules, place) for place in set(places) if place.exists())
    done = allowed and libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return bool(done)


def _allow(libc: ctypes.CDLL, rules: int, place: Path) -> bool:
    """Let what lies beneath *place*, or the file itself, be read."""
    handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    rights = _READ_FILE | _READ_DIR if place.is_dir() else _READ_FILE
    try:
        return bool(libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, handle), 0) == 0)
    finally:
        os.close(handle)
