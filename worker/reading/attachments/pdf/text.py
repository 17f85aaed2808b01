"""Reads the text of a PDF page by page; what a page costs is counted before the library sees it, and while it draws."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from worker.reading.attachments.library_guard import SCAN, TOO_COMPLEX, UnreadableError
from worker.reading.attachments.pdf.fonts import counted_fonts
from worker.reading.attachments.pdf.form import form_text
from worker.reading.attachments.pdf.reader import open_pdf
from worker.reading.attachments.pdf.streams import counted_decoding
from worker.reading.attachments.pdf.table import table_text
from worker.reading.attachments.pdf.words import ERRORS, PageWords
from worker.reading.attachments.work import Work
from worker.reading.limits import ReadingLimits

#: Units of work for each operation, each element of an array of strings, and each byte of what a page or form draws.
_OPERATION, _ELEMENT, _PARSED = 10, 8, 0.5
#: Units for the operations of one page or form at most, without its strings: the library refuses to read more.
_MOST_PARSED = 300_000
#: Characters of numbers and blanks: of all others are the operators, the strings, and the names.
_NUMBERS = b"0123456789.- \t\r\n"
#: Forms that a page may draw, with those inside them.
MAX_FORMS = 500


def pdf_text(content: bytes, limits: ReadingLimits, work: Work) -> Iterator[str]:
    """Yield the text of each page."""
    from pypdf import apply_configuration

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
    drawing = _Drawing(limits, work)
    with apply_configuration(**bounds), counted_decoding(work, most), counted_fonts(work):
        has_text, has_image = False, False
        for page in islice(open_pdf(content, work).pages, limits.pages):
            if not drawing.is_new(page):
                continue
            words = PageWords(work)
            text = page.extract_text(visitor_operand_before=drawing.count, visitor_text=words.add)
            yield f"{text}\n"
            work.take(0)  # the library goes on when a form inside the page ended so
            yield from table_text(words)
            form = "".join(form_text(page, words))
            yield form
            has_text |= bool(text.strip() or form)
            has_image |= _has_image(page)
        if has_image and not has_text:
            raise UnreadableError(SCAN)


def _has_image(page: Any) -> bool:
    names = islice(_objects(page).values(), 100)
    return any(each.get_object().get("/Subtype") == "/Image" for each in names)


def _objects(drawn: Any) -> Any:
    """Return the images and forms that a page or a form names."""
    resources = drawn.get_inherited("/Resources")
    resources = resources.get_object() if resources is not None else None
    objects = resources.get("/XObject") if isinstance(resources, dict) else None
    objects = objects.get_object() if objects is not None else None
    return objects if isinstance(objects, dict) else {}


class _Drawing:
    """Counts what the pages of one file draw. Each method raises UnreadableError when it is too much."""

    def __init__(self, limits: ReadingLimits, work: Work) -> None:
        self._work = work
        self._operations = limits.drawing_operations
        self._string_bytes = limits.drawing_strings
        #: Bytes of strings, names and operators, as far as the pages themselves have them.
        self._code_bytes = 2 * limits.drawing_strings
        self._stream_bytes = limits.unpacked_bytes // 2
        self._page_bytes = limits.unpacked_bytes // 8
        #: The streams that were drawn: a page that another page repeats is read once.
        self._seen: set[tuple[int, int]] = set()
        #: Name → units for the costliest form of that name, which the library reads each time that it is drawn.
        self._forms: dict[str, float] = {}
        self._known_forms: dict[int, Any] = {}

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
            if len(getattr(found, "_data", b"")) > self._page_bytes:
                raise UnreadableError(TOO_COMPLEX)
            data = found.get_data()
            length += len(data)
            others += _others(data)
            if length > self._page_bytes or others > self._code_bytes:
                raise UnreadableError(TOO_COMPLEX)
        if is_new:
            self._work.take(_parsing_cost(length, others))
            self._stream_bytes -= length
            self._code_bytes -= others
            if self._stream_bytes < 0:
                raise UnreadableError(TOO_COMPLEX)
            self._find_forms(page)
        return is_new

    def _find_forms(self, page: Any) -> None:
        """Note the cost of each form that the page can draw, directly or in other forms."""
        from pypdf.errors import PyPdfError  # imported by then

        errors = (*ERRORS, PyPdfError, NotImplementedError)
        waiting = [page]
        for drawn in waiting:  # the list grows while it is read
            objects = _objects(drawn)
            self._work.take(len(objects))
            for name, value in objects.items():
                form = value.get_object()
                if not hasattr(form, "get_data") or form.get("/Subtype") == "/Image":
                    continue
                with suppress(*errors):  # of one that is damaged the library draws nothing
                    data = form.get_data()
                    self._forms[name] = max(self._forms.get(name, 0), _parsing_cost(len(data), _others(data)))
                if id(form) not in self._known_forms:
                    self._known_forms[id(form)] = form
                    waiting.append(form)
                if len(self._known_forms) > MAX_FORMS:
                    raise UnreadableError(TOO_COMPLEX)

    def count(self, operator: object, operands: Any, *_: object) -> None:
        """Count one operation before it is done, and the strings that it shows, also in forms inside the page."""
        self._operations -= 1
        self._work.take(_OPERATION)
        if operator in (b"Tj", b"TJ", b"'", b'"'):
            self._string_bytes -= sum(_length(operand) for operand in operands)
            self._work.take(_ELEMENT * sum(len(operand) for operand in operands if isinstance(operand, list)))
        elif operator == b"Do" and operands:
            self._work.take(self._forms.get(str(operands[0]), 0))
        if self._operations < 0 or self._string_bytes < 0:
            raise UnreadableError(TOO_COMPLEX)


def _others(data: bytes) -> int:
    """Return the number of bytes that are not those of numbers."""
    return len(data.translate(None, _NUMBERS))


def _parsing_cost(length: int, others: int) -> float:
    return min(_PARSED * length, _PARSED * others + _MOST_PARSED)


def _length(operand: Any) -> int:
    """Return the length of a string, or of the strings in an array."""
    if isinstance(operand, list):
        return sum(len(each) for each in operand if isinstance(each, str | bytes))
    return len(operand) if isinstance(operand, str | bytes) else 0
