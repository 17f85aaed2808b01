"""Lists the files of a mail: names made safe, types in lower case."""

import re
from unicodedata import category

from worker.reading.attachments.file_types import choose_type
from worker.reading.attachments.library_guard import DID_NOT_COME, NO_CONTENT, UNDECODABLE
from worker.reading.mime.headers import decode_text, one_line
from worker.reading.mime.parts import Part
from worker.reading.result import MailAttachment

#: Characters of a file name that are kept; the extension is kept too.
MAX_NAME = 120

#: What `server/intake/posted_files.py` says about a file that was posted without usable content, in the field below.
_UNREAD = {"empty": NO_CONTENT, "undecodable": UNDECODABLE, "missing": DID_NOT_COME}
_UNREAD_FIELD = "x-tubepost-unread"

_RESERVED = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
_CID = re.compile(r"cid:([^\"'\s>)]{1,300})", re.IGNORECASE)
_ENDINGS = {
    "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics", "message/rfc822": ".eml",
    "application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif",
    "application/pgp-signature": ".asc",
}  # fmt: skip


def list_attachments(files: list[Part], html: str) -> list[MailAttachment]:
    """Return the files in order. An image is inline if the HTML shows it by its Content-ID."""
    shown = {found[1] for found in _CID.finditer(html)} if files else set()
    out: list[MailAttachment] = []
    for n, part in enumerate(files, 1):
        identity = _content_id(part)
        name, content = _name(part, n), part.body()
        kind = choose_type(part.type, name, content)
        inline = identity in shown and kind.startswith("image/")
        out.append(MailAttachment(n, name, kind, content, inline, identity, _why_unread(part, content)))
    return out


def _why_unread(part: Part, content: bytes) -> str | None:
    """Return why a posted file has no content. In a stranger's mail the field can only flag a file that is empty."""
    return None if content else _UNREAD.get(part.headers.plain(_UNREAD_FIELD))


def _content_id(part: Part) -> str | None:
    value = one_line((part.headers.raw("content-id") or b"")[:500].decode("utf-8", "replace")).strip("<> ")
    return value or None


def _name(part: Part, n: int) -> str:
    _, values = part.disposition()
    name = values.get("filename") or part.parameters.get("name") or ""
    if not name and part.type == "message/rfc822":
        name = _subject_inside(part)
    return safe_name(name, f"attachment-{n}", _ENDINGS.get(part.type, ""))


def _subject_inside(part: Part) -> str:
    found = re.search(rb"^subject:([^\r\n]{1,300})", part.body(8192), re.IGNORECASE | re.MULTILINE)
    subject = decode_text(found[1]) if found else ""
    return f"{subject}.eml" if subject else ""


def safe_name(name: str, otherwise: str, ending: str = "") -> str:
    """Return a name that is safe to show and to save: no path, no control or bidi characters, not hidden, bounded."""
    name = "".join(
        " " if category(char) in {"Zs", "Zl", "Zp"} else char
        for char in name[:1000]
        if category(char) not in {"Cc", "Cf", "Cs"}
    )
    name = re.split(r"[\\/]", name)[-1]
    name = one_line(_RESERVED.sub("_", name)).strip(". ")
    if not name.strip("_"):
        return otherwise + ending
    stem, dot, last = name.rpartition(".")
    if len(name) > MAX_NAME:
        keep = last if dot and len(last) <= 10 else ""
        name = (stem or name)[: MAX_NAME - len(keep) - 1] + (f".{keep}" if keep else "")
    return name
