"""Text of attached documents, so that fields in them are found: PDF, Word, Excel, plain text, CSV, HTML, mail.

The libraries are imported at the first such file. What a stranger's file can make them do is bounded before they
see it; what they raise makes the file unread, nothing else.
"""

from collections.abc import Callable
from io import BytesIO
from itertools import islice
from typing import Any
from warnings import catch_warnings
from zipfile import BadZipFile, ZipFile

from worker.reading import charset
from worker.reading.body import read_body, sort_parts
from worker.reading.html import Document
from worker.reading.limits import Limits
from worker.reading.message import parse
from worker.reading.result import Attachment
from worker.reading.text import normalised

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class _UnreadableError(Exception):
    """The file is larger, deeper or more broken than what is opened."""


def open_texts(files: list[Attachment], limits: Limits) -> tuple[dict[int, str], bool]:
    """(n of the attachment → its text, whether every file that should have text gave it)."""
    texts: dict[int, str] = {}
    all_read = True
    for file in files:
        reader = _reader(file)
        if reader is None or file.inline or not file.content:
            continue
        if len(texts) >= limits.attachments_opened or len(file.content) > limits.attachment_bytes:
            all_read = False
            continue
        try:
            with catch_warnings(action="ignore"):  # they would quote the file on the error stream
                text = reader(file.content, limits)
        except Exception:  # noqa: BLE001 - document libraries raise whatever a broken file leads them to
            all_read = False
            continue
        texts[file.n] = normalised(text, limits.attachment_text)[0]
    return {n: text for n, text in texts.items() if text}, all_read


def _reader(file: Attachment) -> Callable[[bytes, Limits], str] | None:
    by_type = _READERS.get(file.type)
    # Many mailers send every document as octet-stream: then its name tells.
    return by_type or _ENDINGS.get(file.name.rpartition(".")[2].lower())


def _plain(content: bytes, limits: Limits) -> str:
    return charset.decode(content[: 4 * limits.attachment_text], None)[0]


def _csv(content: bytes, limits: Limits) -> str:
    text = _plain(content, limits)
    head = text.partition("\n")[0]
    separator = max(";,\t", key=head.count)
    import csv

    rows = csv.reader(text.splitlines()[: limits.rows], delimiter=separator)
    return "\n".join("\t".join(cell.replace("\t", " ") for cell in row) for row in rows)


def _html(content: bytes, limits: Limits) -> str:
    return Document(charset.decode_html(content[: limits.html], None)[0], limits).text


def _mail(content: bytes, limits: Limits) -> str:
    """Text of an attached mail; what is attached to that in turn stays closed."""
    return read_body(sort_parts(parse(content, limits).root), limits).text


def _checked_zip(content: bytes, limits: Limits) -> BytesIO:
    """The file, when it unfolds to no more than is allowed: a zip reader stops at the size that an entry declares."""
    try:
        with ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
    except BadZipFile as error:
        raise _UnreadableError from error
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > limits.unpacked_entries or unpacked > limits.unpacked_bytes:
        raise _UnreadableError
    return BytesIO(content)


def _word(content: bytes, limits: Limits) -> str:
    from docx import Document as WordDocument
    from docx.table import Table

    document = WordDocument(_checked_zip(content, limits))
    # A cell that says it is a billion columns wide is repeated so often: 800 bytes took 3 GB.
    widths = document.element.xpath("//w:gridSpan/@w:val")
    if len(widths) > limits.cells or any(len(width) > 2 for width in widths):
        raise _UnreadableError
    lines: list[str] = []
    left = limits.cells
    for block in islice(document.iter_inner_content(), limits.rows):
        if not isinstance(block, Table):
            lines.append(block.text)
            continue
        for row in islice(block.rows, limits.rows):
            cells = row.cells[:50]
            left -= len(cells)
            if left < 0:
                return "\n".join(lines)
            lines.append("\t".join(" ".join(cell.text.split()) for cell in cells))
    return "\n".join(lines)


def _excel(content: bytes, limits: Limits) -> str:
    from openpyxl import load_workbook

    book = load_workbook(_checked_zip(content, limits), read_only=True, data_only=True, keep_links=False)
    lines: list[str] = []
    left = limits.sheet_cells
    for sheet in book.worksheets[:5]:
        sheet.reset_dimensions()  # what it says of its width may be a lie; so each row is as long as it is
        for row in sheet.iter_rows(max_row=limits.rows, values_only=True):
            left -= len(row)
            if left < 0:
                return "\n".join(lines)
            lines.append("\t".join(_cell(value) for value in row[:50]).rstrip("\t"))
    return "\n".join(lines)


def _cell(value: object) -> str:
    from datetime import datetime

    if value is None:
        return ""
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second):
        value = value.date()
    return " ".join(str(value)[:1000].split())


def _pdf(content: bytes, limits: Limits) -> str:
    import logging

    from pypdf import PdfReader, apply_configuration

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it would quote the file in its warnings
    left = limits.page_operations

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _UnreadableError

    most = limits.unpacked_bytes
    bounds: dict[str, Any] = {
        "zlib_maximum_output_length": most,
        "lzw_maximum_output_length": most,
        "run_length_maximum_output_length": most,
        "array_based_stream_maximum_output_length": most,
        "stream_decoding_work_maximum_length": 2 * most,
        "stream_parsing_work_maximum_count": 4 * limits.page_operations,
        "xform_maximum_invocations_per_extraction": 100,
        "jbig2dec_binary": None,  # no other program is started
    }
    with apply_configuration(**bounds):
        pages = islice(PdfReader(BytesIO(content), strict=False).pages, limits.pages)
        return "\n".join(page.extract_text(visitor_operand_before=count) for page in pages)


_READERS: dict[str, Callable[[bytes, Limits], str]] = {
    "text/plain": _plain,
    "text/csv": _csv,
    "text/html": _html,
    "application/pdf": _pdf,
    "message/rfc822": _mail,
    _WORD: _word,
    _EXCEL: _excel,
}
_ENDINGS: dict[str, Callable[[bytes, Limits], str]] = {
    "txt": _plain,
    "csv": _csv,
    "html": _html,
    "htm": _html,
    "pdf": _pdf,
    "eml": _mail,
    "docx": _word,
    "xlsx": _excel,
}
