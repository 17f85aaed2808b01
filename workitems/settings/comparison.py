"""Compares two states of the settings."""

import hashlib
from collections.abc import Iterator

from pydantic import BaseModel

from workitems.base.json_codec import encode_json
from workitems.settings.root import Settings

#: The tables that a running worker takes from a changed file: all that decides which fields are read.
RULES_TABLES = frozenset({"fields", "reading"})


def changed_names(before: Settings, after: Settings) -> list[str]:
    """Return the dotted names of the settings that differ, without RULES_TABLES. They never have a value in them."""
    return [name for name in _differences(before, after) if name.split(".")[0] not in RULES_TABLES]


def rules_digest(settings: Settings) -> str:
    """Return what distinguishes field rules: equal on all machines whose files have equal RULES_TABLES."""
    return hashlib.sha256(encode_json(settings.model_dump(mode="json", include=set(RULES_TABLES)))).hexdigest()[:16]


def _differences(before: BaseModel, after: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(before).model_fields:
        yield from _compare(f"{prefix}{name}", getattr(before, name), getattr(after, name))


def _compare(name: str, before: object, after: object) -> Iterator[str]:
    if isinstance(before, BaseModel) and isinstance(after, BaseModel):
        yield from _differences(before, after, f"{name}.")
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):  # a table that only one of them has is one name
            yield from _compare(f"{name}.{key}", before.get(key), after.get(key))
    elif before != after:
        yield name
