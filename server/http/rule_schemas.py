"""The shapes of requests and answers about field rules and what they find, as JSON Schema."""

from server.http.schemas import INTEGER, TEXT, Json, shape
from workitems.queue.field_counts import RESULTS

DAY: Json = {"type": "string", "format": "date"}

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
}  # fmt: skip
