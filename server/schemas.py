"""The shapes of what goes in and out, as JSON Schema."""

from typing import Any

from workitems.item import STATUSES

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_MAYBE: Json = {"type": ["string", "null"]}
_WHOLE: Json = {"type": "integer"}
_YES: Json = {"type": "boolean"}
_ANY: Json = {"type": "object"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_STATUS: Json = {"enum": list(STATUSES)}
_TIME: Json = {"type": "string", "format": "date-time"}
_PEOPLE: Json = {"oneOf": [_TEXT, _TEXTS], "description": "`Ada <ada@example.com>`, several with commas or as a list."}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Json, *required: str, **more: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)} | more


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_ITEM: Json = {
    "id": _TEXT,
    "submission_id": _TEXT,
    "submission_ref": _TEXT,
    "subject": _TEXT,
    "from_email": _TEXT,
    "from_name": _TEXT,
    "to": _TEXTS,
    "created_at": _TIME,
    "status": _STATUS,
    "version": _WHOLE,
    "seq": _WHOLE,
    "assignee": _MAYBE,
    "mailbox": _TEXT,
    "kind": _TEXT,
    "flags": _TEXTS,
    "reason": _MAYBE,
    "preview": _TEXT,
    "extracted_fields": _ANY,
    "attachments": _list(_object({"n": _WHOLE, "name": _TEXT, "type": _TEXT, "size": _WHOLE})),
    "test": _YES,
}
_WHOLE_ITEM: Json = _ITEM | {
    "corrections": _ANY | {"description": "What people put over what was read; null: taken away."},
    "cc": _TEXTS,
    "date": _MAYBE,
    "text": _TEXT,
    "has_html": _YES,
    "evidence": _ANY | {"description": "By field; offsets count UTF-16 code units of `text`."},
    "also_in": _TEXTS,
    "history": _list(_object({"at": _TIME, "who": _TEXT, "field": _TEXT, "before": _TEXT, "after": _TEXT})),
}
_LETTER: Json = {
    "from": _TEXT,
    "from_email": _TEXT,
    "from_name": _TEXT,
    "to": _PEOPLE,
    "cc": _PEOPLE,
    "subject": _TEXT,
    "text": _TEXT,
    "body": _TEXT | {"description": "The same as `text`."},
    "html": _TEXT,
    "headers": {"description": "`{name: value}`, or a list of `[name, value]` or `{name, value}`."},
    "date": _TEXT | {"description": "ISO 8601 or RFC 5322."},
    "message_id": _TEXT | {"description": "The same letter with the same id is one mail; without one it is new."},
    "attachments": _list(_object({"filename": _TEXT, "content_type": _TEXT, "content": _TEXT | {
        "contentEncoding": "base64"}}, "content")),
    "mailbox": _TEXT,
}  # fmt: skip

_FOLDER_HEALTH: Json = {
    "folder": _TEXT,
    "state": _TEXT,
    "error": _TEXT,
    "checked": _MAYBE,
    "baselines": _WHOLE | {"description": "How often counting began anew."},
    "owed": _WHOLE | {"description": "Mails that the server lists and has not given yet."},
    "given_up": _WHOLE,
}
_MAILBOX_HEALTH: Json = {
    "name": _TEXT,
    "state": {"enum": ["watching", "connecting", "paused", "failing", "needs_sign_in", "unwatched"]},
    "reason": _TEXT | {"description": "Why, in words; '' while all is well."},
    "advice": _TEXT | {"description": "What a person can do."},
    "stale": _YES | {"description": "No check was completed for too long, whatever its worker told last."},
    "checked": _MAYBE | {"description": "When the last check was completed, of the folder that waits longest."},
    "since": _MAYBE | {"description": "Since when it is not well."},
    "age": {"type": ["number", "null"], "description": "Seconds since `checked`."},
    "rebaselined": _MAYBE | {"description": "When its server numbered it anew, within the last hour."},
    "after": _object({"waiting": _WHOLE, "error": _TEXT}) | {"description": "What is still to be done in the mailbox."},
    "progress": _list(_object({"folder": _TEXT, "taken": _WHOLE, "todo": _WHOLE})),
    "folders": _list(_object(_FOLDER_HEALTH, *_FOLDER_HEALTH)),
}
_INTAKE: Json = {
    "workers": _WHOLE | {"description": "Those that are alive."},
    "alone": _YES | {"description": "No worker was heard of for too long."},
    "since": _MAYBE | {"description": "When a worker was last heard of, when there is none."},
    "checked": _MAYBE,
    "waiting": _WHOLE | {"description": "Mails that wait to be read."},
    "waiting_since": _MAYBE,
    "quarantine": _object({"count": _WHOLE, "since": _MAYBE})
    | {"description": "Items whose mail could not be read as it should."},
}

_ERROR = _object({"code": _TEXT, "message": _TEXT, "field": _MAYBE}, "code", "message", "field")

SCHEMAS: Json = {
    "Anything": _ANY,
    "Error": _object({"error": _ERROR}, "error"),
    "Conflict": _object({"error": _ERROR, "item": _ref("Item")}, "error", "item"),
    "Item": _object(_ITEM, *_ITEM),
    "WholeItem": _object(_WHOLE_ITEM, *_WHOLE_ITEM),
    "Removed": _object(
        {
            "status": {"const": "removed"},
            "told": _TEXT | {"description": "What became of the bytes in Redis's append-only file."},
        },
        "status",
        "told",
    ),
    "Quarantine": _object(
        {
            "count": _WHOLE,
            "oldest": {"type": ["number", "null"], "description": "Age in seconds."},
            "items": _list(_object({"id": _TEXT, "reference": _TEXT, "since": _TIME, "reason": _MAYBE})),
        },
        *("count", "oldest", "items"),
    ),
    "Pending": _object({"status": {"const": "pending"}}, "status"),
    "Page": _object({"items": _list(_ref("Item")), "next": _MAYBE, "head": _TEXT}, "items", "next", "head"),
    "Change": _object(
        {
            "status": _STATUS,
            "assignee": _MAYBE,
            "fields": _ANY | {"description": "null takes a field away."},
            "version": _WHOLE,
        },
        additionalProperties=False,
    ),
    "Letter": _object(_LETTER, additionalProperties=False),
    "Receipt": _object(
        {"status": {"const": "success"}, "workitem_id": _TEXT, "duplicate": _YES}, "status", "workitem_id", "duplicate"
    ),
    "Mailboxes": _object(
        {
            "at": _TIME,
            "mailboxes": _list(_object(_MAILBOX_HEALTH, *_MAILBOX_HEALTH)),
            "intake": _object(_INTAKE, *_INTAKE),
        },
        *("at", "mailboxes", "intake"),
    ),
    "Received": _object({"status": {"const": "success"}, "workitem_id": _TEXT, "duplicate": _YES}, "status"),
    "Session": _object(
        {"name": _TEXT, "role": _TEXT, "scopes": _TEXTS, "via": _TEXT, "test_items": _YES, "xsrf": _TEXT},
        *("name", "role", "scopes", "via", "test_items", "xsrf"),
    ),
    "SignIn": _object({"user": _TEXT, "password": _TEXT, "token": _TEXT, "next": _TEXT, "_xsrf": _TEXT}, "_xsrf"),
    "TestItem": _object(
        {
            "subject": _TEXT,
            "extracted_fields": _ANY,
            "from_email": _TEXT,
            "from_name": _TEXT,
            "to": _TEXTS,
            "preview": _TEXT,
            "mailbox": _TEXT,
        },
        additionalProperties=False,
    ),
}
