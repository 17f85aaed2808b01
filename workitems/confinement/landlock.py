"""Limits the files that a child can open: it may only read Python's libraries and this project's code.

Without this limit, a child that a hostile mail controls could read passwords in the settings, other people's mail, or
its parent's memory, and send them as a field of its answer. landlock(7); Linux from 5.13 on, if enabled.
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
#: All rights of the first version. From the third version on, truncating is a separate right.
_ALL_RIGHTS = (1 << 13) - 1
_TRUNCATE = 1 << 14

#: Files and folders outside of Python's own that libraries read.
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
    """Return the folders of code: Python's, its import path's, the system's, and those of loaded libraries."""
    yield from map(Path, (sys.base_prefix, sys.prefix, *sys.path, *_SYSTEM))
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    yield from {Path(line[line.index("/") :]).parent for line in lines if ".so" in line and "/" in line}


def read_only(paths: Iterable[Path]) -> bool:
    """Let this process open only files below *paths*, and only to read. Return False if not supported."""
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
    allowed = all(_allow(libc, rules, path) for path in set(paths) if path.exists())
    done = allowed and libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return bool(done)


def _allow(libc: ctypes.CDLL, rules: int, path: Path) -> bool:
    """Allow reading below the folder *path*, or of the file *path*."""
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rights = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
    try:
        return bool(libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, handle), 0) == 0)
    finally:
        os.close(handle)
