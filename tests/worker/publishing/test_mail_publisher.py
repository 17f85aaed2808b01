"""The way of one mail, with a store and a mail store that other workers change in between."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from worker.publishing.mail_publisher import MailPublisher
from worker.publishing.publication import Publication
from worker.publishing.version_reader import VersionReader
from workitems.base.errors import NotFoundError
from workitems.intake.consumer_group import IntakeEntry
from workitems.intake.origin import MailOrigin
from workitems.mailstore.sidecar import RawMail
from workitems.mailstore.store import MailStore
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.queue.store import ItemStore, PublishResult


class Parts:
    """Another worker publishes a newer version, and its mail is removed before it is read again."""

    def __init__(self) -> None:
        self.published: list[str] = []

    async def get_raw_mails(self, item_id: str) -> list[RawMail]:
        if self.published:
            raise NotFoundError("the mail store holds no such mail")
        origin = MailOrigin("desk", datetime(2026, 3, 2, tzinfo=UTC), "test", 3)
        return [RawMail(origin.sidecar(item_id, "0" * 32), b"abc")]

    async def all_sidecars(self, _: str) -> list[Any]:
        raise NotFoundError("the mail store holds no such mail")

    async def store_reading(self, *_: Any) -> None:
        pass

    async def read(self, *_: Any, **__: Any) -> Publication:
        return Publication(MACHINE_DEFAULTS, {}, [], ("0" * 32,), "", ())

    async def publish(self, *_: Any, entry: str, **__: Any) -> PublishResult:
        self.published.append(entry)
        return PublishResult("stale")


async def test_a_mail_that_is_removed_before_it_is_read_again_is_no_error() -> None:
    parts = Parts()
    publisher = MailPublisher(
        cast(MailStore, parts), cast(ItemStore, parts), cast(VersionReader, parts), asyncio.Event(), retry_seconds=1.0
    )
    await publisher.publish_mail(IntakeEntry("1700000000000-0", "wi_a", "desk"))
    assert parts.published == ["1700000000000-0", ""]
