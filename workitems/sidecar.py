"""What lies beside a raw mail in the mail store: where it came from."""

import json
from dataclasses import dataclass
from typing import Self

from workitems.errors import DecodeError
from workitems.event import encoded

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where a raw mail came from. `arrived` is INTERNALDATE or the time of the post, ISO 8601 UTC, whole seconds."""

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
    #: Whether the team sent it itself.
    own: bool = False
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    schema: int = SCHEMA

    def encode(self) -> bytes:
        return encoded({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Unknown names are ignored, so that an older program reads what a newer one wrote."""
        try:
            known = {name: value for name, value in json.loads(raw).items() if name in cls.__slots__}
            return cls(**known | {"recipients": tuple(known.get("recipients", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise DecodeError("a sidecar cannot be understood", raw) from error


@dataclass(frozen=True, slots=True)
class Stored:
    """One raw mail as it lies in the store."""

    sidecar: Sidecar
    raw: bytes
