"""A removed item is gone from every list, from the feed and from the disk; it does not come back."""

import json
from pathlib import Path
from time import time
from typing import Any

import pytest

from tests.workitems.intake_helpers import ID, RAW, lost, read_all, waiting_ids
from tests.workitems.samples import IDS, everything, machine, mail, origin
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore
from workitems.retention.removal import GRACE, Removal


@pytest.fixture
def removal(redis: RedisClient, mailstore: MailStore) -> Removal:
    return Removal(redis, mailstore, max_events=10_000)


async def erased(removal: Removal, *items: str) -> None:
    for each in items:
        assert await removal.remove(each, who="ann", why="asked for")
    await removal.finish(items)


def parts(url: str, *but: bytes) -> dict[bytes, Any]:
    """Return what Redis holds except the feed and what is kept on purpose."""
    kept = (b"feed", b"gone:", b"removing", b"retention", b"seq", b"reference:", b"intake", *but)
    return {key: value for key, value in everything(url).items() if not key.split(b"}:")[1].startswith(kept)}


async def test_only_the_tombstone_of_a_removed_item_is_left(
    redis: RedisClient,
    redis_url: str,
    store: ItemStore,
    intake: Intake,
    mailstore: MailStore,
    removal: Removal,
    tmp_path: Path,
) -> None:
    await intake.put(RAW, origin(RAW, uidvalidity=7, uid=3))
    await read_all(redis, intake, mailstore)
    await mailstore.store_reading(ID, {"message_key": "a" * 32, "reference_keys": ["b" * 32]}, [b"a file"])
    await store.publish(ID, "claims", machine("renewed"), raws=["r"], quarantined=True)
    await store.change(ID, ItemChange(status="done", assignee="ben", fields={"a": 1}), who="ben")
    await redis.zadd(keys.after("claims"), {'["INBOX",7,3]': 1})
    await erased(removal, ID)
    assert parts(redis_url) == {}
    assert not list((tmp_path / "mail").rglob("*.*"))
    tombstone = json.loads(await redis.get(keys.gone(ID)))
    assert tombstone | {"at": ""} == {"at": "", "who": "ann", "why": "asked for"}
    assert not await removal.remove(ID, who="ann", why="again")


async def test_the_feed_reports_a_removal_without_content_and_the_earlier_events_are_gone(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    for each in IDS[:3]:
        await store.publish(each, "claims", machine())
    await store.change(IDS[1], ItemChange(status="waiting"), who="ben")
    item = await store.get(IDS[1])
    await erased(removal, IDS[1])
    events = [event for event in await feed.read_events(redis, START_CURSOR) if event.data]
    assert [event.item_id for event in events] == [IDS[0], IDS[2], IDS[1]]
    assert json.loads(events[-1].data) == {
        "event": "workitem_removed",
        "data": {
            "id": IDS[1],
            "mailbox": "claims",
            "submission_id": item.submission_id,
            "submission_ref": item.submission_ref,
        },
    }
    assert (events[-1].mailbox, events[-1].status, events[-1].previous_status) == ("claims", "waiting", "waiting")
    assert events[-1].is_removal


async def test_a_mail_read_or_received_again_after_its_removal_makes_no_item(
    redis: RedisClient, store: ItemStore, intake: Intake, mailstore: MailStore, removal: Removal, tmp_path: Path
) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    await erased(removal, ID)
    assert (await intake.put(RAW, origin(RAW))).outcome == "gone"
    assert (await store.publish(ID, "claims", machine())).outcome == "gone"
    assert not list((tmp_path / "mail").rglob("*.*"))
    assert await waiting_ids(redis) == []


async def test_a_waiting_mail_can_be_removed_and_makes_no_event(
    redis: RedisClient, intake: Intake, removal: Removal, tmp_path: Path
) -> None:
    other = mail("<other>")
    for raw in (RAW, other):
        await intake.put(raw, origin(raw))
    await erased(removal, ID)
    assert await waiting_ids(redis) == [item_id("claims", other)]
    assert await feed.head(redis) == START_CURSOR
    assert await redis.exists(keys.gone(ID))
    assert len(list((tmp_path / "mail").rglob("*.eml"))) == 1


async def test_an_unknown_item_is_removed_only_to_prevent_its_arrival(
    redis: RedisClient, intake: Intake, removal: Removal
) -> None:
    assert not await removal.remove(ID, who="ann", why="")
    await removal.reapply([{"id": ID, "who": "ann", "why": "", "at": ""}])
    assert (await intake.put(RAW, origin(RAW))).outcome == "gone"


async def test_with_a_closing_time_only_items_closed_by_then_are_removed(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    for each in IDS[:3]:
        await store.publish(each, "claims", machine())
    await store.change(IDS[0], ItemChange(status="done"), who="ben")
    await store.change(IDS[1], ItemChange(status="done"), who="ben")
    await store.change(IDS[1], ItemChange(status="new"), who="ben")
    since = await redis.zscore(keys.CLOSED, IDS[0])
    await store.change(IDS[0], ItemChange(status="dismissed"), who="ben")
    assert await redis.zscore(keys.CLOSED, IDS[0]) == since
    assert await redis.zcard(keys.CLOSED) == 1
    for each in IDS[:3]:
        assert not await removal.remove(each, who="", why="", closed_by=since / 1000 - 1)
    assert [await removal.remove(each, who="", why="", closed_by=since / 1000 + 1) for each in IDS[:3]] == [
        True, False, False,
    ]  # fmt: skip


async def test_a_submission_whose_first_mails_were_removed_continues(
    redis: RedisClient, store: ItemStore, mailstore: MailStore, removal: Removal
) -> None:
    first, second, third = "a" * 32, "b" * 32, "c" * 32
    for n, (own, parents) in enumerate([(first, []), (second, [first]), (third, [second, first])]):
        await store.publish(IDS[n], "claims", machine(), message_id=own, references=parents)
        await mailstore.store_reading(IDS[n], {"message_key": own, "reference_keys": parents}, [])
    submission = (await store.get(IDS[0])).submission_id
    await erased(removal, *IDS[:2])
    await store.publish(IDS[3], "claims", machine(), references=[third, second])
    assert (await store.get(IDS[3])).submission_id == submission
    await erased(removal, *IDS[2:4])
    assert not await redis.exists(f"{keys.PREFIX}submission:{submission}")
    await store.publish(IDS[4], "claims", machine(), references=[third, first])
    await store.publish(IDS[5], "claims", machine(), references=[first])
    fifth, sixth = [(await store.get(each)).submission_id for each in IDS[4:6]]
    assert fifth == sixth != submission


async def test_the_same_mail_in_another_mailbox_stays_and_no_longer_names_the_removed_item(
    redis: RedisClient, store: ItemStore, mailstore: MailStore, removal: Removal
) -> None:
    for each, mailbox in zip(IDS, ("claims", "orders"), strict=False):
        await store.publish(each, mailbox, machine(), message_id="a" * 32)
        await mailstore.store_reading(each, {"message_key": "a" * 32}, [])
    await erased(removal, IDS[0])
    assert await store.copies_elsewhere(IDS[1], "a" * 32) == []
    assert await store.get(IDS[1])


async def test_an_interrupted_removal_is_finished_later(
    redis: RedisClient, store: ItemStore, intake: Intake, mailstore: MailStore, removal: Removal, tmp_path: Path
) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    await removal.remove(ID, who="ann", why="")  # and the process ends here
    assert await removal.finish_all() == 0
    assert await removal.finish_all(older_than=0) == 1
    assert not list((tmp_path / "mail").rglob("*.*"))
    assert [event.is_removal for event in await feed.read_events(redis, START_CURSOR)] == [False, True]
    assert await redis.zcard(keys.REMOVING) == 0
    assert GRACE > 60


async def test_a_repair_deletes_the_files_of_removed_mail(
    redis: RedisClient, intake: Intake, mailstore: MailStore, removal: Removal, tmp_path: Path
) -> None:
    await intake.put(RAW, origin(RAW))
    await removal.remove(ID, who="ann", why="")
    assert await lost(intake) == 0
    assert not list((tmp_path / "mail").rglob("*.*"))


async def test_a_tombstone_is_small(redis: RedisClient, store: ItemStore, removal: Removal) -> None:
    await store.publish(IDS[0], "claims", machine())
    await erased(removal, IDS[0])
    assert await redis.memory_usage(keys.gone(IDS[0])) < 250


async def test_an_old_item_stays_when_a_mail_joined_its_submission_meanwhile(
    store: ItemStore, removal: Removal
) -> None:
    await store.publish(IDS[0], "claims", machine(), message_id="a")
    await store.change(IDS[0], ItemChange(status="done"), who="ben")
    await store.publish(IDS[1], "claims", machine(), message_id="b", references=["a"])
    assert not await removal.remove(IDS[0], who="retention", why="its age", closed_by=time() + 60)
    await store.change(IDS[1], ItemChange(status="dismissed"), who="ben")
    assert await removal.remove(IDS[0], who="retention", why="its age", closed_by=time() + 60)
