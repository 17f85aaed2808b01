"""Verify a backup: every file is there and whole, and every item has its mail."""

import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from workitems.backup.damage import MAX_PROBLEMS, TOMBSTONE_FILE, is_copied
from workitems.backup.file_list import StoredFile, decoded
from workitems.backup.manifest import Manifest
from workitems.backup.part import is_whole, read_part
from workitems.base.errors import BackupError
from workitems.mailstore.mail_folder import READING_FILE

#: What was done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]

_ITEM_ID = re.compile(r"wi_[a-z2-7]{26}")

#: The characters of an id → digits of a number with the base 32, in the same order.
_DIGITS = str.maketrans("234567abcdefghijklmnopqrstuvwxyz", "0123456789abcdefghijklmnopqrstuv")


def check_parts(folder: Path, manifest: Manifest) -> None:
    """Raises BackupError for a part that is missing or damaged."""
    for part in manifest.parts.values():
        if not is_whole(folder, part):
            raise BackupError(f"{folder / part.name} is missing or damaged")


def listed_files(folder: Path, manifest: Manifest) -> Iterator[StoredFile]:
    """Yield the files of a backup. Raises BackupError."""
    return decoded(read_part(folder, manifest.parts["files"]))


def find_damaged_files(folder: Path, manifest: Manifest, progress: Progress) -> list[StoredFile]:
    """Read all files and return those that are missing or have other bytes. At most MAX_PROBLEMS.

    Raises OSError, BackupError.
    """
    damaged: list[StoredFile] = []
    for done, file in enumerate(listed_files(folder, manifest), 1):
        if not is_copied(folder, file, contents=True):
            damaged.append(file)
            if len(damaged) >= MAX_PROBLEMS:
                break
        progress("verifying", done, manifest.parts["files"].records)
    return damaged


def find_items_without_mail(folder: Path, manifest: Manifest, progress: Progress) -> list[str]:
    """Return the ids of items whose mail is not in the backup though it was not removed. At most MAX_PROBLEMS.

    Raises OSError, BackupError.
    """
    missing: list[str] = []
    sidecars = _sidecars(folder, manifest)
    for done, record in enumerate(read_part(folder, manifest.parts["items"]), 1):
        fingerprints = [each for each in str(record["item"].get("raws", "")).split(",") if each]
        if fingerprints and _count(sidecars, record["id"]) < len(fingerprints):
            missing.append(record["id"])
            if len(missing) >= MAX_PROBLEMS:
                break
        progress("checking items", done, manifest.parts["items"].records)
    return sorted(set(missing) - _removed(folder, manifest, set(missing))) if missing else []


def _sidecars(folder: Path, manifest: Manifest) -> "array[int]":
    """Return a sorted array with the number of its item for each sidecar of the backup: eight bytes for each mail.

    A sidecar says that the mail was whole: a raw mail may have been removed for its age.
    """
    found = array("Q")
    for file in listed_files(folder, manifest):
        *_, item_id, name = ("", *file.path.split("/"))
        if name.endswith(".json") and name != READING_FILE and _ITEM_ID.fullmatch(item_id):
            found.append(_number(item_id))
    return found


def _number(item_id: str) -> int:
    """Return the first 60 bits of an id; numbers have the order of ids, in which files are listed."""
    return int(item_id[3:15].translate(_DIGITS), 32)


def _count(numbers: "array[int]", item_id: str) -> int:
    if not _ITEM_ID.fullmatch(item_id):
        return 0
    return bisect_right(numbers, _number(item_id)) - bisect_left(numbers, _number(item_id))


def _removed(folder: Path, manifest: Manifest, ids: set[str]) -> set[str]:
    """Return those of *ids* that have a tombstone, in Redis or beside the mail."""
    names = (record["key"].removeprefix("gone:") for record in read_part(folder, manifest.parts["tombstones"]))
    removed = {name for name in names if name in ids}
    gone = [file for file in listed_files(folder, manifest) if file.path == TOMBSTONE_FILE] if ids - removed else []
    for file in gone:
        with suppress(FileNotFoundError), (folder / file.stored_path).open("rb") as lines:  # it may be damaged
            for line in lines:
                with suppress(ValueError, KeyError, TypeError):
                    if (found := json.loads(line)["id"]) in ids:
                        removed.add(found)
    return removed
