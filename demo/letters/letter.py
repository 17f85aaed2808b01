"""A letter as its file has it, with templates that are not filled yet."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

#: The folder of the letters; the names of the files give the order.
TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True)
class LetterAttachment:
    """A file of the letter. `text` is its content, also of a PDF; a PNG has none and is drawn.

    With `inline` it is a picture in the HTML, which refers to it as `cid:<inline>`.
    """

    name: str
    type: str
    text: str = ""
    charset: str = "utf-8"
    inline: str = ""


@dataclass(frozen=True)
class Letter:
    """The templates of one letter. `values` defines each `{{name}}` in them."""

    name: str
    sender: str
    to: list[str]
    subject: str
    cc: list[str] = field(default_factory=list)
    text: str = ""
    html: str = ""
    #: The language of the months in its dates.
    language: str = "en"
    #: The sender's offset from UTC in hours.
    zone: float = 0
    charset: str = "utf-8"
    #: Content-Transfer-Encoding of the texts: 7bit, 8bit, quoted-printable or base64.
    encoding: str = "quoted-printable"
    headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    attachments: list[LetterAttachment] = field(default_factory=list)
    #: The attachments are the machine-readable parts of a delivery report (RFC 3462), not files.
    report: bool = False
    #: The letter that this one answers. Both have the same values; In-Reply-To and References refer to it.
    answers: "Letter | None" = None

    @property
    def conversation(self) -> str:
        """Return the name of the first letter of the conversation."""
        return self.answers.conversation if self.answers else self.name


@cache
def read(name: str) -> Letter:
    """Return the letter in the file *name*.toml. Raises TypeError for a field that a letter does not have."""
    fields = tomllib.loads((TEXTS / f"{name}.toml").read_text("utf-8"))
    parent = fields.pop("answers", None)
    attachments = [LetterAttachment(**attachment) for attachment in fields.pop("attachment", [])]
    return Letter(name=name, attachments=attachments, answers=read(parent) if parent else None, **fields)


def _names() -> Iterator[str]:
    return (path.stem for path in sorted(TEXTS.glob("*.toml")))


def letters() -> list[Letter]:
    """Return all letters in the order of their files; an answer comes after the letter that it answers."""
    return [read(name) for name in _names()]
