"""Extracts the text of attached documents, in which fields are found.

The libraries are imported at the first such file. What a stranger's file can make them do is counted before they see
it, and a watch limits their time. What they raise makes the rest of the file unread, nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from worker.reading.attachments import file_types
from worker.reading.attachments.calendar_file import calendar_text
from worker.reading.attachments.card_text import card_text
from worker.reading.attachments.library_guard import (
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    OutOfTimeError,
    read_untrusted,
)
from worker.reading.attachments.pdf.text import pdf_text
from worker.reading.attachments.rtf_text import rtf_text
from worker.reading.attachments.sheet_text import csv_text, excel_text
from worker.reading.attachments.word_text import word_text
from worker.reading.attachments.work import Work
from worker.reading.limits import ReadingLimits
from worker.reading.mime import charset
from worker.reading.mime.parts import parse_mime
from worker.reading.mime.signed_data import open_signed_data
from worker.reading.result import MailAttachment
from worker.reading.text.body import read_body, sort_parts
from worker.reading.text.data_images import take_out_images
from worker.reading.text.html import HtmlDocument
from worker.reading.text.plain import normalize_text

Reader = Callable[[bytes, ReadingLimits, Work], Iterator[str]]

#: Entered with the number of a file while that is read; may raise OutOfTimeError inside.
FileWatch = Callable[[int], AbstractContextManager[None]]


def unwatched(_: int) -> AbstractContextManager[None]:
    """Watch nothing."""
    return nullcontext()


@dataclass(slots=True)
class FileTexts:
    """The texts of the files of a mail by their number, and the reasons why files, or their rest, were not read."""

    texts: dict[int, str] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)


def has_text(file: MailAttachment) -> bool:
    """Return whether the file is of a type whose text is read."""
    return bool(file.content) and not file.inline and _reader(file) is not None


def extract_texts(files: list[MailAttachment], limits: ReadingLimits, watch: FileWatch = unwatched) -> FileTexts:
    """Read the text of each file of a known type, as far as the limits of the mail permit."""
    found = FileTexts()
    left, opened = limits.attachments_text, 0
    work = Work(limits.files_work, limits.file_work)
    for file in files:
        reader = _reader(file)
        if reader is None or not has_text(file):
            continue
        if opened >= limits.attachments_opened or left <= 0:
            found.unread[file.n] = TOO_MANY
            continue
        if len(file.content) > limits.attachment_bytes:
            found.unread[file.n] = TOO_LARGE
            continue
        opened += 1
        work.begin_file()
        most = min(limits.attachment_text, left)
        text, reason = "", None
        try:
            with watch(file.n):
                text, reason = read_untrusted(partial(reader, file.content, limits, work), most)
        except OutOfTimeError:  # between two lines of this function
            reason = TOO_SLOW
        if reason is not None:
            found.unread[file.n] = reason
        text = normalize_text(text, most)[0]
        left -= len(text)
        if text:
            found.texts[file.n] = text
    return found


def _reader(file: MailAttachment) -> Reader | None:
    return _READERS.get(file.type)


def _plain(content: bytes, limits: ReadingLimits) -> Iterator[str]:
    yield charset.decode(content[: 4 * limits.attachment_text], None)[0]


def _html(content: bytes, limits: ReadingLimits) -> Iterator[str]:
    html = take_out_images(content, {})[: limits.html_characters]
    yield HtmlDocument(charset.decode_html(html, None)[0], limits).text


def _mail(content: bytes, limits: ReadingLimits) -> Iterator[str]:
    """Yield the text of an attached mail."""
    tree = parse_mime(content, limits)
    open_signed_data(tree, limits)
    yield read_body(sort_parts(tree.root), limits).text


def _by_size(
    reader: Callable[[bytes, ReadingLimits], Iterator[str]], units: float, most: int = ReadingLimits().html_characters
) -> Reader:
    """Return a reader that costs *units* of work for each byte, of which it reads *most*."""

    def read(content: bytes, limits: ReadingLimits, work: Work) -> Iterator[str]:
        work.take(units * min(len(content), most))
        yield from reader(content, limits)

    return read


_READERS: dict[str, Reader] = {
    "text/plain": _by_size(_plain, 0.2),
    "text/csv": _by_size(csv_text, 0.2),
    "text/tab-separated-values": _by_size(csv_text, 0.2),
    file_types.HTML: _by_size(_html, 0.4),
    file_types.PDF: pdf_text,
    file_types.MAIL: _by_size(_mail, 0.4),
    file_types.WORD: word_text,
    file_types.EXCEL: excel_text,
    **dict.fromkeys((file_types.RTF, "text/rtf"), _by_size(rtf_text, 0.6)),
    file_types.CALENDAR: _by_size(calendar_text, 0.5),
    **dict.fromkeys((file_types.CARD, "text/x-vcard"), _by_size(card_text, 0.5)),
}
