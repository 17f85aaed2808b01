"""The sidecar of a raw mail in the mail store: where the mail came from."""

import json
from dataclasses import dataclass
from typing import Self

from workitems.base.errors import DecodeError
from workitems.base.json_codec import encode_json

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where a raw mail came from. `arrived` is INTERNALDATE or the time of the upload, ISO 8601 UTC, whole seconds."""

    id: str
    mailbox: str
    raw: str
    arrived: str
    source: str
    size: int
    oversized: bool = False
    uidvalidity: int | None = None
    uid: int | None = None
    folder: str = ""
    #: Whether the team sent it.
    own: bool = False
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    schema: int = SCHEMA

    def encode(self) -> bytes:
        return encode_json({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Decode a sidecar; ignore unknown names, since a newer program may have written it. Raises DecodeError."""
        try:
            known = {name: value for name, value in json.loads(raw).items() if name in cls.__slots__}
            return cls(**known | {"recipients": tuple(known.get("recipients", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise DecodeError("a sidecar cannot be decoded", raw) from error


@dataclass(frozen=True, slots=True)
class RawMail:
    """One raw mail of the mail store."""

    sidecar: Sidecar
    raw: bytes
