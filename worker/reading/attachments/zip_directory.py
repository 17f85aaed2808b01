"""Reads the names in the directory of a ZIP archive, without the library, which makes an object of each entry."""

from struct import unpack_from

#: Names that are read. Office files have theirs among the first hundred.
MAX_NAMES = 1_000
#: Bytes of the record at the end of an archive, and of the longest comment behind it.
_END, _END_SIZE, _MAX_COMMENT = b"PK\x05\x06", 22, 65_535
_ENTRY, _ENTRY_SIZE = b"PK\x01\x02", 46


def zip_names(content: bytes) -> set[bytes] | None:
    """Return the names of at most MAX_NAMES entries; None without a directory.

    A search in the bytes would also find the names inside an archive that is stored in this one.
    """
    end = content.rfind(_END, max(0, len(content) - _END_SIZE - _MAX_COMMENT))
    if end < 0 or end + _END_SIZE > len(content):
        return None
    (size,) = unpack_from("<I", content, end + 12)
    at, names = end - size, set[bytes]()
    if at < 0:
        return None
    for _ in range(MAX_NAMES):
        if not content.startswith(_ENTRY, at) or at + _ENTRY_SIZE > end:
            break
        name, extra, comment = unpack_from("<HHH", content, at + 28)
        names.add(content[at + _ENTRY_SIZE : at + _ENTRY_SIZE + name])
        at += _ENTRY_SIZE + name + extra + comment
    return names or None
