"""Decodes the streams of a PDF filter by filter (ISO 32000-2 §7.4); what each will cost is taken before.

The library bounds the size of what some filters give, but not their time, nor the memory on the way: its filters in
Python make an object of each few bytes.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.work import Work

#: Filters of one stream.
MAX_FILTERS = 8

#: Units of work for each byte that goes into a filter in Python.
_SLOW = {"/ASCII85Decode": 0.5, "/LZWDecode": 1.0, "/RunLengthDecode": 1.0, "/ASCIIHexDecode": 0.02}
#: Units for each letter of ASCII85 that stands for four bytes.
_ZEROS = 1.5
#: Units for each byte that comes out, of a damaged one that goes in, and of rows that are stored as differences.
_UNPACKED, _DAMAGED, _PREDICTED = 0.02, 1.2, 0.5
#: Units for each byte of a stream that holds objects: the library reads all of them.
_OBJECTS = 0.3

Decode = Callable[[Any], bytes]


@contextmanager
def counted_decoding(work: Work, most: int) -> Iterator[None]:
    """Have the library decode streams within *work*, each to at most *most* bytes."""
    from pypdf import filters as module

    filters: Any = module
    library: Decode = filters.decode_stream_data

    def decode(stream: Any) -> bytes:
        data = _decode(stream, library, work, most)
        work.take(len(data) * (_OBJECTS if stream.get("/Type") in ("/ObjStm", "/XRef") else _UNPACKED))
        return data

    filters.decode_stream_data = decode
    try:
        yield
    finally:
        filters.decode_stream_data = library


def _decode(stream: Any, library: Decode, work: Work, most: int) -> bytes:
    data: bytes = stream._data
    names, parameters = _items(stream.get("/Filter")), _items(stream.get("/DecodeParms"))
    if len(names) > MAX_FILTERS:
        raise UnreadableError(TOO_COMPLEX)
    for n, name in enumerate(names):
        if not data:
            break
        work.take(_SLOW.get(str(name), 0) * len(data))
        if name == "/ASCII85Decode":
            work.take(_ZEROS * data.count(b"z"))
        given = parameters[n] if n < len(parameters) else None
        data = _apply(name, given, data, library, work, most)
        if len(data) > most:
            raise UnreadableError(TOO_COMPLEX)
    return data


def _apply(name: Any, parameters: Any, data: bytes, library: Decode, work: Work, most: int) -> bytes:
    """Return what one filter makes of *data*."""
    from pypdf.generic import EncodedStreamObject, NameObject

    if name == "/FlateDecode":
        unpacked = _inflate(data, most)
        if unpacked is None:
            work.take(_DAMAGED * len(data))  # the library repairs it, byte by byte
        elif isinstance(parameters, dict) and "/Predictor" in parameters:
            work.take(_PREDICTED * len(unpacked))
        else:
            return unpacked
    single = EncodedStreamObject()
    single._data = data
    single[NameObject("/Filter")] = name
    if isinstance(parameters, dict):
        single[NameObject("/DecodeParms")] = parameters
    return library(single)


def _inflate(data: bytes, most: int) -> bytes | None:
    """Return the unpacked bytes; None for damaged ones."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, most)
    except zlib.error:
        return None
    if unpacker.unconsumed_tail:
        raise UnreadableError(TOO_COMPLEX)
    return unpacked


def _items(value: Any) -> list[Any]:
    """Return the objects of an array, or the only object."""
    value = value.get_object() if hasattr(value, "get_object") else value
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [each.get_object() if hasattr(each, "get_object") else each for each in values[: MAX_FILTERS + 1]]
