"""Writes OLE compound files (MS-CFB, version 3), such as messages that Outlook saves."""

import struct
from collections.abc import Mapping
from typing import Any

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
#: Shorter streams would need the table of small sectors, so each is filled up with zeros.
_SMALLEST = 4096

#: A storage is a table of names; a stream is bytes.
Storage = Mapping[str, Any]


def ole_file(root: Storage) -> bytes:
    """Return the file. Each stream is at least 4,096 bytes long, filled up with zeros."""
    entries: list[list[Any]] = []  # name, type, left, right, child, start, size
    data = bytearray()
    fat: list[int] = []

    def add_stream(content: bytes) -> tuple[int, int]:
        content = content.ljust(_SMALLEST, b"\0")
        start, count = len(fat), -(-len(content) // _SECTOR)
        fat.extend([*range(start + 1, start + count), _END])
        data.extend(content.ljust(count * _SECTOR, b"\0"))
        return start, len(content)

    def add(name: str, value: Any) -> int:
        number = len(entries)
        entries.append([name, 1 if isinstance(value, Mapping) else 2, _FREE, _FREE, _FREE, 0, 0])
        if isinstance(value, Mapping):
            previous = None
            for child in sorted(value, key=lambda each: (len(each), each.upper())):
                at = add(child, value[child])
                if previous is None:
                    entries[number][4] = at
                else:
                    entries[previous][3] = at
                previous = at
        else:
            entries[number][5:] = add_stream(value)
        return number

    add("Root Entry", root)
    entries[0][1], entries[0][5] = 5, _END
    directory = b"".join(map(_entry, entries))
    directory = directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0")
    first = len(fat)
    sectors = len(directory) // _SECTOR
    fat.extend([*range(first + 1, first + sectors), _END])
    data.extend(directory)
    tables = 1
    while tables * (_SECTOR // 4) < len(fat) + tables:
        tables += 1
    places = range(len(fat), len(fat) + tables)
    fat.extend([_FAT] * tables)
    fat.extend([_FREE] * (tables * (_SECTOR // 4) - len(fat)))
    data.extend(struct.pack(f"<{len(fat)}I", *fat))
    difat = [*places, *[_FREE] * (109 - tables)]
    head = struct.pack(
        "<8s16s5H6s9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
        0, tables, first, 0, _SMALLEST, _END, 0, _END, 0,
    )  # fmt: skip
    return head + struct.pack("<109I", *difat) + bytes(data)


def _entry(entry: list[Any]) -> bytes:
    name, kind, left, right, child, start, size = entry
    wide = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII16sIQQIQ", wide, len(wide), kind, 1, left, right, child, b"", 0, 0, 0, start, size)
