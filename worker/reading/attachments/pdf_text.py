"""Reads the text of a PDF page by page; what a page draws is counted before the library sees it, and while it draws."""

import logging
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Any

from worker.reading.attachments.library_guard import SCAN, TOO_COMPLEX, UnreadableError
from worker.reading.attachments.pdf_form import PageWords, form_text
from worker.reading.limits import ReadingLimits

#: Characters of numbers and blanks: of all others are the operators, the strings, and the names.
_NUMBERS = b"0123456789.- \t\r\n"


def pdf_text(content: bytes, limits: ReadingLimits) -> Iterator[str]:
    """Yield the text of each page."""
    from pypdf import PdfReader, apply_configuration

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it would quote the file in its warnings
    most = limits.unpacked_bytes // 2
    bounds: dict[str, Any] = {
        "zlib_maximum_output_length": most,
        "lzw_maximum_output_length": most,
        "run_length_maximum_output_length": most,
        "array_based_stream_maximum_output_length": most,
        "stream_decoding_work_maximum_length": 2 * most,
        "stream_parsing_work_maximum_count": 4 * limits.drawing_operations,
        "xform_maximum_invocations_per_extraction": 100,
        "page_tree_maximum_entries": 20_000,
        "page_tree_maximum_page_entries": 200_000,
        "jbig2dec_binary": None,  # start no other program
    }
    drawing = _Drawing(limits)
    with apply_configuration(**bounds):
        has_text, has_image = False, False
        for page in islice(PdfReader(BytesIO(content), strict=False).pages, limits.pages):
            if not drawing.is_new(page):
                continue
            words = PageWords()
            text = page.extract_text(visitor_operand_before=drawing.count, visitor_text=words.add)
            yield f"{text}\n"
            form = "".join(form_text(page, words))
            yield form
            has_text |= bool(text.strip() or form)
            has_image |= _has_image(page)
        if has_image and not has_text:
            raise UnreadableError(SCAN)


def _has_image(page: Any) -> bool:
    resources = page.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources is not None else None
    names = islice((objects.get_object() if objects is not None else {}).values(), 100)
    return any(each.get_object().get("/Subtype") == "/Image" for each in names)


class _Drawing:
    """Counts what the pages of one file draw. Each method raises UnreadableError when it is too much."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._operations = limits.drawing_operations
        self._string_bytes = limits.drawing_strings
        #: Bytes of strings, names and operators, as far as the pages themselves have them.
        self._code_bytes = 2 * limits.drawing_strings
        self._stream_bytes = limits.unpacked_bytes // 2
        self._page_bytes = limits.unpacked_bytes // 8
        #: The streams that were drawn: a page that another page repeats is read once.
        self._seen: set[tuple[int, int]] = set()

    def is_new(self, page: Any) -> bool:
        """Return whether the page draws a stream that no page before it drew; count its size."""
        contents = page.get("/Contents")
        streams = contents.get_object() if contents is not None else []
        streams = streams if isinstance(streams, list) else [contents]
        length, others, is_new = 0, 0, False
        for stream in streams[: self._operations]:
            key = (getattr(stream, "idnum", id(stream)), getattr(stream, "generation", 0))
            is_new |= key not in self._seen
            self._seen.add(key)
            found = stream.get_object()
            if len(getattr(found, "_data", b"")) > self._page_bytes:  # packed: some filters need ten times as much
                raise UnreadableError(TOO_COMPLEX)
            data = found.get_data()
            length += len(data)
            others += len(data.translate(None, _NUMBERS))
            if length > self._page_bytes or others > self._code_bytes:
                raise UnreadableError(TOO_COMPLEX)
        if is_new:
            self._stream_bytes -= length
            self._code_bytes -= others
            if self._stream_bytes < 0:
                raise UnreadableError(TOO_COMPLEX)
        return is_new

    def count(self, operator: object, operands: Any, *_: object) -> None:
        """Count one operation before it is done, and the strings that it shows, also in forms inside the page."""
        self._operations -= 1
        if operator in (b"Tj", b"TJ", b"'", b'"'):
            self._string_bytes -= sum(_length(operand) for operand in operands)
        if self._operations < 0 or self._string_bytes < 0:
            raise UnreadableError(TOO_COMPLEX)


def _length(operand: Any) -> int:
    """Return the length of a string, or of the strings in an array."""
    if isinstance(operand, list):
        return sum(len(each) for each in operand if isinstance(each, str | bytes))
    return len(operand) if isinstance(operand, str | bytes) else 0
