"""Make small files: a PDF with real text, and a picture. Nothing is copied from elsewhere."""

import random
import struct
import zlib

#: Lines that fit on one A4 page in 10 point with 15 points between the lines.
LINES_A_PAGE = 50


def pdf(text: str) -> bytes:
    """Return a one-page PDF (ISO 32000-1) with *text* in Courier and its first line as heading.

    Characters outside Windows-1252 are lost.
    """
    lines = text.strip().splitlines()
    assert len(lines) <= LINES_A_PAGE, f"{len(lines)} lines; one page holds {LINES_A_PAGE}"
    show = [f"BT /F2 15 Tf 60 780 Td ({_escape(lines[0])}) Tj ET", "BT /F1 10 Tf 15 TL 60 750 Td"]
    show += [f"({_escape(line)}) ' " for line in lines[1:]] + ["ET"]
    content = "\n".join(show).encode("cp1252", "replace")
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    resources = "<< /Font << /F1 5 0 R /F2 6 0 R >> >>"
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources {resources} >>"
    return _assemble_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page.encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            font.format("Courier").encode(),
            font.format("Helvetica-Bold").encode(),
        ]
    )


def _escape(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _assemble_pdf(objects: list[bytes]) -> bytes:
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def png(pick: random.Random, width: int = 180, height: int = 120) -> bytes:
    """Return a PNG (RFC 2083) of *width* by *height* pixels: a hill under a sky, in colours that *pick* draws."""
    sky, land = (
        (pick.randint(90, 230), pick.randint(120, 220)),
        bytes((pick.randint(40, 150), pick.randint(80, 150), 70)),
    )
    bend, rise = pick.uniform(0.4, 1.6), pick.randint(30, 70)
    hill = [height - rise + bend * (x - width / 2) ** 2 / width for x in range(width)]
    rows = bytearray()
    for y in range(height):
        air = bytes((max(0, part - (height - y) // 3)) for part in (*sky, 235))
        rows.append(0)  # no filter
        rows += b"".join(land if y > top else air for top in hill)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
