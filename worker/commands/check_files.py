"""What `run.py check` finds about files: the disk of the data folder, and secrets that others can read."""

import os
import stat
from pathlib import Path

from workitems.settings import Settings
from workitems.settings.load import settings_file
from workitems.settings.secret_files import find_secret_files
from workitems.status.finding import Finding

#: Bytes that are free on the disk of the data folder: below the first it is nearly full, below the second it is full.
_FEW_BYTES, _NO_BYTES = 1024**3, 64 * 1024**2

#: The same for files (inodes), where the file system has a limit.
_FEW_FILES, _NO_FILES = 10_000, 100


def check_disk(folder: Path) -> tuple[str, list[Finding]]:
    """Return how much is free on the disk of *folder*, and whether that is too little."""
    try:
        disk = _statvfs(folder.absolute())
    except OSError as error:
        return "", [Finding("disk", f"{folder} cannot be used: {error.strerror}", "Check data.", is_error=True)]
    free = disk.f_bavail * disk.f_frsize
    said = f"{folder}: {_size(free)} of {_size(disk.f_blocks * disk.f_frsize)} are free"
    return said, judge_disk(free, disk.f_favail if disk.f_files else None)


def judge_disk(free_bytes: int, free_files: int | None) -> list[Finding]:
    """Return what is wrong with a disk that has so much room; None: it has no limit of files."""
    files = _FEW_FILES if free_files is None else free_files
    advice = "Free some space, or let data name a folder on a larger disk; retention.keep_days removes old items."
    if free_bytes < _NO_BYTES or files < _NO_FILES:
        return [Finding("disk", "its disk is full; no mail can be stored", advice, is_error=True)]
    if free_bytes < _FEW_BYTES or files < _FEW_FILES:
        return [Finding("disk", "its disk is nearly full", advice)]
    return []


def check_secret_files(settings: Settings) -> tuple[str, list[Finding]]:
    """Return how many files have secrets, and those that other users of this machine can read or change."""
    found = [(name, path, _mode(path)) for name, path in find_secret_files(settings, settings_file())]
    files = [(name, path, mode) for name, path, mode in found if mode is not None]
    said = f"{len(files)} {'file' if len(files) == 1 else 'files'} with secrets"
    return said, [finding for name, path, mode in files for finding in judge_mode(name, path, mode)]


def judge_mode(name: str, path: Path, mode: int) -> list[Finding]:
    """Return what is wrong with the rights of a file with secrets."""
    who = "all users" if mode & stat.S_IRWXO else "its group" if mode & stat.S_IRWXG else ""
    verb = "changed" if mode & (stat.S_IWGRP | stat.S_IWOTH) else "read"
    message = f"{name}: {path} can be {verb} by {who} (mode {mode:03o})"
    return [Finding("secret_file", message, f"Run: chmod 600 {path}")] if who else []


def _mode(path: Path) -> int | None:
    """Return the rights of a file, None where there is none: the part that needs it reports that."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _statvfs(folder: Path) -> os.statvfs_result:
    """Ask the file system of *folder*, or of the next folder above that is there."""
    try:
        return os.statvfs(folder)
    except FileNotFoundError:
        return _statvfs(folder.parent)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
