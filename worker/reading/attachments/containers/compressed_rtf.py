"""Unpacks the RTF of a TNEF message (MS-OXRTFCP)."""

from struct import unpack_from

from worker.reading.attachments.library_guard import TOO_LARGE, UnreadableError

#: Bytes that are unpacked at most.
MAX_RTF = 2 * 1024 * 1024

_PACKED, _PLAIN = b"LZFu", b"MELA"
_HEAD = 16
#: What the dictionary holds at the beginning, and its size.
_KNOWN = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_SIZE = 4096


def unpack_rtf(data: bytes) -> bytes:
    """Return the RTF; data of another form as it is."""
    kind = data[8:12]
    if kind == _PLAIN:
        return data[_HEAD:]
    if kind != _PACKED:
        return data
    (length,) = unpack_from("<I", data, 4)
    if length > MAX_RTF:
        raise UnreadableError(TOO_LARGE)
    dictionary = bytearray(_KNOWN.ljust(_SIZE, b" "))
    out, at, write = bytearray(), _HEAD, len(_KNOWN)
    while at < len(data) and len(out) < length:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                piece = data[at : at + 1]
                at += 1
            else:
                reference = int.from_bytes(data[at : at + 2], "big")
                at += 2
                offset = reference >> 4
                if offset == write:  # the end
                    return bytes(out[:length])
                piece = _copied(dictionary, offset, write, (reference & 15) + 2)
            out += piece
            for byte in piece:
                dictionary[write] = byte
                write = (write + 1) % _SIZE
    return bytes(out[:length])


def _copied(dictionary: bytearray, offset: int, write: int, length: int) -> bytes:
    """Return *length* bytes from *offset* on; where they reach *write*, they repeat what was just written."""
    distance = (write - offset) % _SIZE
    found = bytes(dictionary[(offset + n) % _SIZE] for n in range(min(length, distance)))
    return (found * (length // len(found) + 1))[:length]
