"""The events of the stream as JSON Schema (draft 2020-12). `docs/stream.schema.json` is the output of this program.

    python -m server.http.event_schemas > docs/stream.schema.json

The schema checks the events that it names and accepts all others, as clients must.
"""

import json
import sys
from typing import Any

from server.http.schemas import BOOLEAN, INTAKE, MAILBOX, SCHEMAS, TEXT, Json, shape
from workitems.feed.event import SCHEMA_VERSION

_CURSOR: Json = {"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,16}$", "description": "`<epoch>-<n>`"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_NUMBER: Json = {"type": "number"}

_ITEM_EXAMPLE: Json = {
    "id": "wi_abcdefghijklmnopqrstuvwxyz",
    "mailbox": "claims",
    "subject": "Water damage, policy AB-12345",
    "from_email": "jane@example.com",
    "from_name": "Jane Doe",
    "reply_to": [],
    "to": ["claims@example.org"],
    "authentication": {"spf": "pass", "dkim": "pass", "dmarc": "pass"},
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
    "advice": "An administrator corrects user and password of mailboxes.claims, "
    "then runs: run.py check, and run.py restart",
    "stale": False,
    "checked": "2026-11-22T16:58:00Z",
    "since": "2026-11-22T16:59:00Z",
    "rebaselined": None,
    "after": {"waiting": 0, "error": ""},
    "folders": [],
}
_INTAKE_EXAMPLE: Json = {
    "workers": 0,
    "no_worker": True,
    "since": "2026-11-22T16:58:00Z",
    "checked": "2026-11-22T16:58:00Z",
    "waiting": 3,
    "waiting_since": "2026-11-22T16:59:00Z",
    "quarantine": {"count": 1, "since": "2026-11-20T08:00:00Z"},
    "redis": [
        {
            "kind": "append_only_file",
            "error": False,
            "message": "it has no append-only file, so a power cut loses the newest changes",
            "advice": "Set appendonly yes and appendfsync always.",
        }
    ],
    "rules": [],
}


def _event(description: str, example: Json, *, optional: tuple[str, ...] = (), **properties: Json) -> Json:
    """Return the schema of one event, without its name, which `event_schema` adds."""
    return {"description": description} | shape(properties, optional=optional) | {"examples": [example]}


def _item_event(description: str) -> Json:
    left = {"const": True, "description": "The item no longer matches this stream's filter."}
    item = {"$ref": "#/$defs/item"}
    return _event(description, {"data": _ITEM_EXAMPLE}, optional=("left",), data=item, left=left)


_EVENTS: dict[str, Json] = {
    "connected": _event(
        "The first message of every stream.",
        {
            "schema": SCHEMA_VERSION,
            "connection_id": "qLr4xW1c",
            "head": "1763811111111-42",
            "resumed": True,
            "replay": 3,
            "heartbeat": 30.0,
            "max_age": 251,
        },
        schema={"type": "integer", "minimum": 1, "description": "Rises with a change that would break old clients."},
        connection_id=TEXT | {"description": "The id of this stream in the server's log."},
        head=_CURSOR,
        resumed=BOOLEAN | {"description": "Whether the stream continues from the cursor of the request."},
        replay=_COUNT | {"description": "How many events of the feed were missed; with a filter fewer may come."},
        heartbeat={"type": "number", "exclusiveMinimum": 0, "description": "Seconds between heartbeats."},
        max_age=_COUNT | {"description": "Seconds after which `rotate` comes; 0: never."},
    ),
    "new_workitem": _item_event("An item is new in the queue."),
    "workitem_updated": _item_event("An item changed."),
    "workitem_removed": _event(
        "An item was removed for ever: delete what you have of it.",
        {"data": {name: _ITEM_EXAMPLE[name] for name in _REMOVED}},
        data=shape({name: SCHEMAS["Item"]["properties"][name] for name in _REMOVED}),
    ),
    "heartbeat": _event(
        "The stream is alive.",
        {"timestamp": 1763812345.123, "head": "1763811111111-57"},
        timestamp=_NUMBER | {"description": "Seconds since 1970."},
        head=_CURSOR,
    ),
    "reset": _event(
        "Events after your cursor are gone: load the list again; the stream continues from `head`.",
        {"reason": "trimmed", "head": "1763811111111-57"},
        reason=TEXT | {"description": "`unknown`, `trimmed`, `epoch` or `too_far`; more may come."},
        head=_CURSOR,
    ),
    "rotate": _event("Open your next stream now; this one stays live for a few seconds.", {}),
    "busy": _event(
        "The server accepts no stream now; connect again after `retry`.",
        {"reason": "process"},
        optional=("reason",),
        reason=TEXT | {"description": "`process`, `user`, `address`, `opens`, `descriptors` or `starting`."},
    ),
    "store_status": _event(
        "Whether Redis takes writes of the server; while it does not, no new event can come.",
        {"data": {"available": False, "reason": "Redis cannot serve: LOADING Redis is loading the dataset in memory"}},
        data=shape(
            {"available": BOOLEAN, "reason": TEXT | {"description": "What Redis said, when it is not available."}},
            optional=("reason",),
        ),
    ),
    "mailbox_status": _event("The state of a mailbox changed.", {"data": _MAILBOX_EXAMPLE}, data=shape(MAILBOX)),
    "import_progress": _event(
        "How far the reading of old mail is.",
        {"data": {"mailbox": "claims", "folder": "INBOX", "taken": 40, "todo": 100, "going_on": True}},
        data=shape({"mailbox": TEXT, "folder": TEXT, "taken": _COUNT, "todo": _COUNT, "going_on": BOOLEAN}),
    ),
    "intake_status": _event(
        "Whether any worker is alive, how many mails could not be read as they should, and what is wrong with Redis "
        "and with changed field rules.",
        {"data": _INTAKE_EXAMPLE},
        data=INTAKE,
    ),
}


def _with_name(name: str, event: Json) -> Json:
    """Return the schema *event* with its name in the properties and in the example."""
    properties = {"event": {"const": name}} | event["properties"]
    required = ["event", *event["required"]]
    examples = [{"event": name} | example for example in event["examples"]]
    return event | {"properties": properties, "required": required, "examples": examples}


def event_schema() -> dict[str, Any]:
    """Return the whole document: the data of every message of the stream is valid against it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message of GET /sse/workitems",
        "description": "The JSON in `data:`. Events that are not named here may come: ignore them.",
        "type": "object",
        "properties": {"event": {"type": "string"}},
        "required": ["event"],
        "allOf": [
            {"if": {"properties": {"event": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}} for name in _EVENTS
        ],
        "$defs": {"item": SCHEMAS["Item"] | {"description": "A work item as lists show it."}}
        | {name: _with_name(name, event) for name, event in _EVENTS.items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n")
