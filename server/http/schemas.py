"""The shapes of requests and answers as JSON Schema.

They are tables, and no pydantic models: with those, shapes and events together took 490 lines instead of 335.
"""

from collections.abc import Collection
from typing import Any

from workitems.base.statuses import STATUSES

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
BOOLEAN: Json = {"type": "boolean"}
_OPTIONAL_TEXT: Json = {"type": ["string", "null"]}
_OBJECT: Json = {"type": "object"}
_TEXTS: Json = {"type": "array", "items": TEXT}
_STATUS: Json = {"enum": list(STATUSES)}
_TIME: Json = {"type": "string", "format": "date-time"}
_UNREAD: Json = TEXT | {"description": "Why the file, or the rest of it, was not read; missing where it was."}
_FILE_PATH: Json = TEXT | {"description": "`order.eml › terms.pdf`: of a file inside other files."}
_PEOPLE: Json = {"oneOf": [TEXT, _TEXTS], "description": "`Ada <ada@example.com>`, several with commas or as a list."}


def shape(properties: Json, *, optional: Collection[str] = (), **more: Any) -> Json:
    """Return the schema of an object in which every property is required but the *optional* ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required} | more


def _request(properties: Json) -> Json:
    """Return the schema of a request body: every property is optional, and no other one is accepted."""
    return shape(properties, optional=properties, additionalProperties=False)


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _rows(**properties: Json) -> Json:
    """Return the schema of a list of objects whose properties may all be missing."""
    return _list(shape(properties, optional=properties))


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _optional(schema: Json) -> Json:
    """Return the schema of a value that may be null."""
    return schema | {"type": [schema["type"], "null"]}


_ITEM: Json = {
    **dict.fromkeys(("id", "submission_id", "submission_ref", "subject", "from_email", "from_name"), TEXT),
    "reply_to": _TEXTS,
    "to": _TEXTS,
    "authentication": _optional(_OBJECT)
    | {"description": "spf, dkim and dmarc, as the mailbox's own server reports them."},
    "created_at": _TIME,
    "status": _STATUS,
    "version": INTEGER,
    "seq": INTEGER,
    "assignee": _OPTIONAL_TEXT,
    "mailbox": TEXT,
    "kind": TEXT | {"description": "human, own, auto_reply, bounce, list, notification, invitation or receipt."},
    "flags": _TEXTS,
    "reason": _OPTIONAL_TEXT,
    "preview": TEXT,
    "extracted_fields": _OBJECT,
    "attachments": _rows(n=INTEGER, name=TEXT, type=TEXT, size=INTEGER, unread=_UNREAD, path=_FILE_PATH),
    "test": BOOLEAN,
}
_BOUNCE: Json = shape(
    {
        "recipients": _list(shape(dict.fromkeys(("address", "action", "status", "diagnostic"), TEXT))),
        "original": shape({"message_id": _OPTIONAL_TEXT, "subject": TEXT}),
    }
)
_INVITATION: Json = shape(
    {
        "method": TEXT | {"description": "Of iTIP (RFC 5546), such as REQUEST, CANCEL or REPLY; '' without one."},
        **dict.fromkeys(("summary", "location", "organizer", "status", "description"), TEXT),
        "start": _OPTIONAL_TEXT | {"description": "ISO 8601; a date alone for whole days; local time without offset."},
        "end": _OPTIONAL_TEXT,
        "attendees": _list(shape({"address": TEXT, "answer": TEXT})),
        "repeats": _OPTIONAL_TEXT | {"description": "The recurrence rule as it is written."},
    }
)
_WHOLE_ITEM: Json = _ITEM | {
    "corrections": _OBJECT | {"description": "Values that people set in the place of those read; null: removed."},
    "cc": _TEXTS,
    "date": _OPTIONAL_TEXT,
    "text": TEXT,
    "regions": _list(
        shape(
            {
                "kind": {"enum": ["new", "quoted", "forwarded", "signature", "disclaimer"]},
                "start": INTEGER,
                "end": INTEGER,
            }
        )
    )
    | {"description": "Parts of `text`, in order, without gaps; offsets count UTF-16 code units."},
    "forwarded": shape(dict.fromkeys(("from", "from_name", "from_email", "date", "subject"), TEXT))
    | {
        "type": ["object", "null"],
        "description": "What the first mail that is forwarded in `text` says of itself; "
        "the date as it is written there.",
    },
    "has_html": BOOLEAN,
    "evidence": _OBJECT | {"description": "By field; offsets count UTF-16 code units of `text`."},
    "kind_reason": TEXT | {"description": "The sign that decided the kind."},
    "bounce": _optional(_BOUNCE),
    "invitation": _optional(_INVITATION),
    "due": _OPTIONAL_TEXT | {"description": "The date of the field whose rule has `due`."},
    "missing": _list(
        shape(
            {
                "name": TEXT,
                "why": {"enum": ["absent", "ambiguous", "wrong_type"]},
                "readings": _list(
                    _OBJECT | {"description": "{value, raw, source, start, end}; no `value`: not of its type."}
                ),
            }
        )
    )
    | {"description": "Fields without a value: those of your rules, and general ones whose label the mail has."},
    "also_in": _TEXTS,
    "history": _rows(at=_TIME, who=TEXT, field=TEXT, before=TEXT, after=TEXT),
}
_FILE: Json = {"filename": TEXT, "content_type": TEXT, "content": TEXT | {"contentEncoding": "base64"}}
_MAIL: Json = {
    **dict.fromkeys(("from", "from_email", "from_name"), TEXT),
    "to": _PEOPLE,
    "cc": _PEOPLE,
    "subject": TEXT,
    "text": TEXT,
    "body": TEXT | {"description": "The same as `text`."},
    "html": TEXT,
    "headers": {"description": "`{name: value}`, or a list of `[name, value]` or `{name, value}`."},
    "date": TEXT | {"description": "ISO 8601 or RFC 5322."},
    "message_id": TEXT | {"description": "The same mail with the same id is stored once; without an id it is new."},
    "attachments": _list(shape(_FILE, optional=("filename", "content_type"))),
    "mailbox": TEXT,
}
_FOLDER: Json = {
    "folder": TEXT,
    "state": TEXT,
    "error": TEXT,
    "checked": _OPTIONAL_TEXT,
    "baselines": INTEGER | {"description": "How often a new checkpoint was set, because UIDVALIDITY changed."},
    "unfetched": INTEGER | {"description": "Mails that the server lists and has not given yet."},
    "given_up": INTEGER,
}
_AFTER: Json = {"waiting": INTEGER, "error": TEXT}
#: A mailbox as the stream sends it; `GET /api/mailboxes` adds `age` and `progress`, which change all the time.
MAILBOX: Json = {
    "name": TEXT,
    "state": {"enum": ["watching", "connecting", "paused", "failing", "needs_sign_in", "unwatched"]},
    "reason": TEXT | {"description": "Why, in words; '' while all is well."},
    "advice": TEXT | {"description": "What a person can do."},
    "stale": BOOLEAN | {"description": "No check was completed for too long, whatever its worker reported last."},
    "checked": _OPTIONAL_TEXT | {"description": "When the last check was completed, of the folder that waits longest."},
    "since": _OPTIONAL_TEXT | {"description": "Since when it is not well."},
    "rebaselined": _OPTIONAL_TEXT | {"description": "When its UIDVALIDITY changed, within the last hour."},
    "after": shape(_AFTER, optional=_AFTER) | {"description": "After-actions that are not done yet."},
    "folders": _list(shape(_FOLDER)),
}
_QUARANTINE: Json = {"count": INTEGER, "since": _OPTIONAL_TEXT}
INTAKE: Json = shape({
    "workers": INTEGER | {"description": "Workers that are alive."},
    "no_worker": BOOLEAN | {"description": "No worker has reported for too long."},
    "since": _OPTIONAL_TEXT | {"description": "When a worker last reported, if none is alive."},
    "checked": _OPTIONAL_TEXT,
    "waiting": INTEGER | {"description": "Mails that wait to be read."},
    "waiting_since": _OPTIONAL_TEXT,
    "quarantine": shape(_QUARANTINE, optional=_QUARANTINE)
    | {"description": "Items whose mail could not be read as it should."},
    "redis": _rows(kind=TEXT, error=BOOLEAN, message=TEXT, advice=TEXT)
    | {"description": "What is wrong with Redis by its own answers. `error`: not only a warning."},
    "rules": _rows(kind=TEXT, error=BOOLEAN, message=TEXT, advice=TEXT)
    | {"description": "Why workers read with former field rules: those in the settings file cannot be used."},
}, optional=("redis", "rules"))  # fmt: skip
_PROCESS: Json = {
    "process": TEXT | {"description": "Its name on its host, such as `server_00`."},
    "host": TEXT | {"description": "The machine that it runs on; '' if a former version does not say it."},
    "pid": INTEGER,
    "ready": BOOLEAN | {"description": "Whether it accepts clients and has the feed."},
    "at": {"type": "number", "description": "When it reported, in seconds since 1970."},
}
_ERROR: Json = shape({"code": TEXT, "message": TEXT, "field": _OPTIONAL_TEXT})
_RECEIPT: Json = {"status": {"const": "success"}, "workitem_id": TEXT, "duplicate": BOOLEAN}
_WARNINGS: Json = _rows(field=TEXT, filename=TEXT, message=TEXT) | {
    "description": "Files whose content could not be decoded: the mail is stored with their names alone."
}

SCHEMAS: Json = {
    "Anything": _OBJECT,
    "Error": shape({"error": _ERROR}),
    "Conflict": shape({"error": _ERROR, "item": _ref("Item")}),
    "Item": shape(_ITEM),
    "WholeItem": shape(_WHOLE_ITEM),
    "Removed": shape({
        "status": {"const": "removed"},
        "message": TEXT | {"description": "Whether the item's bytes are gone from Redis's append-only file."},
    }),
    "Quarantine": shape({
        "count": INTEGER,
        "oldest": {"type": ["number", "null"], "description": "Age in seconds."},
        "items": _rows(id=TEXT, reference=TEXT, since=_TIME, reason=_OPTIONAL_TEXT),
    }),
    "Merge": _request({"into": TEXT | {"description": "The id of the submission that gets the items."}}),
    "Merged": shape({"submission_id": TEXT, "moved": INTEGER}),
    "Pending": shape({"status": {"const": "pending"}}),
    "Page": shape({"items": _list(_ref("Item")), "next": _OPTIONAL_TEXT, "head": TEXT}),
    "Change": _request({
        "status": _STATUS,
        "assignee": _OPTIONAL_TEXT,
        "fields": _OBJECT | {"description": "A value of null removes the field."},
        "version": INTEGER,
    }),
    "Mail": _request(_MAIL),
    "Receipt": shape(_RECEIPT | {"warnings": _WARNINGS}, optional=("warnings",)),
    "Received": shape(_RECEIPT, optional=("workitem_id", "duplicate")),
    "Mailboxes": shape({
        "at": _TIME,
        "mailboxes": _list(shape(MAILBOX | {
            "age": {"type": ["number", "null"], "description": "Seconds since `checked`."},
            "progress": _rows(folder=TEXT, taken=INTEGER, todo=INTEGER),
        })),
        "intake": INTAKE,
    }),
    "Stats": shape(_PROCESS | {
        "all": shape({
            "hosts": _TEXTS | {"description": "All hosts with a live process."},
            "processes": _list(shape(_PROCESS)) | {"description": "The live processes of all hosts."},
        }) | {"description": "All processes together, with the sums of their counters and the worst of their lags."},
        "intake": _OBJECT | {"description": "The same as `/api/mailboxes`, as it was seen last."},
    }, optional=("intake",)) | {"description": "The process that answers, with its counters."},
    "Session": shape({
        "name": TEXT, "role": TEXT, "scopes": _TEXTS, "via": TEXT, "test_items": BOOLEAN, "xsrf": TEXT,
    }),
    "SignIn": shape({"user": TEXT, "password": TEXT, "token": TEXT, "next": TEXT, "_xsrf": TEXT},
                    optional=("user", "password", "token", "next")),
    "TestItem": _request({
        **dict.fromkeys(("subject", "from_email", "from_name", "preview", "mailbox"), TEXT),
        "to": _TEXTS,
        "extracted_fields": _OBJECT,
    }),
}  # fmt: skip
