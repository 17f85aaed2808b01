"""The events of the stream as JSON Schema (draft 2020-12); `docs/stream.schema.json` is this, written down.

    python -m server.event_schemas > docs/stream.schema.json

Known events are held to their shape. Whatever is not named here is let through, as clients must do too.
"""

import json
import sys
from typing import Any

from server.schemas import SCHEMAS
from workitems.event import SCHEMA

Json = dict[str, Any]

_CURSOR: Json = {"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,16}$", "description": "`<epoch>-<n>`"}
_YES: Json = {"type": "boolean"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_TEXT: Json = {"type": "string"}
_MAILBOXES: Json = SCHEMAS["Mailboxes"]["properties"]

#: What only `GET /api/mailboxes` says of a mailbox: it changes with every look.
_ASKED_FOR = ("age", "progress")

_ITEM_EXAMPLE: Json = {
    "id": "wi_abcdefghijklmnopqrstuvwxyz",
    "mailbox": "claims",
    "subject": "Water damage, policy AB-12345",
    "from_email": "jane@example.com",
    "from_name": "Jane Doe",
    "to": ["claims@example.org"],
    "created_at": "2026-11-22T17:00:00Z",
    "kind": "human",
    "flags": [],
    "reason": None,
    "preview": "Dear team, last night a pipe burst",
    "extracted_fields": {"policy_number": "AB-12345"},
    "attachments": [{"n": 1, "name": "kitchen.jpg", "type": "image/jpeg", "size": 48213}],
    "test": False,
    "submission_id": "wi_abcdefghijklmnopqrstuvwxyz",
    "submission_ref": "SUB-2026-000042",
    "status": "new",
    "assignee": None,
    "version": 0,
    "seq": 1882578537676805,
}
_REMOVED = ("id", "mailbox", "submission_id", "submission_ref")
_MAILBOX_EXAMPLE: Json = {
    "name": "claims",
    "state": "needs_sign_in",
    "reason": "the mail server refuses the sign-in",
    "advice": "An administrator checks user and password of mailboxes.claims, then runs: run.py check",
    "stale": False,
    "checked": "2026-11-22T16:58:00Z",
    "since": "2026-11-22T16:59:00Z",
    "rebaselined": None,
    "after": {"waiting": 0, "error": ""},
    "folders": [],
}
_INTAKE_EXAMPLE: Json = {
    "workers": 0,
    "alone": True,
    "since": "2026-11-22T16:58:00Z",
    "checked": "2026-11-22T16:58:00Z",
    "waiting": 3,
    "waiting_since": "2026-11-22T16:59:00Z",
    "quarantine": {"count": 1, "since": "2026-11-20T08:00:00Z"},
}


def _object(properties: Json, *optional: str) -> Json:
    needed = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": needed}


def _event(name: str, means: str, example: Json, properties: Json | None = None, *optional: str) -> Json:
    """One event; *example* without its name, which is the same in every one of its kind."""
    told = _object({"event": {"const": name}} | (properties or {}), *optional)
    return {"description": means, **told, "examples": [{"event": name} | example]}


def _item_event(name: str, means: str) -> Json:
    left = {"const": True, "description": "It no longer matches this stream's filter."}
    data = {"$ref": "#/$defs/item"}
    return _event(name, means, {"data": _ITEM_EXAMPLE}, {"data": data, "left": left}, "left")


def _mailbox() -> Json:
    every = _MAILBOXES["mailboxes"]["items"]["properties"]
    return _object({name: shape for name, shape in every.items() if name not in _ASKED_FOR})


_EVENTS: dict[str, Json] = {
    "connected": _event(
        "connected",
        "The first message of every stream.",
        {"schema": SCHEMA, "connection_id": "qLr4xW1c", "head": "1763811111111-42", "resumed": True, "replay": 3,
         "heartbeat": 30.0, "max_age": 251},
        {
            "schema": {"type": "integer", "minimum": 1, "description": "Rises when an old client would break."},
            "connection_id": _TEXT | {"description": "This stream's name in the server's log."},
            "head": _CURSOR,
            "resumed": _YES | {"description": "Whether it goes on from the cursor that was asked for."},
            "replay": _COUNT | {"description": "How many events of the feed were missed; a filter may want fewer."},
            "heartbeat": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds between heartbeats."},
            "max_age": _COUNT | {"description": "Seconds after which `rotate` comes; 0: never."},
        },
    ),
    "new_workitem": _item_event("new_workitem", "An item is new in the queue."),
    "workitem_updated": _item_event("workitem_updated", "An item changed."),
    "workitem_removed": _event(
        "workitem_removed",
        "An item is gone for good: drop what you have of it.",
        {"data": {name: _ITEM_EXAMPLE[name] for name in _REMOVED}},
        {"data": _object({name: SCHEMAS["Item"]["properties"][name] for name in _REMOVED})},
    ),
    "heartbeat": _event(
        "heartbeat",
        "The stream lives.",
        {"timestamp": 1763812345.123, "head": "1763811111111-57"},
        {"timestamp": {"type": "number", "description": "Seconds since 1970."}, "head": _CURSOR},
    ),
    "reset": _event(
        "reset",
        "Events after your cursor are gone: load the list again; the stream goes on from `head`.",
        {"reason": "trimmed", "head": "1763811111111-57"},
        {"reason": _TEXT | {"description": "`unknown`, `trimmed`, `epoch` or `too_far`; more may come."},
         "head": _CURSOR},
    ),
    "rotate": _event("rotate", "Open your next stream now; this one stays live for a few seconds.", {}),
    "busy": _event(
        "busy",
        "There is no place now; come back after `retry`.",
        {"reason": "process"},
        {"reason": _TEXT | {"description": "`process`, `user`, `address`, `opens` or `starting`."}},
        "reason",
    ),
    "store_status": _event(
        "store_status",
        "Whether Redis answers the server; nothing new can come meanwhile.",
        {"data": {"available": False}},
        {"data": _object({"available": _YES})},
    ),
    "mailbox_status": _event(
        "mailbox_status",
        "How a mailbox is doing changed.",
        {"data": _MAILBOX_EXAMPLE},
        {"data": _mailbox()},
    ),
    "import_progress": _event(
        "import_progress",
        "Old mail is being read.",
        {"data": {"mailbox": "claims", "folder": "INBOX", "taken": 40, "todo": 100, "going_on": True}},
        {"data": _object({"mailbox": _TEXT, "folder": _TEXT, "taken": _COUNT, "todo": _COUNT, "going_on": _YES})},
    ),
    "intake_status": _event(
        "intake_status",
        "Whether any worker is alive, and how many mails could not be read as they should.",
        {"data": _INTAKE_EXAMPLE},
        {"data": _MAILBOXES["intake"]},
    ),
}  # fmt: skip


def description() -> Json:
    """The whole document: any message's data is valid against it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message of GET /sse/workitems",
        "description": "The JSON in `data:`. Names that are not here may come: ignore them.",
        "type": "object",
        "properties": {"event": {"type": "string"}},
        "required": ["event"],
        "allOf": [
            {"if": {"properties": {"event": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}} for name in _EVENTS
        ],
        "$defs": {"item": SCHEMAS["Item"] | {"description": "A work item as lists show it."}} | _EVENTS,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(description(), indent=2, ensure_ascii=False) + "\n")
