"""Checks that the answer of a reading child has the form of a reading.

A child that a hostile mail controls may send anything; only a reading may reach Redis, the pages or the mail store.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from typing_extensions import TypedDict

from worker.sandbox import failure
from worker.sandbox.process import ReadingResult
from workitems.base.json_codec import MAX_JSON_DEPTH, is_too_deep

#: A short text, such as one line in a list of items.
ShortText = Annotated[str, Field(max_length=10_000)]

#: A list of short texts. The check stops at the first error: pydantic needs a gigabyte for a megabyte of errors.
ShortTexts = Annotated[list[ShortText], FailFast()]

#: The most fields, and the most evidence, of a reading; rules produce far fewer.
MAX_FIELDS = 1_000


#: The most regions of a text.
MAX_REGIONS = 1_000

#: Levels of the machine part around the value of a field. A value nested more deeply could not be decoded again.
_AROUND = 2


class _Evidence(TypedDict):
    """Where a field was found, and by which rule."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]  # as pydantic documents it

    raw: str
    source: ShortText
    start: int
    end: int
    rule: ShortText
    confidence: Annotated[float, Field(allow_inf_nan=False)]
    alternatives: list[Any]


class _Missing(TypedDict):
    """Why a field has no value."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    name: ShortText
    why: Literal["absent", "ambiguous", "wrong_type"]
    readings: list[dict[str, Any]]


class _Attachment(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]

    n: int
    name: ShortText
    type: ShortText
    size: int
    inline: bool
    unread: NotRequired[ShortText | None]
    path: NotRequired[Annotated[list[ShortText], FailFast(), Field(max_length=20)]]


class _Authentication(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    server: ShortText
    results: dict[str, ShortText]


class _Recipient(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    address: ShortText
    action: ShortText
    status: ShortText
    diagnostic: ShortText


class _Original(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    message_id: ShortText | None
    subject: ShortText


class _Bounce(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    recipients: Annotated[list[_Recipient], FailFast(), Field(max_length=50)]
    original: _Original


class _Attendee(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    address: ShortText
    answer: ShortText


class _Invitation(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    method: ShortText
    summary: ShortText
    start: ShortText | None
    end: ShortText | None
    location: ShortText
    organizer: ShortText
    attendees: Annotated[list[_Attendee], FailFast(), Field(max_length=50)]
    repeats: ShortText | None
    status: ShortText
    description: ShortText


class _Region(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]

    kind: Literal["new", "quoted", "forwarded", "signature", "disclaimer"]
    start: int
    end: int


#: The mail that is forwarded in the text; "from" is no name in Python.
_Forwarded = TypedDict(
    "_Forwarded",
    {"from": ShortText, "from_name": ShortText, "from_email": ShortText, "date": ShortText, "subject": ShortText},
)
_Forwarded.__pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[attr-defined]


class _Reading(BaseModel):
    """The fields of `worker.reading.result.Reading` as JSON gives them."""

    model_config = ConfigDict(strict=True)

    subject: str
    from_email: ShortText
    from_name: ShortText
    reply_to: ShortTexts
    delivered_to: ShortTexts
    to: ShortTexts
    cc: ShortTexts
    bcc: ShortTexts
    date: ShortText | None
    message_id: ShortText | None
    references: ShortTexts
    authentication: Annotated[list[_Authentication], FailFast(), Field(max_length=20)]
    kind: Literal["human", "auto_reply", "bounce", "list", "notification", "invitation", "receipt"]
    kind_reason: Annotated[str, Field(max_length=200)]
    is_automatic: bool
    has_one_sender: bool
    bounce: _Bounce | None
    invitation: _Invitation | None
    flags: ShortTexts
    reason: ShortText | None
    text: str
    regions: Annotated[list[_Region], FailFast(), Field(max_length=MAX_REGIONS)]
    forwarded: _Forwarded | None
    html: str
    preview: ShortText
    fields: dict[str, Any]
    evidence: dict[str, _Evidence]
    due_field: ShortText | None
    missing: Annotated[list[_Missing], FailFast(), Field(max_length=MAX_FIELDS)]
    attachments: Annotated[list[_Attachment], FailFast()]


def validate_result(result: ReadingResult) -> ReadingResult:
    """Return *result* if it is valid. Raises ReadFailedError, which names the wrong part but never quotes it."""
    for name in ("fields", "evidence"):
        if isinstance(found := result.reading.get(name), dict) and len(found) > MAX_FIELDS:
            raise failure.malformed_answer_error(f"it has too many {name}")
    try:
        _Reading.model_validate(result.reading)
    except ValidationError as error:
        part = ".".join(str(name)[:40] for name in error.errors()[0]["loc"][:2])
        raise failure.malformed_answer_error(f"its {part} is not valid") from None
    values = [
        *result.reading["fields"].values(),
        *(each["alternatives"] for each in result.reading["evidence"].values()),
        *(each["readings"] for each in result.reading["missing"]),
    ]
    if any(is_too_deep(value, MAX_JSON_DEPTH - _AROUND) for value in values if value):
        raise failure.malformed_answer_error("its fields are nested too deeply")
    if len(result.reading["attachments"]) != len(result.attachments):
        raise failure.malformed_answer_error("its attachments do not match their contents")
    return result
