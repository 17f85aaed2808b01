"""Field rules: what to look for in a mail, as data that people write and programs check."""

from dataclasses import dataclass, fields
from typing import Any

import re2

from worker.reading.vocabulary import GENERAL_FIELDS

TYPES = ("text", "reference", "name", "date", "datetime", "money", "number", "phone", "email", "table")
ORDERS = ("DMY", "MDY", "YMD")
#: Characters of a pattern, of a label and of a name; labels of one rule.
MAX_PATTERN = 1_000
MAX_LABEL = 100
MAX_NAME = 64
MAX_LABELS = 100
#: Bytes that RE2 may use for one pattern.
PATTERN_MEMORY = 8 * 1024 * 1024


def compile_pattern(pattern: str) -> Any:
    """The compiled RE2 pattern. ValueError says what RE2 does not accept (look-around, back-references …)."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else why
        raise ValueError(f"pattern is not accepted by RE2 (no look-around, no back-references): {why}") from None


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field: where its value stands (`labels`, `pattern` or both) and what form it has (`type`)."""

    name: str
    #: What stands before the value, in any spelling of case, accents and "No."/"Nr"/"#"/"number".
    labels: tuple[str, ...] = ()
    #: RE2. With labels it is searched in what follows a label; alone, in text and subject. A group is the value.
    pattern: str | None = None
    type: str = "text"
    #: Order in dates like 03/04/2026; without it such a date is read only where its label's language decides.
    order: str | None = None
    #: Country (ISO 3166, two letters) of phone numbers without a country code.
    region: str | None = None
    #: Currency (ISO 4217) of amounts that name none.
    currency: str | None = None
    required: bool = False

    def __hash__(self) -> int:
        # Rules are looked up once a mail; their labels are hundreds of strings and compared all the same.
        return hash(self.name)

    @classmethod
    def decode(cls, data: dict[str, Any]) -> "FieldRule":
        """The rule that `data` (from JSON or TOML) describes. ValueError names what is wrong and what is accepted."""
        if not isinstance(data, dict):
            raise ValueError(f"a field rule is an object, not {type(data).__name__}")  # noqa: TRY004 - the contract
        known = {field.name for field in fields(cls)}
        for key in data:
            if key not in known:
                raise ValueError(f"unknown key {key!r} in a field rule; accepted: {', '.join(sorted(known))}")
        rule = cls(
            name=_text(data, "name", MAX_NAME) or "",
            labels=_labels(data),
            pattern=_text(data, "pattern", MAX_PATTERN),
            type=_choice(data, "type", TYPES) or "text",
            order=_choice(data, "order", ORDERS),
            region=_code(data, "region", 2),
            currency=_code(data, "currency", 3),
            required=_flag(data, "required"),
        )
        rule._check()
        return rule

    def _check(self) -> None:
        if not self.name:
            raise ValueError("name is missing; a field rule needs the name of its field")
        if not self.labels and self.pattern is None:
            raise ValueError(f"field {self.name!r} needs labels or a pattern")
        if self.type == "table" and not self.labels:
            raise ValueError(f"field {self.name!r} is a table and needs labels: a header cell or a caption of it")
        if self.pattern is not None:
            try:
                compile_pattern(self.pattern)
            except ValueError as error:
                raise ValueError(f"field {self.name!r}: {error}") from None

    def encode(self) -> dict[str, Any]:
        """The rule as JSON data; what has its default is left out. `decode` gives it back."""
        data: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                data[field.name] = list(value) if isinstance(value, tuple) else value
        return data


def _text(data: dict[str, Any], key: str, longest: int) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise ValueError(f"{key} must be text of 1 to {longest} characters")
    return value


def _labels(data: dict[str, Any]) -> tuple[str, ...]:
    value = data.get("labels", [])
    if not isinstance(value, (list, tuple)) or len(value) > MAX_LABELS:
        raise ValueError(f"labels must be a list of at most {MAX_LABELS} texts")
    for label in value:
        if not isinstance(label, str) or not label.strip() or len(label) > MAX_LABEL:
            raise ValueError(f"labels must be texts of 1 to {MAX_LABEL} characters")
    return tuple(value)


def _choice(data: dict[str, Any], key: str, accepted: tuple[str, ...]) -> str | None:
    value = data.get(key)
    if value is not None and value not in accepted:
        raise ValueError(f"{key} {value!r} is not known; accepted: {', '.join(accepted)}")
    return value


def _code(data: dict[str, Any], key: str, length: int) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != length or not (value.isascii() and value.isalpha()):
        raise ValueError(f"{key} must be a code of {length} letters")
    return value.upper()


def _flag(data: dict[str, Any], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false")  # noqa: TRY004 - the contract
    return value


#: The rules used when none is given.
GENERAL: tuple[FieldRule, ...] = tuple(
    FieldRule(name=name, type=kind, labels=tuple(label for labels in by_language.values() for label in labels))
    for name, (kind, by_language) in GENERAL_FIELDS.items()
)
