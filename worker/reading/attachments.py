"""The files of a mail: names made safe, types in lower case, winmail.dat opened."""

import re
from unicodedata import category

from worker.reading.headers import decode_text, one_line
from worker.reading.limits import Limits
from worker.reading.message import Part
from worker.reading.result import Attachment

#: Characters of a file name that are kept; its ending survives.
MAX_NAME = 120

_RESERVED = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
_CID = re.compile(r"cid:([^\"'\s>)]{1,300})", re.IGNORECASE)
_ENDINGS = {
    "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics", "message/rfc822": ".eml",
    "application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif",
    "application/pgp-signature": ".asc",
}  # fmt: skip


def attachments(files: list[Part], html: str, limits: Limits) -> tuple[list[Attachment], bool]:
    """(files in order, whether all could be opened). A file is inline when the HTML shows it by its Content-ID."""
    shown = {found[1] for found in _CID.finditer(html)} if files else set()
    out: list[Attachment] = []
    opened_all = True
    for part in files:
        n = len(out) + 1
        content = part.body()
        name, identity = _name(part, n), _content_id(part)
        if part.type in {"application/ms-tnef", "application/vnd.ms-tnef"} or name.lower() == "winmail.dat":
            inside = _open_tnef(content, limits)
            opened_all &= inside is not None
            for inner_name, inner in (inside or [])[: limits.parts - len(out)]:
                out.append(Attachment(len(out) + 1, inner_name, _type_of(inner_name), inner, False, None))
            if inside:
                continue
        inline = identity is not None and identity in shown
        out.append(Attachment(n, name, part.type, content, inline, identity))
    return out, opened_all


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
    """A name that is safe to show and to save: no path, no control or bidi characters, not hidden, bounded."""
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


def _open_tnef(content: bytes, limits: Limits) -> list[tuple[str, bytes]] | None:
    """(name, bytes) of each file in a winmail.dat; None when it cannot be opened."""
    if len(content) > limits.attachment_bytes * 4 or content[:4] != b"\x78\x9f\x3e\x22":
        return None
    from tnefparse import TNEF  # slow to import and rarely needed

    try:
        tnef = TNEF(content, do_checksum=False)
        files = [
            (_tnef_name(attachment, n), bytes(attachment.data or b""))
            for n, attachment in enumerate(tnef.attachments[: limits.parts], 1)
        ]
        for body, name in ((tnef.htmlbody, "message.html"), (tnef.body, "message.txt"), (tnef.rtfbody, "message.rtf")):
            if body:
                files.append((name, body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)))
                break
    except Exception:  # noqa: BLE001 - the library raises whatever a broken file leads it to
        return None
    return files


def _tnef_name(attachment: object, n: int) -> str:
    name = getattr(attachment, "long_filename", None)
    name = name() if callable(name) else name
    name = name or getattr(attachment, "name", None) or ""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return safe_name(text.rstrip("\x00"), f"attachment-{n}")


def _type_of(name: str) -> str:
    from mimetypes import MimeTypes

    return MimeTypes().guess_type(name)[0] or "application/octet-stream"
