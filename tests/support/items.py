"""Publishes simple work items, and finds them in the events of a client."""

from server.context import Context
from tests.support.sse_client import EventStream
from workitems.intake.identity import item_id_from_raw


async def publish(context: Context, *numbers: int, mailbox: str = "work") -> list[str]:
    """Publish one item for each number, with the subject "item <number>". Return their ids."""
    ids = [item_id_from_raw(mailbox, b"%d" % number) for number in numbers]
    for number, item_id in zip(numbers, ids, strict=True):
        machine = {"subject": f"item {number}", "created_at": "2026-11-22T10:00:00Z"}
        await context.store.publish(item_id, mailbox, machine)
    return ids


def subjects(stream: EventStream) -> list[str]:
    """Return the subjects of the new items that *stream* received, in order."""
    return [m.json["data"]["subject"] for m in stream.messages if m.json["event"] == "new_workitem"]
