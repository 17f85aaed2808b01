"""Whether what a reading child answered has the shape of a reading.

A child that a mail took over may answer anything; what is no reading must not reach Redis, the pages or the mail store.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from worker.sandbox import failure
from worker.sandbox.process import Result
from workitems.event import is_deeper

#: Characters of what is one line in a list of items.
Line = Annotated[str, Field(max_length=10_000)]


class _Evidence(TypedDict):
    """Where a field was found."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[misc]  # pydantic's own way

    raw: str
    source: Line
    start: int
    end: int
    rule: Line
    confidence: float
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
    to: list[Line]
    cc: list[Line]
    date: Line | None
    message_id: Line | None
    references: list[Line]
    kind: Literal["human", "own", "auto_reply", "bounce", "list", "notification"]
    flags: list[Line]
    reason: Line | None
    text: str
    html: str
    preview: Line
    fields: dict[str, Any]
    evidence: dict[str, _Evidence]
    attachments: list[_Attachment]


def checked(result: Result) -> Result:
    """*result*, when it is a reading. Raises ReadFailedError that says which part is not, never what stood there."""
    try:
        _Reading.model_validate(result.reading)
    except ValidationError as error:
        part = ".".join(str(place)[:40] for place in error.errors()[0]["loc"][:2])
        raise failure.nonsense(f"its {part} is none") from None
    values = [
        *result.reading["fields"].values(),
        *(each["alternatives"] for each in result.reading["evidence"].values()),
    ]
    if any(is_deeper(value) for value in values if value):
        raise failure.nonsense("its fields are too deep")
    if len(result.reading["attachments"]) != len(result.attachments):
        raise failure.nonsense("its attachments do not agree")
    return result
