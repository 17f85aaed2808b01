"""Takes the files out of a ZIP archive, as far as the budget of the mail goes."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from worker.reading.attachments.containers.unfolding import InnerFile, UnfoldBudget
from worker.reading.attachments.library_guard import (
    DAMAGED,
    ENCRYPTED,
    TOO_COMPLEX,
    TOO_LARGE,
    UnreadableError,
)

#: Entries of one archive.
MAX_ENTRIES = 500
#: Only these methods: LZMA takes 90 MB for one byte, and bzip2 unfolds far more than it reads.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
#: An entry that unfolds to so many times its size, and to so many bytes, is a bomb.
MAX_RATIO, RATIO_FROM = 200, 1024 * 1024
#: What the library raises for one entry that is damaged.
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error)


def zip_files(content: bytes, budget: UnfoldBudget) -> Iterator[InnerFile]:
    """Yield the files in the archive; one that cannot be taken out says why. Raises UnreadableError if none can."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_ENTRIES or _overlap(entries):
            raise UnreadableError(TOO_COMPLEX)
        if entries and all(entry.flag_bits & 1 for entry in entries):
            raise UnreadableError(ENCRYPTED)
        refused = {n: reason for n, entry in enumerate(entries) if (reason := _why_refused(entry))}
        fitting = budget.fitting([0 if n in refused else entry.file_size for n, entry in enumerate(entries)])
        for n, entry in enumerate(entries):
            reason, data = refused.get(n) or (None if n in fitting else TOO_LARGE), b""
            if reason is None:
                try:
                    data = _read(archive, entry, budget)
                except _ERRORS:
                    reason = DAMAGED
            yield InnerFile(entry.filename, "", data, reason)


def _why_refused(entry: zipfile.ZipInfo) -> str | None:
    if entry.flag_bits & 1:
        return ENCRYPTED
    is_bomb = entry.file_size > RATIO_FROM and entry.file_size > MAX_RATIO * max(entry.compress_size, 1)
    return TOO_COMPLEX if is_bomb or entry.compress_type not in _METHODS else None


def _overlap(entries: list[zipfile.ZipInfo]) -> bool:
    """Return whether entries share bytes: such archives unfold without end."""
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            return True
        end = entry.header_offset + entry.compress_size
    return False


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: UnfoldBudget) -> bytes:
    """Return the content; the library gives no more of it than the entry says."""
    budget.take(entry.file_size)
    with archive.open(entry) as file:
        return file.read(entry.file_size)
