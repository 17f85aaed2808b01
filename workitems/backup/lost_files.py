"""Keep the files of items whose mail the mail store lost: the last backup may have the only copy, damaged or not."""

from collections.abc import Set
from dataclasses import replace
from heapq import merge
from itertools import groupby
from pathlib import Path

from workitems.backup.damage import take_back
from workitems.backup.file_list import StoredFile, order_of
from workitems.backup.manifest import Manifest
from workitems.backup.part import PartWriter
from workitems.backup.verification import listed_files


def keep_lost_files(folder: Path, last: Manifest, manifest: Manifest, lost: Set[str], name: str) -> Manifest:
    """Write the part *name*, a list of files with those that *last* has of the items *lost*; return a manifest with it.

    Raises OSError, BackupError.
    """
    kept = (file for file in listed_files(folder, last) if _is_of(file, lost) and take_back(folder, file))
    size = 0
    with PartWriter(folder, name) as writer:
        together = merge(listed_files(folder, manifest), kept, key=_order)
        for _, same in groupby(together, key=lambda file: file.path):
            file = next(same)  # of two with one path the one of the mail store: merge() is stable
            writer.write(file.encode())
            size += file.size
        return replace(manifest, bytes=size, parts=manifest.parts | {"files": writer.finish()})


def _is_of(file: StoredFile, items: Set[str]) -> bool:
    return not items.isdisjoint(file.path.split("/"))


def _order(file: StoredFile) -> tuple[tuple[str, bool, str], list[str]]:
    """Return what the list of a backup is sorted by."""
    return order_of(file.group), file.path.split("/")
