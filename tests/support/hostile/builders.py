"""Makes documents from pieces that may be as odd as a test wants."""

import re
import struct
import zlib
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument"


def archive(parts: dict[str, str | bytes], method: int = ZIP_DEFLATED) -> bytes:
    """Make a zip with these entries; the same ones always give the same bytes."""
    out = BytesIO()
    with ZipFile(out, "w", method) as zipped:
        for name, content in parts.items():
            zipped.writestr(ZipInfo(name), content, method)
    return out.getvalue()


def _types(main: str, kind: str) -> str:
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{_TYPE}.{kind}.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.spreadsheetml.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}.spreadsheetml.sharedStrings+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.spreadsheetml.styles+xml"/></Types>'
    )


def _relations(**targets: str) -> str:
    rows = "".join(
        f'<Relationship Id="rId{n}" Type="{_R}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def docx(body: str, head: str = "", **more: str) -> bytes:
    """Make a Word document with this body; *more* parts are put into the folder `word`."""
    return archive(
        {
            "[Content_Types].xml": _types("word/document.xml", "wordprocessingml.document"),
            "_rels/.rels": _relations(officeDocument="word/document.xml"),
            "word/document.xml": f'{head}<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>',
            **{f"word/{name}.xml": text for name, text in more.items()},
        }
    )


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def cell(content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"


def table(*rows: str) -> str:
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def xlsx(rows: str, *, strings: str = "", styles: str = "", names: str = "", head: str = "") -> bytes:
    """Make a spreadsheet with these rows of its only sheet."""
    return archive(
        {
            "[Content_Types].xml": _types("xl/workbook.xml", "spreadsheetml.sheet"),
            "_rels/.rels": _relations(officeDocument="xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{_S}" xmlns:r="{_R}"><sheets>'
            f'<sheet name="a" sheetId="1" r:id="rId1"/></sheets>{names}</workbook>',
            "xl/_rels/workbook.xml.rels": _relations(
                worksheet="worksheets/sheet1.xml", sharedStrings="sharedStrings.xml", styles="styles.xml"
            ),
            "xl/sharedStrings.xml": f'<sst xmlns="{_S}">{strings}</sst>',
            "xl/styles.xml": f'<styleSheet xmlns="{_S}">{styles}</styleSheet>',
            "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{_S}"><sheetData>{rows}</sheetData></worksheet>',
        }
    )


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """Make a PDF with these objects, of which the first is the catalog."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start, count = len(out), len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % count + b"".join(b"%010d 00000 n \n" % each for each in offsets)
    return bytes(out) + b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF" % (count, trailer, start)


def relinked(made: bytes) -> bytes:
    """Return a PDF whose bytes were changed with a table that says where its objects are now."""
    body, _, rest = made.rpartition(b"xref\n0 ")
    offsets = {int(found[1]): found.start() for found in re.finditer(rb"^(\d+) 0 obj\n", body, re.MULTILINE)}
    rows = b"".join(b"%010d 00000 n \n" % offsets.get(number, 0) for number in range(1, max(offsets) + 1))
    trailer = rest[rest.index(b"trailer") : rest.index(b"startxref")]
    table = b"xref\n0 %d\n0000000000 65535 f \n%b" % (max(offsets) + 1, rows)
    return body + table + trailer + b"startxref\n%d\n%%%%EOF" % len(body)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(data, 9)
    return b"<<%b/Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (entries, len(packed), packed)


def pages(*contents: bytes, resources: bytes = b"", more: tuple[bytes, ...] = ()) -> bytes:
    """Make a PDF with one page for each content; *more* objects follow, the first is number `4 + 2 * len(contents)`."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(contents)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, len(contents)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n, content in enumerate(contents):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F 3 0 R>>%b>>>>"
            % (5 + 2 * n, resources)
        )
        objects.append(stream(content))
    return pdf(*objects, *more)


def drawing(operations: bytes) -> bytes:
    return b"BT /F 12 Tf 72 700 Td " + operations + b" ET"


def tnef(*attributes: tuple[int, int, bytes]) -> bytes:
    """Make a winmail.dat of (level, id, data)."""
    packed = (struct.pack("<BHHI", level, name, 6, len(data)) + data + b"\0\0" for level, name, data in attributes)
    return b"\x78\x9f\x3e\x22\1\0" + b"".join(packed) + b"\0"
