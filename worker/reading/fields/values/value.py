"""What finders take and return."""

from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(slots=True)
class FieldValue:
    """A normal form and its position in the candidate."""

    start: int
    end: int
    value: Any


@dataclass(slots=True)
class Readings:
    """What a text may mean, and its position: one reading is a value; several, or none that is sure, are in doubt."""

    start: int
    end: int
    values: tuple[Any, ...]

    def moved(self, offset: int) -> "Readings":
        """Return the same readings in a text that begins *offset* characters earlier."""
        return Readings(self.start + offset, self.end + offset, self.values) if offset else self

    @property
    def only(self) -> FieldValue | None:
        """The value, if there is exactly one reading."""
        return FieldValue(self.start, self.end, self.values[0]) if len(self.values) == 1 else None


@dataclass(slots=True)
class Hint:
    """What the surroundings say: the language of label or mail, a remark ("Amount (EUR)"), and the day of the mail."""

    language: str | None = None
    remark: str = ""
    sent: date | None = None
    #: Order of the numeric dates around it.
    date_order: str | None = None
    #: Currency of signs that the language alone decides (kr).
    crown: str | None = None
