"""Parses a form from one file into another, so that no value is in memory as a whole (RFC 7578, URL-encoded)."""

import logging
import re
from binascii import unhexlify
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, QuerystringParser, parse_options_header

from workitems.base.errors import InvalidChangeError

# It would write parts of hostile forms to the log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

#: Fields of a form at most; Mailgun sends one for each header besides its own.
MAX_FIELDS = 1_000

#: Bytes of the head of a part at most, names included: file names can be long.
MAX_HEAD = 16 * 1024

#: Semicolons of a header with parameters at most: a Content-Type has one or two, and file names contain some.
MAX_SEMICOLONS = 100

#: Bytes that are read and parsed at a time.
_PIECE = 64 * 1024

_KINDS = {b"multipart/form-data", b"application/x-www-form-urlencoded"}

#: The start of an escape that the next piece may complete.
_CUT = re.compile(rb"%[0-9A-Fa-f]?$")

_ESCAPE, _LONE = re.compile(rb"%([0-9A-Fa-f]{2})"), re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class FormField:
    """One value of a form, by its position in the file of values. `filename` is None if it is no file; it may be ''."""

    name: str
    filename: str | None
    content_type: str
    start: int
    size: int


class Form:
    """The fields of a form in their order; a name may occur more than once."""

    def __init__(self, values: BinaryIO) -> None:
        self.fields: list[FormField] = []
        self._values = values

    def field(self, name: str) -> FormField | None:
        """Return the first field of that name."""
        return next((field for field in self.fields if field.name == name), None)

    def octets(self, field: FormField) -> Iterator[bytes]:
        """Yield the value of a field in pieces."""
        place, end = field.start, field.start + field.size
        while place < end:
            self._values.seek(place)
            piece = self._values.read(min(_PIECE, end - place))
            if not piece:
                raise OSError(0, "the file with the form's values became shorter")
            place += len(piece)
            yield piece

    def value(self, name: str, *, most: int) -> bytes:
        """Return at most *most* bytes of the first field of that name; b'' if there is none."""
        field = self.field(name)
        if field is None:
            return b""
        self._values.seek(field.start)
        return self._values.read(min(most, field.size))

    def text(self, name: str, *, most: int = 10_000) -> str:
        """Return the same as UTF-8 text; invalid bytes are replaced."""
        return self.value(name, most=most).decode("utf-8", "replace")


def is_form(content_type: str) -> bool:
    """Return whether `read_form` can parse this Content-Type."""
    return _parse_parameters(content_type)[0] in _KINDS


def read_form(content_type: str, body: BinaryIO, values: BinaryIO) -> Form:
    """Parse *body* and write the values of its fields to *values*. Raise InvalidChangeError, OSError."""
    kind, parameters = _parse_parameters(content_type)
    reading = _FormBuilder(values)
    try:
        if kind == b"application/x-www-form-urlencoded":
            _read_urlencoded(reading, body)
        else:
            _read_multipart(reading, body, parameters.get(b"boundary", b""))
    except FormParserError:
        raise InvalidChangeError("the body is not a form of the type that Content-Type names") from None
    return reading.form


class _FormBuilder:
    """Builds a form out of the parsers' callbacks."""

    def __init__(self, values: BinaryIO) -> None:
        self.form = Form(values)
        self.ended = False
        self._values = values
        self._size = 0
        self.begin()

    def begin(self) -> None:
        if len(self.form.fields) >= MAX_FIELDS:
            raise InvalidChangeError(f"a form of at most {MAX_FIELDS:,} fields is accepted")
        self._start = self._size
        self._name, self._header = bytearray(), bytearray()
        self._heads: dict[bytes, bytes] = {}
        self._escape = b""

    def name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        if len(self._name) > MAX_HEAD:
            raise InvalidChangeError(f"field names of at most {MAX_HEAD:,} bytes are accepted")

    def value(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])

    def escaped(self, data: bytes, start: int, end: int) -> None:
        piece = self._escape + data[start:end]
        cut = _CUT.search(piece)
        self._escape = cut[0] if cut else b""
        self._write(_unquoted(piece[: len(piece) - len(self._escape)].replace(b"+", b" ")))

    def header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_end(self) -> None:
        self._heads[bytes(self._name).lower()] = bytes(self._header)
        self._name, self._header = bytearray(), bytearray()

    def field_end(self) -> None:
        """End a URL-encoded field."""
        self._write(self._escape)
        self._add(unquote_to_bytes(bytes(self._name).replace(b"+", b" ")), None, b"")

    def part_end(self) -> None:
        """End a part of a multipart form."""
        _, options = _parse_parameters(self._heads.get(b"content-disposition", b""))
        self._add(options.get(b"name", b""), options.get(b"filename"), self._heads.get(b"content-type", b""))

    def end(self) -> None:
        self.ended = True

    def _write(self, octets: bytes) -> None:
        self._values.write(octets)
        self._size += len(octets)

    def _add(self, name: bytes, filename: bytes | None, kind: bytes) -> None:
        shown = None if filename is None else filename.decode("utf-8", "replace")
        size = self._size - self._start
        field = FormField(name.decode("utf-8", "replace"), shown, kind.decode("latin-1"), self._start, size)
        self.form.fields.append(field)


def _parse_parameters(header: str | bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the value of a header and its parameters; none of a header with more than MAX_SEMICOLONS.

    The library takes a microsecond for each, so 16 kB of them would hold the event loop for some 10 ms.
    """
    octets = header.encode("latin-1", "replace") if isinstance(header, str) else header
    if octets.count(b";") > MAX_SEMICOLONS:
        return octets.partition(b";")[0].strip().lower(), {}
    return parse_options_header(octets)


def _unquoted(piece: bytes) -> bytes:
    """Decode the escapes in *piece*. The library takes a second for half a megabyte of `%` without digits."""
    if _LONE.search(piece) is None:
        return unquote_to_bytes(piece)
    return _ESCAPE.sub(lambda found: unhexlify(found[1]), piece)


def _read_urlencoded(reading: _FormBuilder, body: BinaryIO) -> None:
    parser = QuerystringParser({
        "on_field_start": reading.begin, "on_field_name": reading.name,
        "on_field_data": reading.escaped, "on_field_end": reading.field_end,
    })  # fmt: skip
    separators = 0
    for piece in iter(partial(body.read, _PIECE), b""):
        separators += piece.count(b"&")  # the parser calls nothing for an empty field, but it takes time
        if separators > MAX_FIELDS:
            raise InvalidChangeError(f"a form of at most {MAX_FIELDS:,} fields is accepted")
        parser.write(piece)
    parser.finalize()


def _read_multipart(reading: _FormBuilder, body: BinaryIO, boundary: bytes) -> None:
    if not boundary:
        raise InvalidChangeError("the Content-Type has no boundary; multipart/form-data needs one")
    parser = MultipartParser(boundary, {
        "on_part_begin": reading.begin, "on_part_data": reading.value, "on_part_end": reading.part_end,
        "on_header_field": reading.name, "on_header_value": reading.header, "on_header_end": reading.header_end,
        "on_end": reading.end,
    }, max_header_count=16, max_header_size=MAX_HEAD)  # fmt: skip
    for piece in iter(partial(body.read, _PIECE), b""):
        parser.write(piece)
    if not reading.ended:
        raise InvalidChangeError("the form is incomplete: its last boundary is missing")
