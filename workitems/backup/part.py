"""A part of a backup: lines of JSON, compressed by gzip, with a checksum."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from workitems.base.errors import BackupError
from workitems.mailstore.ownership import give_to_owner

#: Bytes that are read from a file at once.
CHUNK = 1024 * 1024

#: The fastest: most of the time goes to Redis and to the disk.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Part:
    """What the manifest says of a part: the name of its file, its records, and the file's size and SHA-256."""

    name: str
    records: int
    size: int
    sha256: str


class PartWriter:
    """Writes one part, record by record. Raises OSError."""

    def __init__(self, folder: Path, name: str) -> None:
        self.records = 0
        self._name = name
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = _HashedFile(os.fdopen(descriptor, "wb"))
        give_to_owner(descriptor, folder)
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._file, mtime=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._gzip.close()
        finally:
            self._file.close()

    def write(self, record: Any) -> None:
        """Append a record. Text may have bytes that are no UTF-8 as lone surrogates; JSON writes them as escapes."""
        self._gzip.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        self.records += 1

    def finish(self) -> Part:
        """Return what the manifest says of this part; nothing can be written after that."""
        self._gzip.close()
        return Part(self._name, self.records, self._file.size, self._file.hash.hexdigest())


class _HashedFile:
    """A file for writing that counts and hashes what goes into it."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self.hash = hashlib.sha256()
        self._file = file

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_part(folder: Path, part: Part) -> Iterator[Any]:
    """Yield the records of a part. Raises BackupError for one that is damaged."""
    try:
        with gzip.open(folder / part.name, "rb") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        raise BackupError(f"{folder / part.name} is missing") from None
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise BackupError(f"{folder / part.name} is damaged") from error


def is_whole(folder: Path, part: Part) -> bool:
    """Return whether the file of a part has the bytes that were written."""
    try:
        return hash_file(folder / part.name) == (part.size, part.sha256)
    except FileNotFoundError:
        return False


def hash_file(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a file. Raises OSError."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()
