"""Files that are small and cost a careless reader much time or memory. Each has a size *n*, to compare two."""

import random
import struct
import zlib
from collections.abc import Callable
from zipfile import ZIP_BZIP2, ZIP_LZMA

from tests.support.hostile.builders import (
    archive,
    cell,
    docx,
    drawing,
    pages,
    paragraph,
    pdf,
    relinked,
    stream,
    table,
    tnef,
    xlsx,
)
from tests.support.hostile.pdfs import HOSTILE_PDFS, filtered, mapped


def _runs(n: int) -> str:
    return f"<w:p>{'<w:r><w:t>a</w:t></w:r>' * n}</w:p>"


def _brackets(n: int) -> str:
    return "[" * (n // 100)


def _sized(n: int, most: int = 30_000) -> int:
    return min(n, most)


def _chain(n: int) -> bytes:
    """Forms that draw the next form ten times each."""
    first, depth = 6, min(3 + n // 20_000, 8)
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</X %d 0 R>>>>"
    forms = tuple(stream(b"/X Do " * 10, form % (first + each + 1)) for each in range(depth))
    return pages(b"/X Do " * 10, resources=b"/XObject<</X %d 0 R>>" % first, more=forms)


def _random(n: int) -> bytes:
    return random.Random(n).randbytes(n)


def _zones(n: int) -> bytes:
    """A time zone that changes every week since 1601, by many rules."""
    rule = "DTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=MO\r\n"
    periods = f"BEGIN:STANDARD\r\n{rule}END:STANDARD\r\n" * (n // 130)
    zone = f"BEGIN:VTIMEZONE\r\nTZID:Z\r\n{periods}END:VTIMEZONE\r\n"
    event = "BEGIN:VEVENT\r\nDTSTART;TZID=Z:20270101T100000\r\nEND:VEVENT\r\n"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{zone}{event}END:VCALENDAR\r\n".encode()


#: Name of a file with its kind → what makes it with a size; at 100,000 none is larger than about a megabyte.
HOSTILE_FILES: dict[str, Callable[[int], bytes]] = {
    "repeated cell.docx": lambda n: docx(table(cell(_runs(n), '<w:gridSpan w:val="50"/>'))),
    "cell of a billion columns.docx": lambda n: docx(table(cell(paragraph("a"), f'<w:gridSpan w:val="{10**9}"/>') * n)),
    "merged rows.docx": lambda n: docx(
        table(
            cell(_runs(n), '<w:vMerge w:val="restart"/>'), *[cell("<w:p/>", "<w:vMerge/>")] * (n // 100)
        )
    ),
    "merged columns and rows.docx": lambda n: docx(table(*[cell("<w:p/>", "<w:vMerge/>") * 20] * (n // 100))),
    "paragraphs.docx": lambda n: docx(paragraph("a") * n),
    "runs.docx": lambda n: docx(_runs(n)),
    "nested tables.docx": lambda n: docx("<w:tbl><w:tr><w:tc>" * n + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * n),
    "nested controls.docx": lambda n: docx("<w:sdt><w:sdtContent>" * n + "</w:sdtContent></w:sdt>" * n),
    "attributes.docx": lambda n: docx("<w:p " + " ".join(f'a{each}="1"' for each in range(n)) + "/>"),
    "empty elements.docx": lambda n: docx("<w:p/>" * (10 * n)),
    "entities.docx": lambda n: docx("&a;" * n, head=f'<!DOCTYPE x [<!ENTITY a "{"x" * n}">]>'),
    "many headers.docx": lambda n: docx("", **{f"header{each}": "<a/>" * (n // 100) for each in range(200)}),
    "one part of 50 MB.docx": lambda n: archive({"word/document.xml": bytes(500 * n)}),
    "lzma.docx": lambda n: archive({"word/document.xml": bytes(40 * n)}, ZIP_LZMA),
    "bzip2.docx": lambda n: archive({"word/document.xml": bytes(40 * n)}, ZIP_BZIP2),
    "20,000 entries.docx": lambda n: archive({f"{each}.xml": "" for each in range(n // 10)}),
    "styles.xlsx": lambda n: xlsx("<row/>", styles=f"<cellXfs>{'<xf/>' * (10 * n)}</cellXfs>"),
    "few styles.xlsx": lambda n: xlsx("<row/>", styles=f"<cellXfs>{'<xf/>' * (n // 10)}</cellXfs>"),
    "number formats.xlsx": lambda n: xlsx(
        '<row r="1">' + '<c s="1"><v>1</v></c>' * 100 + "</row>",
        styles="<numFmts>"
        + "".join(f'<numFmt numFmtId="{each}" formatCode="{_brackets(n)}"/>' for each in range(200, 700))
        + '</numFmts><cellXfs><xf numFmtId="0"/>'
        + "".join(f'<xf numFmtId="{each}"/>' for each in range(200, 700))
        + "</cellXfs>",
    ),
    "strings.xlsx": lambda n: xlsx('<row r="1"><c><v>1</v></c></row>', strings="<si><t>a</t></si>" * n),
    "rich strings.xlsx": lambda n: xlsx("<row/>", strings=f"<si>{'<r><t>a</t></r>' * n}</si>"),
    "cells.xlsx": lambda n: xlsx(("<row>" + "<c><v>1</v></c>" * 1000 + "</row>") * (n // 1000)),
    "empty rows.xlsx": lambda n: xlsx("<row/>" * (10 * n)),
    "far columns.xlsx": lambda n: xlsx(
        "".join(f'<row r="{each}"><c r="XFD{each}"><v>1</v></c></row>' for each in range(1, n // 100))
    ),
    "far row.xlsx": lambda n: xlsx(f'<row r="{n}0000"><c r="A{n}0000"><v>1</v></c></row>'),
    "long numbers.xlsx": lambda n: xlsx("<row>" + f"<c><v>{'1' * n}</v></c>" * 30 + "</row>"),
    "names.xlsx": lambda n: xlsx(
        "<row/>", names="<definedNames>" + '<definedName name="a">a</definedName>' * n + "</definedNames>"
    ),
    "merged cells.xlsx": lambda n: xlsx("<row/></sheetData><mergeCells>" + '<mergeCell ref="A1:XFD9"/>' * n),
    "entities.xlsx": lambda n: xlsx("<row>&a;</row>" * n, head=f'<!DOCTYPE x [<!ENTITY a "{"x" * n}">]>'),
    "long string.pdf": lambda n: pages(*[drawing(b"(%b) Tj" % (b"a" * (10 * n)))] * 10),
    "one string on ten pages.pdf": lambda n: relinked(
        pages(drawing(b"(%b) Tj" % (b"a" * (2 * n)))).replace(b"[4 0 R]", b"[" + b"4 0 R " * 10 + b"]")
    ),
    "operators.pdf": lambda n: pages(*[drawing(b"(a)Tj " * (n // 5))] * 10),
    "numbers.pdf": lambda n: pages(*[b"1 2 3 4 5 6 7 8 9 " * (n // 2)] * 10),
    "escapes.pdf": lambda n: pages(drawing(b"(" + b"\\051" * n + b") Tj")),
    "open strings.pdf": lambda n: pages(drawing(b"(" * n)),
    "nested arrays.pdf": lambda n: pages(b"[" * (10 * n)),
    "nested tables.pdf": lambda n: pages(b"<<" * (10 * n)),
    "hexadecimal.pdf": lambda n: pages(drawing(b"<%b> Tj" % (b"4 1 " * n))),
    "inline image.pdf": lambda n: pages(b"BI /W 9 ID " + b"EI" * n),
    "forms in forms.pdf": _chain,
    "form with a long string.pdf": lambda n: pages(
        b"/X Do " * 100,
        resources=b"/XObject<</X 6 0 R>>",
        more=(stream(drawing(b"(%b) Tj" % (b"a" * (10 * n))), b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]"),),
    ),
    "pages that are their own.pdf": lambda n: pdf(
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%b]/Count 1000000000>>" % (b"2 0 R " * (n // 100))
    ),
    "one page very often.pdf": lambda n: relinked(pages(b"").replace(b"[4 0 R]", b"[" + b"4 0 R " * n + b"]")),
    "character map.pdf": lambda n: mapped(
        b"(abc) Tj", b"begincmap\n" + b"1 beginbfrange\n<0000> <FFFF> <0000>\nendbfrange\n" * (n // 20) + b"endcmap"
    ),
    "widths.pdf": lambda n: relinked(
        pages(drawing(b"(abc) Tj")).replace(
            b"/Subtype/Type1/BaseFont/Helvetica",
            b"/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType2"
            b"/W[0 %d 5]>>]" % (n * 10_000),
        )
    ),
    "objects without a table.pdf": lambda n: b"%PDF-1.7\n" + b"1 0 obj\n" * n + b"trailer<</Root 1 0 R>>",
    "newlines.pdf": lambda n: b"%PDF-1.7\n" + b"\n" * (10 * n) + b"%%EOF",
    "words.pdf": lambda n: b"%PDF-1.7\n" + b"obj " * (2 * n) + b"\n%%EOF",
    "open arrays.pdf": lambda n: pdf(b"<</Type/Catalog/Pages 2 0 R/A " + b"[" * (3 * n)),
    "filters.pdf": lambda n: filtered(b"[" + b"/ASCIIHexDecode " * (n // 10) + b"]", b"303030"),
    "ascii85.pdf": lambda n: filtered(b"/ASCII85Decode", b"z" * (8 * n)),
    "lzw.pdf": lambda n: filtered(b"/LZWDecode", _random(8 * n)),
    "predictor.pdf": lambda n: filtered(
        b"/FlateDecode", zlib.compress(b"\4\1" * (10 * n), 9), b"/DecodeParms<</Predictor 15/Columns 1>>"
    ),
    "bomb.pdf": lambda n: pages(bytes(500 * n)),
    **HOSTILE_PDFS,
    "quotes.csv": lambda n: b'"' * (10 * n),
    "separators.csv": lambda n: (b";" * 200 + b"\n") * (n // 20),
    "noise.txt": lambda n: _random(5 * n),
    "noise.csv": lambda n: _random(5 * n),
    "many bodies.html": lambda n: "".join(f"<body a{each}=1>" for each in range(n // 2)).encode(),
    "references.html": lambda n: b"&" * (10 * n),
    "cells.html": lambda n: b"<td>" * (2 * n),
    "a mail of parts.eml": lambda n: (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (n // 10) + b"--b--"
    ),
    "parameters.vcf": lambda n: b"BEGIN:VCARD\r\n" + (b"TEL" + b";" * 40 + b"\r\n") * (n // 40),
    "changes of zones.ics": _zones,
    "attributes winmail.dat": lambda n: tnef(*[(1, 0x8004, b"")] * _sized(n)),
    "files winmail.dat": lambda n: tnef(*[(2, 0x9002, b"")] * _sized(n)),
    "four billion properties winmail.dat": lambda n: tnef((1, 0x9003, b"\xff" * 4 + b"\x03\0\x01\0" + bytes(n))),
    "four billion values winmail.dat": lambda n: tnef(
        (1, 0x9003, b"\1\0\0\0\x02\x10\0\x10\xff\xff\xff\xff" + bytes(n))
    ),
    "four billion texts winmail.dat": lambda n: tnef(
        (1, 0x9003, b"\1\0\0\0\x1e\0\0\x10\xff\xff\xff\xff" + bytes(8 * n))
    ),
    "packed text winmail.dat": lambda n: tnef(
        (1, 0x9003, b"\1\0\0\0\x02\1\x09\x10\1\0\0\0" + struct.pack("<I", 8 * n + 16)
         + struct.pack("<II4sI", 8 * n, 2 * 1024 * 1024, b"LZFu", 0) + b"\xff\0\x0f" * (8 * n // 3))
    ),
}  # fmt: skip
