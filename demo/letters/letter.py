"""A letter as it lies in its file, before anything is filled in."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

#: Where the letters lie; a file's name begins with its place in the order.
TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True)
class Attachment:
    """A file that goes with the letter. `text` is its content, also of a PDF; a PNG has none and is drawn.

    With `inline` it is no file but a picture in the HTML, named there as `cid:<inline>`.
    """

    name: str
    type: str
    text: str = ""
    charset: str = "utf-8"
    inline: str = ""


@dataclass(frozen=True)
class Letter:
    """Templates of one letter. `values` says what each `{{name}}` in them may be."""

    name: str
    sender: str
    to: list[str]
    subject: str
    cc: list[str] = field(default_factory=list)
    text: str = ""
    html: str = ""
    #: Which language the months of its dates are written in.
    language: str = "en"
    #: Hours that the sender's clock is ahead of UTC.
    zone: float = 0
    charset: str = "utf-8"
    #: Content-Transfer-Encoding of the texts: 7bit, 8bit, quoted-printable or base64.
    encoding: str = "quoted-printable"
    headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    #: The attachments are the machine-readable parts of a delivery report (RFC 3462), not files.
    report: bool = False
    #: The letter that this one answers: it shares that one's values, and its subject and Message-ID lead back to it.
    answers: "Letter | None" = None

    @property
    def conversation(self) -> str:
        """The name of the first letter of the conversation that this one belongs to."""
        return self.answers.conversation if self.answers else self.name


@cache
def read(name: str) -> Letter:
    """The letter in the file *name*.toml; TypeError when the file says something that no letter has."""
    fields = tomllib.loads((TEXTS / f"{name}.toml").read_text("utf-8"))
    parent = fields.pop("answers", None)
    attachments = [Attachment(**attachment) for attachment in fields.pop("attachment", [])]
    return Letter(name=name, attachments=attachments, answers=read(parent) if parent else None, **fields)


def _names() -> Iterator[str]:
    return (path.stem for path in sorted(TEXTS.glob("*.toml")))


def letters() -> list[Letter]:
    """Every letter, in a good order for a first look; an answer comes after the letter that it answers."""
    return [read(name) for name in _names()]
