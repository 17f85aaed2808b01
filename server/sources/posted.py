"""What a post holds beside the mail itself, and the pieces of which every form's mail is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from server.compose import Attachment, Text
from server.sources.form import Field, Form
from workitems.errors import InvalidChangeError

#: Addresses of an envelope that are kept.
MOST_RECIPIENTS = 50

_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,80}", re.ASCII)
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.+-]{0,39}", re.ASCII)
_BREAKING = re.compile(r"[\r\n\x00]+")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Posted:
    """Envelope of a posted mail (`recipients` as far as it is told), and what proves that its service sent it."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    proof: dict[str, str] = field(default_factory=dict)
    #: Only the head of the mail was posted.
    headers_only: bool = False


def envelope(sender: str, recipients: Sequence[str], **proof: str) -> Posted:
    """What a service said of the envelope, cleaned and bounded."""
    kept = tuple(address(one) for one in recipients[:MOST_RECIPIENTS] if address(one))
    return Posted(address(sender) or None, kept, proof)


def address(value: str) -> str:
    """An address as it is kept: one line, of at most 320 characters; half a character pair is replaced."""
    return _BREAKING.sub(" ", value).strip()[:320].encode("utf-8", "replace").decode()


def expect(form: Form, *names: str) -> None:
    """Raises InvalidChangeError for a form that has none of these fields: it is no mail, however odd."""
    if not any(field.name in names for field in form.fields):
        raise InvalidChangeError(f"a form with one of the fields {', '.join(names)} is accepted")


def text(form: Form, name: str, subtype: str, declared: str = "utf-8") -> list[Text]:
    """The text in a field with its octets as they came, so that the reader sees what was declared; [] without one."""
    found = form.field(name)
    if found is None or not found.size:
        return []
    return [Text(subtype, partial(form.octets, found), charset(declared))]


def charset(declared: str) -> str:
    """A name that may stand in a header."""
    return declared if _CHARSET.fullmatch(declared) else "utf-8"


def file(form: Form, found: Field, content_id: str = "") -> Attachment:
    """A file of a form, under a name and a type that may stand in a header."""
    return Attachment(
        filename(found.filename or ""), content_type(found.content_type), partial(form.octets, found), cid(content_id)
    )


def filename(value: str) -> str:
    """One line of at most 255 characters."""
    return _BREAKING.sub(" ", value).strip()[:255] or "attachment"


def content_type(value: str) -> str:
    """`type/subtype` in lower case, without parameters; what is none is octets."""
    kind = value.partition(";")[0].strip().lower()
    return kind if _CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"


def cid(value: str) -> str:
    """A Content-ID without its angles; '' for what is none."""
    inner = value.strip().removeprefix("<").removesuffix(">")
    return inner if _CONTENT_ID.fullmatch(inner) else ""
