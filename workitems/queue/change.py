"""What a person wants to change in an item: the checks, and the item and its history after the change. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workitems.base.errors import InvalidChangeError
from workitems.base.json_codec import encode_json_str
from workitems.base.statuses import STATUSES
from workitems.queue.item import Item, Json, effective_fields

#: Characters of an assignee's name.
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class ItemChange:
    """The change that a person wants; only given values change. `assignee` '' and a field of None are removed."""

    status: str | None = None
    assignee: str | None = None
    fields: Mapping[str, Any] | None = None


def check_change(change: ItemChange) -> None:
    """Raise InvalidChangeError for a change that no item accepts."""
    if change.status is not None and change.status not in STATUSES:
        raise InvalidChangeError(f"{change.status!r:.60} is not a status; accepted: {', '.join(STATUSES)}", "status")
    if change.assignee is not None and (len(change.assignee) > LONGEST_NAME or not change.assignee.isprintable()):
        raise InvalidChangeError(f"a name of at most {LONGEST_NAME} printable characters is accepted", "assignee")
    for name, value in (change.fields or {}).items():
        if not 1 <= len(name) <= 64 or not name.isprintable() or len(_json(value)) > 4_000:
            raise InvalidChangeError(
                "a field has a name of 1 to 64 printable and a value of at most 4,000 characters", "fields"
            )
    if len(change.fields or ()) > 100:
        raise InvalidChangeError("at most 100 fields are corrected at once", "fields")


def apply_change(item: Item, change: ItemChange) -> tuple[Item, list[Json]]:
    """Return the item after the change, and a history step (field, before, after) for each thing that differs."""
    status = change.status or item.status
    assignee = item.assignee if change.assignee is None else change.assignee or None
    before = effective_fields(item.machine, item.person)
    # Compared as JSON, where 1 and true are not the same.
    corrections = {
        name: value
        for name, value in (change.fields or {}).items()
        if encode_json_str(before.get(name)) != encode_json_str(value)
    }
    steps = [] if status == item.status else [_step("status", item.status, status)]
    steps += [] if assignee == item.assignee else [_step("assignee", item.assignee or "", assignee or "")]
    steps += [
        _step(f"fields.{name}", encode_json_str(before.get(name)), encode_json_str(value))
        for name, value in corrections.items()
    ]
    person = item.person | {"corrections": item.person.get("corrections", {}) | corrections}
    if len(person["corrections"]) > 200:
        raise InvalidChangeError("an item carries at most 200 corrected fields", "fields")
    changed = replace(item, status=status, assignee=assignee, person=person, version=item.version + bool(steps))
    return changed, steps


def _step(field: str, before: str, after: str) -> Json:
    return {"field": field, "before": before, "after": after}


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:  # NaN and Infinity, which Python reads from what calls itself JSON
        raise InvalidChangeError("a field has a value that JSON can carry", "fields") from error
