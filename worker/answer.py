"""Whether what a reading child answered has the shape of a reading.

A child that a mail took over may answer anything; what is no reading must not reach Redis, the pages or the mail store.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from typing_extensions import TypedDict

from worker.sandbox import failure
from worker.sandbox.process import Result
from workitems.event import DEEPEST, is_deeper

#: Characters of what is one line in a list of items.
Line = Annotated[str, Field(max_length=10_000)]

#: Such items. The first that is none ends the look: pydantic would keep a megabyte of faults as a gigabyte of objects.
Lines = Annotated[list[Line], FailFast()]

#: Fields, and findings, that a reading may have; rules make far fewer.
MOST_FIELDS = 1_000


#: Levels of an item's machine part around the value of a field: what is stored deeper cannot be read again.
_AROUND = 2


class _Evidence(TypedDict):
    """Where a field was found."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]  # pydantic's own way

    raw: str
    source: Line
    start: int
    end: int
    rule: Line
    confidence: Annotated[float, Field(allow_inf_nan=False)]
    alternatives: list[Any]


class _Attachment(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]

    n: int
    name: Line
    type: Line
    size: int
    inline: bool


class _Reading(BaseModel):
    """The fields of `worker.reading.result.Reading` as JSON gives them."""

    model_config = ConfigDict(strict=True)

    subject: str
    from_email: Line
    from_name: Line
    to: Lines
    cc: Lines
    date: Line | None
    message_id: Line | None
    references: Lines
    kind: Literal["human", "own", "auto_reply", "bounce", "list", "notification"]
    flags: Lines
    reason: Line | None
    text: str
    html: str
    preview: Line
    fields: dict[str, Any]
    evidence: dict[str, _Evidence]
    attachments: Annotated[list[_Attachment], FailFast()]


def checked(result: Result) -> Result:
    """*result*, when it is a reading. Raises ReadFailedError that says which part is not, never what stood there."""
    for name in ("fields", "evidence"):
        if isinstance(found := result.reading.get(name), dict) and len(found) > MOST_FIELDS:
            raise failure.nonsense(f"its {name} are too many")
    try:
        _Reading.model_validate(result.reading)
    except ValidationError as error:
        part = ".".join(str(place)[:40] for place in error.errors()[0]["loc"][:2])
        raise failure.nonsense(f"its {part} is none") from None
    values = [
        *result.reading["fields"].values(),
        *(each["alternatives"] for each in result.reading["evidence"].values()),
    ]
    if any(is_deeper(value, DEEPEST - _AROUND) for value in values if value):
        raise failure.nonsense("its fields are too deep")
    if len(result.reading["attachments"]) != len(result.attachments):
        raise failure.nonsense("its attachments do not agree")
    return result
