"""Finds the type of a file by its content: mail programs send every document as octet-stream, or misname it."""

import re

from worker.reading.attachments.zip_directory import zip_names

#: Bytes from the start of a file that are looked at.
HEAD = 4096

OCTETS = "application/octet-stream"
PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
OLD_WORD = "application/msword"
OLD_EXCEL = "application/vnd.ms-excel"
OUTLOOK = "application/vnd.ms-outlook"
RTF = "application/rtf"
TNEF = "application/ms-tnef"
ZIP = "application/zip"
CALENDAR = "text/calendar"
CARD = "text/vcard"
MAIL = "message/rfc822"
PROGRAM = "application/vnd.microsoft.portable-executable"
HTML = "text/html"
PKCS7 = "application/pkcs7-mime"
PGP = "application/pgp-encrypted"

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", RTF),
    (b"\x78\x9f\x3e\x22", TNEF),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"-----BEGIN PGP MESSAGE-----", PGP),
)
_ZIP_START, _OLE_START = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Names inside an Office file.
_IN_ZIP: tuple[tuple[bytes, str], ...] = (
    (b"word/document.xml", WORD),
    (b"xl/workbook.xml", EXCEL),
    (b"xl/workbook.bin", EXCEL),
    (b"ppt/presentation.xml", SLIDES),
)
_OPEN_DOCUMENT = re.compile(rb"^PK\x03\x04.{26}mimetype(application/vnd\.oasis\.opendocument\.[a-z-]{1,40})", re.DOTALL)
#: Names in the root of an OLE file, in UTF-16.
_IN_OLE: tuple[tuple[bytes, str], ...] = (
    ("__properties_version1.0".encode("utf-16-le"), OUTLOOK),
    ("WordDocument".encode("utf-16-le"), OLD_WORD),
    ("Workbook".encode("utf-16-le"), OLD_EXCEL),
)
#: A PKCS #7 object: signedData, envelopedData or authEnvelopedData (RFC 5652), its length in one to four bytes or open.
_PKCS7 = re.compile(
    rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)"
    rb"\x06(?:\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x02\x03]|\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17)",
    re.DOTALL,
)
_PDF = re.compile(rb"(?<![ -~])%PDF-")
_BEGIN = re.compile(
    rb"\s{0,40}BEGIN:(VCALENDAR|VCARD)[ \t]{0,40}\r{0,2}(?:\Z|\n\s{0,40}(?:\Z|[A-Z][A-Z0-9.-]{0,60}[;:]))",
    re.IGNORECASE,
)
_HTML = re.compile(rb"\s{0,200}(?:<\?xml[^>]{0,200}>\s{0,40})?<(?:!doctype html|html)\b", re.IGNORECASE)
_HEADER = re.compile(rb"(?:From |[A-Za-z][A-Za-z0-9-]{1,60}: ?[^\r\n]{0,998}\r?\n(?:[ \t][^\r\n]{0,998}\r?\n)*)")
_MAIL_HEADERS = re.compile(rb"(?:from|to|subject|date|message-id|mime-version|received|return-path):", re.IGNORECASE)
#: Forms have lines as "From:" and "To:", too; these fields only mails have.
_SURE_HEADERS = re.compile(rb"(?:date|message-id|received):", re.IGNORECASE)
#: Bytes of headers, and fields, in which they are looked for.
MAX_HEADERS, MAX_FIELDS = 64 * 1024, 200


def detect_type(content: bytes) -> str | None:
    """Return the type that the content shows; None for plain text and for what has no signature."""
    head = content[:HEAD]
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head.startswith(b"MZ") and _is_program(content):
        return PROGRAM
    if _PDF.search(head[:1024]):
        return PDF
    if head.startswith(_ZIP_START):
        return _type_of_zip(content)
    if head.startswith(_OLE_START):
        names = content[: 16 * 1024 * 1024]
        return next((kind for name, kind in _IN_OLE if name in names), None)
    if _PKCS7.match(head):
        return PKCS7
    if found := _BEGIN.match(head.removeprefix(b"\xef\xbb\xbf")):
        return CALENDAR if found[1].upper() == b"VCALENDAR" else CARD
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        return HTML
    return MAIL if _is_mail(content[:MAX_HEADERS]) else None


def choose_type(declared: str, name: str, content: bytes) -> str:
    """Return the type of a file: what its content shows, else the declared one if it can be read, else by its name.

    Programs declare tables and texts as whatever opens them: a.csv as `application/vnd.ms-excel`.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    declared = _ALIASES.get(declared, declared)
    found = detect_type(content)
    is_named = _ENDINGS.get(ending, declared) in _TEXTS and not _is_binary(content[:HEAD])
    is_declared = (found in (HTML, MAIL) and declared.startswith("text/")) or (found == PKCS7 and "pkcs7" in declared)
    if found is not None and not is_declared and not (found in _BY_WORDS and is_named):
        return found
    return declared if declared in _WORDS else _ENDINGS.get(ending, declared or OCTETS)


#: Types whose content needs no sign.
_WORDS = frozenset({"text/plain", "text/csv", "text/tab-separated-values", HTML, CALENDAR, CARD, "text/x-vcard", MAIL})
#: Types that the first words of a text may show by chance, and those of texts that may have such words.
_BY_WORDS = frozenset({HTML, CALENDAR, CARD, MAIL})
_TEXTS = frozenset({"text/plain", "text/csv", "text/tab-separated-values"})
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0c\x1b"))
_ALIASES = {
    **dict.fromkeys(("application/csv", "application/x-csv", "text/x-csv", "text/comma-separated-values"), "text/csv"),
    **dict.fromkeys(("application/txt", "application/text", "text/txt"), "text/plain"),
}
#: Types by name where no content shows them.
_ENDINGS = {
    "txt": "text/plain", "text": "text/plain", "log": "text/plain", "md": "text/plain", "csv": "text/csv",
    "tsv": "text/tab-separated-values", "htm": "text/html", "html": "text/html", "eml": MAIL, "ics": CALENDAR,
    "vcf": CARD, "json": "application/json", "xml": "application/xml", "pdf": PDF, "docx": WORD, "xlsx": EXCEL,
    "rtf": RTF, "zip": ZIP, "msg": OUTLOOK,
}  # fmt: skip


def _type_of_zip(content: bytes) -> str:
    if found := _OPEN_DOCUMENT.match(content[:200]):
        return found[1].decode()
    names = zip_names(content)
    if names is None:  # a file that was cut has its first entries only
        return next((kind for name, kind in _IN_ZIP if name in content[:HEAD]), ZIP)
    return next((kind for name, kind in _IN_ZIP if name in names), ZIP)


def _is_program(content: bytes) -> bool:
    """Return whether the header of a program is where the file says; texts begin with MZ, too."""
    at = int.from_bytes(content[60:64], "little")
    return content[at : at + 4] == b"PE\0\0"


def _is_mail(head: bytes) -> bool:
    """Return whether it begins with at least three header fields, two of them of mails, and then an empty line."""
    at, fields, known, sure = 0, 0, 0, 0
    while fields < MAX_FIELDS and (found := _HEADER.match(head, at)):
        fields += 1
        known += _MAIL_HEADERS.match(found[0]) is not None
        sure += _SURE_HEADERS.match(found[0]) is not None
        at = found.end()
    is_end = (
        fields == MAX_FIELDS or len(head) == MAX_HEADERS or head[at : at + 2] == b"\r\n" or head[at : at + 1] == b"\n"
    )
    return fields >= 3 and known >= 2 and sure >= 1 and is_end


def _is_binary(head: bytes) -> bool:
    """Return whether text does not have such bytes: NUL, or many control characters."""
    return b"\0" in head or 50 * (len(head) - len(head.translate(None, _CONTROLS))) > len(head)
