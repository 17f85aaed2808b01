"""Field rules: what to look for in a mail, as data that people write and programs check."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import re2

from worker.reading.fields.vocabulary import FIELD_TYPES, GENERAL_LABELS, PERIOD_FIELDS, PERIOD_LABELS

TYPES = ("text", "reference", "name", "date", "datetime", "money", "number", "phone", "email", "table")
ORDERS = ("DMY", "MDY", "YMD")
#: Places of fields in the queue's row.
PLACES = (1, 2, 3)
#: Characters of a pattern, of a label and of a name; labels of one rule.
MAX_PATTERN = 1_000
MAX_LABEL = 100
MAX_NAME = 64
MAX_LABELS = 1_000
#: Bytes that RE2 may use for one pattern.
PATTERN_MEMORY = 8 * 1024 * 1024


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:
    """Compile an RE2 pattern, once for all mailboxes: a large one takes up to a second.

    ValueError says what RE2 does not accept (look-around, back-references …).
    """
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
    """One field: how its value is found (`labels`, `pattern` or both) and what form it has (`type`)."""

    name: str
    #: The words before the value, in any spelling of case, accents and "No."/"Nr"/"#"/"number".
    labels: tuple[str, ...] = ()
    #: RE2; a group is the value. It is searched after each label. Without labels it is searched everywhere.
    #: Where no label gives a value, it is searched in subject and new text, unless `labels_only`.
    pattern: str | None = None
    labels_only: bool = False
    type: str = "text"
    #: Order in dates like 03/04/2026. Without it, such a date is read only if the label's language decides it.
    order: str | None = None
    #: Country (ISO 3166, two letters) of phone numbers without a country code.
    region: str | None = None
    #: Currency (ISO 4217) of amounts without one.
    currency: str | None = None
    #: A mail of a person without it needs review.
    required: bool = False
    #: Its place in the queue's row, 1 to 3.
    show: int | None = None
    #: The day of this field is when the submission is due.
    due: bool = False

    def __hash__(self) -> int:
        # Rules are looked up once per mail, and comparing them would compare hundreds of labels.
        return hash(self.name)

    @classmethod
    def decode(cls, data: dict[str, Any]) -> "FieldRule":
        """Make the rule that `data` (JSON or TOML) describes. ValueError names what is wrong and what is accepted."""
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
            labels_only=_flag(data, "labels_only"),
            show=_place(data),
            due=_flag(data, "due"),
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
        if self.labels_only and not self.labels:
            raise ValueError(f"field {self.name!r} has labels_only and needs labels")
        if self.due and self.type not in ("date", "datetime"):
            raise ValueError(f"field {self.name!r} has due; its type must be date or datetime, not {self.type}")
        if self.pattern is not None:
            try:
                compile_pattern(self.pattern)
            except ValueError as error:
                raise ValueError(f"field {self.name!r}: {error}") from None

    def encode(self) -> dict[str, Any]:
        """Return the rule as JSON data without default values; `decode` is the inverse."""
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


def _place(data: dict[str, Any]) -> int | None:
    value = data.get("show")
    if value is not None and (isinstance(value, bool) or value not in PLACES):
        raise ValueError("show must be 1, 2 or 3: the place of the field in the queue's row")
    return value


def _general_labels(name: str) -> tuple[str, ...]:
    periods = PERIOD_LABELS.values() if name in PERIOD_FIELDS else ()
    return tuple(label for labels in (*GENERAL_LABELS[name].values(), *periods) for label in labels)


#: The rules of the general fields.
GENERAL_RULES: tuple[FieldRule, ...] = tuple(
    FieldRule(name=name, type=kind, labels=_general_labels(name)) for name, kind in FIELD_TYPES.items()
)
_GENERAL = frozenset(GENERAL_RULES)


def is_general(rule: FieldRule) -> bool:
    """Say whether a rule is one of the general ones: what they do not find is not missed."""
    return rule in _GENERAL


def add_general(rules: Sequence[FieldRule]) -> tuple[FieldRule, ...]:
    """Return *rules* and the general rules whose names they do not have."""
    own = {rule.name for rule in rules}
    return (*rules, *(rule for rule in GENERAL_RULES if rule.name not in own))
