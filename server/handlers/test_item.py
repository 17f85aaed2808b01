"""`POST /api/test/workitem`: publishes an item without a mail, to try and measure the stream."""

import base64
import os
from datetime import UTC, datetime
from typing import Any

from server.handlers.base import BaseHandler
from server.http import query_params
from server.http.json_body import checked_string, checked_strings, parse_json_object
from workitems.base.errors import InvalidChangeError
from workitems.base.json_codec import encode_json_str
from workitems.queue.item import MACHINE_DEFAULTS, Json

_ACCEPTED = frozenset({"subject", "extracted_fields", "from_email", "from_name", "to", "preview", "mailbox"})

#: Bytes of the body at most.
MAX_BODY = 64 * 1024


class TestItemHandler(BaseHandler):
    """Refuses unless the settings allow it; its items are flagged `test`."""

    scope = "test"
    __test__ = False  # not a test case, though pytest would take it for one by its name

    async def post(self) -> None:
        if not self.context.settings.server.test_items:
            message = "this server makes no test items; server.test_items = true in its settings allows them"
            self.refuse(403, "test_items_disabled", message)
        if len(self.request.body) > MAX_BODY:
            self.refuse(413, "too_large", f"at most {MAX_BODY:,} bytes are accepted")
        asked = parse_json_object(self.request.body or b"{}", _ACCEPTED)
        mailbox = query_params.parse_mailbox(asked.get("mailbox") or self.context.settings.intake.default_mailbox)
        item_id = new_item_id()
        published = await self.context.store.publish(item_id, mailbox, machine_part(asked), who=self.identity.name)
        assert published.item is not None, "the id is fresh"
        self.write_json(published.item.view(), 201)


def new_item_id() -> str:
    """Return an item id that no mail has."""
    return "wi_" + base64.b32encode(os.urandom(17)).decode().lower()[:26]


def machine_part(asked: Json) -> Json:
    """Return the machine part of a test item. Raise InvalidChangeError."""
    return MACHINE_DEFAULTS | {
        "subject": checked_string(asked.get("subject"), "subject", max_length=1_000) or "Test item",
        "from_email": checked_string(asked.get("from_email"), "from_email", max_length=320) or "test@example.com",
        "from_name": checked_string(asked.get("from_name"), "from_name", max_length=200),
        "to": checked_strings(asked.get("to"), "to", max_items=50, longest=320),
        "preview": checked_string(asked.get("preview"), "preview", max_length=1_000),
        "extracted_fields": _fields(asked.get("extracted_fields")),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "test": True,
    }


def _fields(value: Any) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 50:
        raise InvalidChangeError("an object of at most 50 names and values is accepted", "extracted_fields")
    for name, found in value.items():
        if not 1 <= len(name) <= 64 or len(encode_json_str(found)) > 4_000:
            message = "a field has a name of 1 to 64 and a value of at most 4,000 characters"
            raise InvalidChangeError(message, f"extracted_fields.{name[:64]}")
    return {name: found for name, found in value.items() if found is not None}
