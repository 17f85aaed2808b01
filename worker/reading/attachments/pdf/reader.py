"""Opens a PDF so that each object that is read takes its cost from the budget, however often objects are asked for."""

import re
from io import BytesIO
from typing import Any

from worker.reading.attachments.work import Work

#: Entries of the tables that say where objects are.
MAX_OBJECTS = 50_000

#: Units of work for asking for an object, for each byte of one, and for each byte of a file that is searched for one.
_ASKED, _BYTE, _SEARCHED = 3, 0.4, 0.02
_HEADER = re.compile(rb"\s{0,10}(\d{1,10})\s{1,10}\d{1,10}\s{1,10}obj")
#: An object ends here, or goes on with bytes that are only copied.
_END = re.compile(rb"endobj|stream")


def open_pdf(content: bytes, work: Work) -> Any:
    """Return the library's reader."""
    from pypdf import PdfReader

    class CountingReader(PdfReader):
        def get_object(self, indirect_reference: Any) -> Any:
            work.take(_ASKED)
            number = getattr(indirect_reference, "idnum", indirect_reference)
            generation = getattr(indirect_reference, "generation", 0)
            is_packed = generation == 0 and number in self.xref_objStm
            if (generation, number) not in self.resolved_objects and not is_packed:
                work.take(_cost(content, self.xref.get(generation, {}).get(number), number))
            return super().get_object(indirect_reference)

    return CountingReader(BytesIO(content), strict=False, xref_stream_maximum_entries=MAX_OBJECTS)


def _cost(content: bytes, start: Any, number: Any) -> float:
    """Return the units for reading the object that should be at *start*; where it is not, the file is searched."""
    header = _HEADER.match(content, max(0, start)) if isinstance(start, int) else None
    if header is None or int(header[1]) != number:
        return _SEARCHED * len(content)
    end = _END.search(content, header.end())
    return _BYTE * ((end.start() if end else len(content)) - header.end())
