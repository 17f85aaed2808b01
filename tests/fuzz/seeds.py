"""Valid and hostile inputs of each kind, small, from which the fuzzer begins."""

import struct
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_STORED

from tests.support.hostile.builders import archive, cell, drawing, pages, paragraph, pdf, table, tnef
from tests.support.hostile.files import HOSTILE_FILES
from tests.support.hostile.mails import HOSTILE_MAILS
from tests.support.ole_file import ole_file
from tests.worker.reading.mails import page, plain, with_file

MESSAGES = Path(__file__).parents[1] / "messages"
#: The size with which hostile inputs are made, and bytes of the largest one and of the largest seed.
SIZE, HOSTILE, LARGEST = 60, 2_000, 65_536

TEXT = (
    "Dear all,\n\nPolicy number: AB-12345\nDue date: 3 March 2026, 5:00 PM CET\nAmount: (1,250.00) EUR\n"
    "Phone: +1 212 555 0100 ext. 7\nItem\tPrice\nChair\t12,50 €\n\nBest regards\nKim 😀\n\n"
    "On Mon, 2 Mar 2026 at 10:00, Ann <ann@client.example> wrote:\n> Order #123-45?\n> > 一、二\n"
)
PAGE = (
    "<div dir=rtl><table><tr><td>Policy <b>No</b>:<td colspan=2>AB-12345<br>x</table><a href='https://bank.example@evil"
    ".example'>www.bank.example</a><img src=cid:a onerror=x><style>p{}</style><p style='display:none;color:red'>"
    "ghost</p><input value='A'><textarea>B</textarea><select><option selected>C</select><svg><a xlink:href='javascript"
    ":x'></svg><!-- > --><font size=0>&amp;&#x41;&nbsp;</font>"
)
CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Home\r\nBEGIN:STANDARD\r\n"
    "DTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
    "END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Home:20270101T100000\r\nDURATION:PT1H\r\n"
    "SUMMARY:A visit\\, new\r\nLOCATION:Room\r\n 7\r\nORGANIZER;CN=Kim:mailto:kim@firm.example\r\n"
    "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@client.example\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nDESCRIPTION:Bring\\nall\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARD = (
    "BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Kim=20R=C3=A4y=\r\n und\r\n"
    'ORG:Firm;Unit\r\nitem1.TEL;TYPE="work,cell":+1 212 555 0100\r\n'
    "ADR:;;1 Road;Town;;1000;\r\nNOTE:a\\nb\r\nEND:VCARD\r\n"
)
REPORT = (
    "This is the mail system at host mx.example.\n\n<kim@firm.example>: host mx.firm.example[192.0.2.7] said: 552 5.2.2"
    " Mailbox\n    full (in reply to RCPT TO command)\n\nFinal-Recipient: rfc822; kim+20x@firm.example\n"
    "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n\n"
    "--- Below this line is a copy of the message.\n\nMessage-ID: <offer-1@tubepost.example>\n"
    "To: kim@firm.example\nSubject: Your offer\n"
)
RESULTS = (
    'mx.example.com 1; spf=pass (sender (ip) is) smtp.mailfrom=a@b.example; dkim=fail/1 reason="x;y"; dmarc = none;'
    " arc=none"
)
RTF = (
    r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset204 A;}}\f0 Policy\tab AB-1\par\u8364?\'80{\field{\*\fldinst"
    r' HYPERLINK "http://a.example"}{\fldrslt link}}\trowd\cell a\cell\row{\pict 0102}}'
)
VALUES = [
    "(1,250.00) EUR", "1.250,00-", "500 - 800 USD", "3.5 Mio. kr CR", "12,34,567 ₹", "31.02.2026",
    "3 March 2026 5 PM EST",     "03/04/26 – 05/06/26", "令和8年3月2日",
    "+49 (0)30 / 12345-67 ext. 8", "0049 30 1234567", "AB 1234", "1Z 999 AA1 01 2345",
    "“Blue” Ltd <x@y.example>", "n/a", "１２３", "²³", "İstanbul 5", "KIM@FIRM.example.", "5%", "12:61 Uhr",
]  # fmt: skip


def messages() -> list[bytes]:
    return [
        *(path.read_bytes() for path in sorted(MESSAGES.glob("*.eml"))),
        *_hostile_mails(),
        plain(TEXT),
        page(PAGE),
        *(with_file(name, "application/octet-stream", content) for name, content in _some_files()),
    ]


def hostile(ending: str) -> list[bytes]:
    """Return the hostile files of one kind."""
    made = (make(SIZE) for name, make in HOSTILE_FILES.items() if name.endswith(ending))
    return [content for content in made if len(content) <= HOSTILE]


def html() -> list[bytes]:
    bodies = (raw.partition(b"\r\n\r\n")[2] for raw in _hostile_mails() if b"text/html" in raw)
    return [PAGE.encode(), *bodies, *hostile(".html")]


def word_parts() -> list[bytes]:
    """Return parts of Word documents; the target makes the archive around them, since a changed one is damaged."""
    inside = table(cell(paragraph("Policy"), '<w:gridSpan w:val="2"/>') + cell(paragraph("AB-1")))
    odd = "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:r><w:rPr><w:vanish/></w:rPr><w:t>x</w:t></w:r></w:sdt>"
    bodies = [paragraph("Policy number: AB-12345"), inside, odd, table(cell(inside)), "<w:p><w:del>a</w:del></w:p>"]
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return [f"<w:document {space}><w:body>{body}</w:body></w:document>".encode() for body in bodies]


def sheet_parts() -> list[bytes]:
    """Return rows, strings and styles, each behind a line `%%`."""
    return [
        b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>45000</v></c></row>%%<si><t>Policy</t></si>%%'
        b'<numFmts><numFmt numFmtId="200" formatCode="yyyy"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="200"/>'
        b"</cellXfs>",
        b'<row r="2"><c r="C9" t="inlineStr"><is><t>a</t></is></c><c t="b"><v>1</v></c><c t="e"><v>#</v></c></row>%%%%',
        b'<row><c t="d"><v>2026-03-02T10:00:00</v></c><c t="str"><f>A1</f><v>x</v></c><c><v>1e400</v></c></row>%%'
        b"<si><r><t>a</t></r><r><t>b</t></r></si>%%",
    ]


def pdfs() -> list[bytes]:
    """Return PDFs whose streams are not packed, so that a change of one byte changes what is drawn."""
    text = drawing(b"(Policy number: AB-12345) Tj T* [(a) -300 (b)] TJ 1 0 0 1 5 5 Tm (x) ' /X Do")
    map_ = b"begincmap 1 beginbfrange <0000> <00FF> <0041> endbfrange 1 beginbfchar <01> <D83DDE00> endbfchar endcmap"
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</Font<</F 3 0 R>>>>"
    return [
        pdf(
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R/FirstChar 0/Widths[1 2]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 5 0 R/Annots[8 0 R]/Resources<</Font<</F 3 0 R>>"
            b"/XObject<</X 7 0 R>>>>>>",
            _raw(text),
            _raw(map_),
            _raw(drawing(b"<4142> Tj"), form),
            b"<</Subtype/Widget/FT/Tx/T(policy_number)/V(AB-12345)/Rect[1 2 3 4]>>",
        ),
        pages(drawing(b"(packed) Tj")),
        *hostile(".pdf"),
    ]


def winmails() -> list[bytes]:
    name = "größer.txt\0".encode("utf-16-le")
    padded = name + bytes(-len(name) % 4)
    named = struct.pack("<I", 1) + struct.pack("<HHII", 0x1F, 0x3707, 1, len(name)) + padded
    return [
        tnef(
            (1, 0x9007, b"\xe3\4\0\0"),
            (2, 0x9002, b""),
            (2, 0x8010, b"a.txt\0"),
            (2, 0x800F, b"one"),
            (2, 0x9005, named),
        ),
        *hostile("winmail.dat"),
    ]


def outlook_files() -> list[bytes]:
    def text(name: str, value: str) -> dict[str, bytes]:
        return {f"__substg1.0_{name}001F": value.encode("utf-16-le")}

    file = text("3707", "offer.txt") | {"__substg1.0_37010102": b"Policy number: AB-12345"}
    inner = text("0037", "Inner") | text("1000", "Hi")
    root = text("0037", "An order") | text("1000", "Policy") | {"__properties_version1.0": bytes(48)}
    nested = {"__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner}}
    return [ole_file(root | {"__attach_version1.0_#00000000": file} | nested), ole_file(root)]


def archives() -> list[bytes]:
    inner = archive({"b.txt": "Policy number: AB-12345"}, ZIP_STORED)
    return [
        archive({"a/../c.txt": "x", "in.zip": inner, "mail.eml": plain(TEXT)}, ZIP_STORED),
        archive({"packed.txt": "x" * 500}),
        archive({}),
    ]


def signatures() -> list[bytes]:
    """Return S/MIME objects in BER: a signature with content in pieces, and an envelope."""
    content = b"Content-Type: text/plain\r\n\r\nPolicy number: AB-12345\r\n"
    pieces = b"".join(b"\4" + bytes([len(part)]) + part for part in (content[:20], content[20:]))
    inner = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80" + pieces + b"\0\0\0\0\0\0"
    signed = b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00" + inner + b"\x31\x00\0\0\0\0\0\0"
    return [
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + signed,
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x00\0\0\0\0\0\0",
    ]


def texts(*given: str) -> list[bytes]:
    return [text.encode() for text in given]


def bodies() -> list[bytes]:
    """Return the texts of plain mails, without their headers."""
    made = _hostile_mails()
    return [TEXT.encode(), *(raw.partition(b"\r\n\r\n")[2] for raw in made if b"text/html" not in raw)]


def small(seeds: Iterable[bytes]) -> list[bytes]:
    return [seed for seed in seeds if len(seed) <= LARGEST]


def _hostile_mails() -> list[bytes]:
    return [raw for raw in (make(SIZE) for make in HOSTILE_MAILS.values()) if len(raw) <= HOSTILE]


def _raw(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(data), data)


def _some_files() -> list[tuple[str, bytes]]:
    return [
        ("a.pdf", pdfs()[0]), ("winmail.dat", winmails()[0]), ("a.zip", archives()[0]), ("a.ics", CALENDAR.encode()),
        ("a.vcf", CARD.encode()), ("a.rtf", RTF.encode()), ("smime.p7m", signatures()[0]), ("a.csv", b"a;b\n1;2\n"),
    ]  # fmt: skip
