"""Loads labelled mails: each `NAME.eml` has a `NAME.toml` beside it that says what a careful person copies out of it.

`[fields]` has the values that must be found, `[accepted]` other values that are as right, `[optional]` values that may
be found, `[doubt]` fields that must have no value, with the readings that may be offered. `[rules.NAME]` are field
rules of the mail's mailbox, as in `tubepost.toml`. Every value that is in none of these tables is wrong.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.reading import GENERAL_RULES, FieldRule
from worker.reading.fields.rules import add_general
from workitems.settings.fields import FieldSettings

#: Our own labelled mails.
OWN = Path(__file__).parent / "mails"
#: The tables of a label file.
TABLES = ("rules", "fields", "accepted", "optional", "doubt")


@dataclass(frozen=True, slots=True)
class LabelledMail:
    """A raw mail, the rules of its mailbox, and what is right."""

    name: str
    raw: bytes
    rules: tuple[FieldRule, ...]
    #: Field → the value that must be found.
    expected: dict[str, Any]
    #: Field → other values that are right, where one must be found.
    accepted: dict[str, list[Any]]
    #: Field → a value that may be found.
    optional: dict[str, Any]
    #: Field → readings of a text that has no sure value.
    doubt: dict[str, list[Any]]

    @property
    def types(self) -> dict[str, str]:
        """Each field with its type."""
        return {rule.name: rule.type for rule in reversed(self.rules)}


def load_mails(folder: Path) -> Iterator[LabelledMail]:
    """Yield the labelled mails of a folder, by name. ValueError names a label file that is wrong."""
    for file in sorted(folder.glob("*.toml")):
        labels = tomllib.loads(file.read_text(encoding="utf-8"))
        rules = tuple(_rules(labels.get("rules", {})))
        mail = LabelledMail(
            file.stem,
            file.with_suffix(".eml").read_bytes(),
            add_general(rules) if rules else GENERAL_RULES,
            labels.get("fields", {}),
            labels.get("accepted", {}),
            labels.get("optional", {}),
            labels.get("doubt", {}),
        )
        named = {*mail.expected, *mail.accepted, *mail.optional, *mail.doubt}
        if wrong := sorted((labels.keys() - set(TABLES)) | (named - mail.types.keys())):
            raise ValueError(f"{file.name}: {', '.join(wrong)}: no such table or field; tables are {', '.join(TABLES)}")
        yield mail


def _rules(tables: dict[str, dict[str, Any]]) -> Iterator[FieldRule]:
    """Yield the rules that tables of the settings describe."""
    for name, table in tables.items():
        for rule in FieldSettings.model_validate(table).rules(""):
            yield FieldRule.decode({"name": name, **rule})
