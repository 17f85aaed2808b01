"""The shapes of requests and answers about field rules and what they find, as JSON Schema."""

from server.http.schemas import INTEGER, TEXT, Json, shape
from workitems.queue.field_counts import RESULTS

DAY: Json = {"type": "string", "format": "date"}

_OPTIONAL_TEXT: Json = {"type": ["string", "null"]}
_MAILBOX: Json = TEXT | {"description": "Only mail of this mailbox; without it, of all."}


def _job(request: Json, progress: Json, result: Json) -> Json:
    """Return the schema of a job that an administrator asked for."""
    return shape({
        "id": TEXT,
        "state": {"enum": ["waiting", "running", "done", "failed", "stopped"]},
        "reason": TEXT | {"description": "Why it failed; '' otherwise."},
        "by": TEXT | {"description": "Who asked for it."},
        "asked": {"type": "string", "format": "date-time"},
        "request": request,
        "progress": shape(progress, optional=progress),
        "result": result,
    })  # fmt: skip


_COUNTS = ("before", "after", "in_doubt", "added", "lost", "changed")

RULE_SCHEMAS: Json = {
    "HitRate": shape({
        "from": DAY,
        "to": DAY,
        "days": {"type": "array", "items": shape({
            "day": DAY,
            "mailbox": TEXT,
            "fields": {"type": "object", "additionalProperties": shape(dict.fromkeys(RESULTS, INTEGER))}
            | {"description": "By the name of the field: in how many mails it had a value, was in doubt, was absent."},
        })},
    }),
    "Trial": shape({
        "rules": {"type": "object", "description": "Rules by the name of the field, as `[fields]` of the settings."},
        "mailbox": _MAILBOX,
        "last": {"type": "integer", "minimum": 1, "maximum": 200, "description": "How many mails; 200 without it."},
    }, optional=("mailbox", "last"), additionalProperties=False),
    "TrialJob": _job(
        shape({"mailbox": _OPTIONAL_TEXT, "last": INTEGER}),
        {"seen": INTEGER, "total": INTEGER},
        shape({
            "mails": INTEGER | {"description": "Mails that were read."},
            "unread": INTEGER | {"description": "Mails that could not be read, or whose raw form is no longer kept."},
            "fields": {"type": "object", "additionalProperties": shape(dict.fromkeys(_COUNTS, INTEGER) | {
                "examples": {"type": "array", "items": shape(
                    {"reference": TEXT, "before": _OPTIONAL_TEXT, "after": _OPTIONAL_TEXT})},
            })},
        }) | {"type": ["object", "null"], "description": "Null until it is done, and once it is no longer kept."}),
    "Reread": shape({
        "since": DAY | {"description": "Only mail that came on this day or later."},
        "mailbox": _MAILBOX,
    }, optional=("since", "mailbox"), additionalProperties=False),
    "RereadJob": _job(
        shape({"since": _OPTIONAL_TEXT, "mailbox": _OPTIONAL_TEXT}),
        {"total": INTEGER, "seen": INTEGER,
         "put": INTEGER | {"description": "Mails that wait to be read again, or were read already."},
         "not_kept": INTEGER | {"description": "Mails whose raw form is no longer kept."}},
        {"type": "null"}),
}  # fmt: skip
