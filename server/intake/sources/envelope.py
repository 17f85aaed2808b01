"""The envelope of a mail from a webhook, and the parts that the mail of every form is made of."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from server.intake.mime_writer import MimeAttachment, TextPart
from server.intake.posted_files import EMPTY, MISSING, unread_file
from server.intake.sources.form import Form, FormField
from workitems.base.errors import InvalidChangeError

#: Addresses of an envelope that are stored at most.
MAX_RECIPIENTS = 50

#: Files of a mail that were announced and did not come: so many are listed at most.
MAX_MISSING = 100

_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,80}", re.ASCII)
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.+-]{0,39}", re.ASCII)
_BREAKING = re.compile(r"[\r\n\x00]+")
#: Names of the fields in which services post files.
_FILE_FIELD = re.compile(r"attachment-?[0-9]{1,4}", re.ASCII)
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PostedEnvelope:
    """The envelope of a mail (`recipients` may be incomplete), and the proof that its service sent it."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    proof: dict[str, str] = field(default_factory=dict)
    #: Only the headers of the mail were sent.
    headers_only: bool = False


def make_envelope(sender: str, recipients: Sequence[str], **proof: str) -> PostedEnvelope:
    """Return the envelope that a service gave, cleaned and bounded."""
    kept = tuple(address(one) for one in recipients[:MAX_RECIPIENTS] if address(one))
    return PostedEnvelope(address(sender) or None, kept, proof)


def address(value: str) -> str:
    """Return an address as it is stored: one line of at most 320 characters; a lone surrogate is replaced."""
    return _BREAKING.sub(" ", value).strip()[:320].encode("utf-8", "replace").decode()


def require_any(form: Form, *names: str) -> None:
    """Raise InvalidChangeError if the form has none of these fields: then it holds no mail."""
    if not any(field.name in names for field in form.fields):
        raise InvalidChangeError(f"a form with one of the fields {', '.join(names)} is accepted")


def text_parts(form: Form, name: str, subtype: str, declared: str = "utf-8") -> list[TextPart]:
    """Return the text of a field with its bytes unchanged and the *declared* charset; [] if the field is empty."""
    found = form.field(name)
    if found is None or not found.size:
        return []
    return [TextPart(subtype, partial(form.octets, found), charset(declared))]


def charset(declared: str) -> str:
    """Return *declared* if it is allowed in a header, else `utf-8`."""
    return declared if _CHARSET.fullmatch(declared) else "utf-8"


def form_files(form: Form, content_ids: Mapping[str, str]) -> list[MimeAttachment]:
    """Return the files of a form, with *content_ids* by field. Some have no file name, but the name of the field."""
    return [
        _file_part(form, each, content_ids.get(each.name, ""))
        for each in form.fields
        if each.filename is not None or _FILE_FIELD.fullmatch(each.name)
    ]


def _file_part(form: Form, found: FormField, content_id: str) -> MimeAttachment:
    """Return a file with a name and a type that are allowed in a header."""
    name, kind = filename(found.filename or ""), content_type(found.content_type)
    if not found.size:
        return unread_file(name, kind, EMPTY)
    return MimeAttachment(name, kind, partial(form.octets, found), clean_content_id(content_id))


def missing_files(
    posted: Sequence[MimeAttachment], announced: Sequence[tuple[str, str]], count: int
) -> list[MimeAttachment]:
    """Return the files that were *announced* by name and type, or by their *count* alone, and were not posted."""
    missing = max(0, min(max(count, len(announced)) - len(posted), MAX_MISSING))
    came = Counter(file.filename for file in posted)
    found: list[MimeAttachment] = []
    for name, kind in announced:
        if len(found) == missing:
            break
        shown = filename(name)
        came[shown] -= 1
        if came[shown] < 0:
            found.append(unread_file(shown, content_type(kind), MISSING))
    unnamed = unread_file(filename(""), content_type(""), MISSING)
    return found + [unnamed] * (missing - len(found))


def announced_count(form: Form, name: str) -> int:
    """Return the number in a field; 0 if it is none."""
    value = form.text(name, most=6).strip()
    return int(value) if value.isascii() and value.isdigit() else 0


def filename(value: str) -> str:
    """Return one line of at most 255 characters."""
    return _BREAKING.sub(" ", value).strip()[:255] or "attachment"


def content_type(value: str) -> str:
    """Return `type/subtype` in lower case, without parameters; for an invalid one `application/octet-stream`."""
    kind = value.partition(";")[0].strip().lower()
    return kind if _CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"


def clean_content_id(value: str) -> str:
    """Return a Content-ID without its angle brackets; '' for an invalid one."""
    inner = value.strip().removeprefix("<").removesuffix(">")
    return inner if _CONTENT_ID.fullmatch(inner) else ""
