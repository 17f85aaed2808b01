"""Reads the cells of spreadsheets: Excel files, whose parts are counted before the library sees them, and CSV."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from zipfile import ZipFile

from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.office_zip import open_zip, unfold
from worker.reading.attachments.work import Work
from worker.reading.limits import ReadingLimits
from worker.reading.mime import charset

#: Cells of one row, and characters of one cell, that are kept.
_ROW, _CELL = 50, 1_000
#: Sheets that are read.
_SHEETS = 5
#: Units of work for each tag of the strings and of the other parts, for each row and for each cell.
_STRING, _OBJECT, _ROW_READ, _CELL_READ = 1.0, 8.0, 5.0, 4.0

#: Units for the square of the length of a format of numbers, in which the library looks for brackets again and again.
_FORMAT = 0.002
_FORMATS = re.compile(rb"formatCode\s{0,9}=\s{0,9}(?:\"([^\"]*+)|'([^']*+))")


def csv_text(content: bytes, limits: ReadingLimits) -> Iterator[str]:
    """Yield each row as a line with tabs."""
    text = charset.decode(content[: 4 * limits.attachment_text], None)[0]
    head = text.partition("\n")[0]
    separator = max(";,\t", key=head.count)
    for row in csv.reader(text.splitlines()[: limits.rows], delimiter=separator):
        yield "\t".join(cell.replace("\t", " ") for cell in row) + "\n"


def excel_text(content: bytes, limits: ReadingLimits, work: Work) -> Iterator[str]:
    """Yield each row of the first sheets as a line with tabs."""
    from openpyxl import load_workbook

    with open_zip(content, limits) as archive:
        _count_elements(archive, limits, work)
    book = load_workbook(BytesIO(content), read_only=True, data_only=True, keep_links=False)
    left = limits.sheet_cells
    for sheet in book.worksheets[:_SHEETS]:
        sheet.reset_dimensions()  # the declared width may be false; without it, each row has its real length
        for row in sheet.iter_rows(max_row=limits.rows, values_only=True):
            left -= len(row)
            work.take(_ROW_READ + _CELL_READ * len(row))
            if left < 0:
                return
            yield "\t".join(_cell(value) for value in row[:_ROW]).rstrip("\t") + "\n"


def _count_elements(archive: ZipFile, limits: ReadingLimits, work: Work) -> None:
    """Raise UnreadableError when the library would work too long.

    It reads the cells one by one and stops when there are enough. It takes all strings, and makes an object of every
    element in all other parts, such as the styles.
    """
    sheets, strings, others = 4 * limits.elements, 2 * limits.elements, limits.sheet_objects
    for entry in archive.infolist():
        tags = sum(data.count(b"<") for data in unfold(archive, entry.filename))
        if entry.filename == "xl/styles.xml":
            styles = b"".join(unfold(archive, entry.filename)).replace(b"\0", b"")
            work.take(_FORMAT * sum(len(found[1] or found[2] or b"") ** 2 for found in _FORMATS.finditer(styles)))
        if entry.filename.startswith("xl/worksheets/"):
            sheets -= tags
        elif entry.filename == "xl/sharedStrings.xml":
            strings -= tags
            work.take(_STRING * tags)
        elif entry.filename.endswith((".xml", ".rels")):
            others -= tags
            work.take(_OBJECT * tags)
    if min(sheets, strings, others) < 0:
        raise UnreadableError(TOO_COMPLEX)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second):
        value = value.date()
    return " ".join(str(value)[:_CELL].split())
