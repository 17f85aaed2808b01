"""What is wrong with a part of the installation, in words, and what a person can do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. *message* follows the name of the part: "it …"; *advice* is a sentence or more.

    `is_error`: something does not work, else it is a warning. `loses_data`: what is stored now may be lost.
    """

    kind: str
    message: str
    advice: str
    is_error: bool = False
    loses_data: bool = False

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind, "error": self.is_error, "message": self.message, "advice": self.advice}
