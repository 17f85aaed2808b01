"""What a reading child may use. Both ends know it: the child gives up the rest, the parent checks what it answers."""

from dataclasses import asdict, dataclass
from typing import Any

MIB = 1024 * 1024

#: Exit code that says "out of memory": to end takes no memory, to send a frame might.
EXIT_MEMORY = 71


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Every bound of a child's life; the time for one mail is an argument of the call instead."""

    #: Address space in bytes (RLIMIT_AS). A 36 MB mail needs some 300 MB, the libraries 150 MB.
    memory: int = 1024 * MIB
    #: Open descriptors (RLIMIT_NOFILE): four of its own and room for libraries that load their data late.
    files: int = 64
    #: Processor time of a whole life in seconds (RLIMIT_CPU), should the parent hang; retired at half of it.
    cpu: int = 600
    #: Mails after which a child is retired.
    mails: int = 20_000
    #: Resident bytes above which a child is retired after its answer.
    grown: int = 400 * MIB
    #: The longest JSON head of an answer in bytes; the parent decodes it on its event loop.
    head: int = 1 * MIB
    #: The largest answer in bytes, long texts and attachments together.
    answer: int = 128 * MIB
    #: The most long texts and attachments of an answer.
    parts: int = 1024

    def encode(self) -> dict[str, int]:
        """The limits as JSON."""
        return asdict(self)

    @classmethod
    def decode(cls, data: dict[str, Any]) -> "ChildLimits":
        """The limits that `encode` made."""
        return cls(**data)
