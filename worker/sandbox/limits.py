"""Limits of a reading child. The child sets them for itself; the parent checks the answers against them."""

from dataclasses import asdict, dataclass
from typing import Any

from workitems.confinement.limits import MIB, ProcessLimits


@dataclass(frozen=True, slots=True)
class ChildLimits(ProcessLimits):
    """All limits of one child. The time for one mail is an argument of the call instead.

    Of memory a 36 MB mail needs some 300 MB, the libraries 150 MB. A child with half of its processor time is retired.
    """

    #: Mails after which a child is retired.
    max_mails: int = 20_000
    #: Resident bytes above which a child is retired after its answer.
    max_resident_bytes: int = 400 * MIB
    #: The longest JSON head of an answer in bytes; the parent decodes it on its event loop.
    max_head_bytes: int = 1 * MIB
    #: The largest answer in bytes, long texts and attachments together.
    max_answer_bytes: int = 128 * MIB
    #: The most long texts and attachments of an answer.
    max_parts: int = 1024

    def encode(self) -> dict[str, int]:
        """Return the limits as JSON values."""
        return asdict(self)

    @classmethod
    def decode(cls, data: dict[str, Any]) -> "ChildLimits":
        """Rebuild the limits from the result of `encode`."""
        return cls(**data)
