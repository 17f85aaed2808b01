"""Opens the zip of an office document, if it unfolds to no more than allowed."""

from collections.abc import Iterator
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from worker.reading.attachments.library_guard import TOO_COMPLEX, TOO_LARGE, UnreadableError
from worker.reading.limits import ReadingLimits

#: Bytes that are unfolded at once.
CHUNK = 64 * 1024

#: The other methods of a zip need much memory, or time, before their first byte.
_METHODS = {ZIP_STORED, ZIP_DEFLATED}


def open_zip(content: bytes, limits: ReadingLimits) -> ZipFile:
    """Return the archive. Raises UnreadableError; a reader of it stops at the size that an entry declares."""
    archive = ZipFile(BytesIO(content))
    entries = archive.infolist()
    if len(entries) > limits.unpacked_entries or any(entry.compress_type not in _METHODS for entry in entries):
        raise UnreadableError(TOO_COMPLEX)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        raise UnreadableError(TOO_LARGE)
    return archive


def unfold(archive: ZipFile, name: str) -> Iterator[bytes]:
    """Yield the content of one entry in chunks."""
    with archive.open(name) as entry:
        while data := entry.read(CHUNK):
            yield data
