"""`POST /api/test/workitem`: an item without a mail, by the same store and feed; to see and measure the stream."""

import base64
import os
from datetime import UTC, datetime
from typing import Any

from server import query
from server.body import read_object, text, texts
from server.handlers.base import Handler
from workitems.errors import InvalidChangeError
from workitems.event import dumps
from workitems.item import MACHINE, Json

_ACCEPTED = frozenset({"subject", "extracted_fields", "from_email", "from_name", "to", "preview", "mailbox"})

#: Bytes of the body.
LARGEST = 64 * 1024


class TestItemHandler(Handler):
    """Off unless the settings allow it; its items are flagged `test`."""

    scope = "test"
    __test__ = False  # not a test case, whatever pytest makes of its name

    async def post(self) -> None:
        if not self.context.settings.server.test_items:
            message = "this server makes no test items; server.test_items = true in its settings allows them"
            self.refuse(403, "test_items_disabled", message)
        if len(self.request.body) > LARGEST:
            self.refuse(413, "too_large", f"at most {LARGEST:,} bytes are accepted")
        asked = read_object(self.request.body or b"{}", _ACCEPTED)
        mailbox = query.mailbox(asked.get("mailbox") or self.context.settings.intake.mailbox)
        item_id = fresh_id()
        published = await self.context.store.publish(item_id, mailbox, as_machine(asked), who=self.identity.name)
        assert published.item is not None, "the id is fresh"
        self.answer(published.item.view(), 201)


def fresh_id() -> str:
    """An item id that no mail has."""
    return "wi_" + base64.b32encode(os.urandom(17)).decode().lower()[:26]


def as_machine(asked: Json) -> Json:
    """The machine part of a test item. Raises InvalidChangeError."""
    return MACHINE | {
        "subject": text(asked.get("subject"), "subject", most=1_000) or "Test item",
        "from_email": text(asked.get("from_email"), "from_email", most=320) or "test@example.com",
        "from_name": text(asked.get("from_name"), "from_name", most=200),
        "to": texts(asked.get("to"), "to", most=50, longest=320),
        "preview": text(asked.get("preview"), "preview", most=1_000),
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
        if not 1 <= len(name) <= 64 or len(dumps(found)) > 4_000:
            message = "a field has a name of 1 to 64 and a value of at most 4,000 characters"
            raise InvalidChangeError(message, f"extracted_fields.{name[:64]}")
    return {name: found for name, found in value.items() if found is not None}
