"""The location of a mail is kept with its item and becomes a pending action."""

import pytest

from tests.workitems.samples import machine, mail, origin
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

RAW = mail()
FIRST, COPY = b'["INBOX",7,3]', b'["Archive",9,1]'


async def put(
    redis: RedisClient, mailstore: MailStore, after: str, folder: str = "INBOX", uidvalidity: int = 7, uid: int = 3
) -> str:
    intake = Intake(redis, mailstore, max_waiting=10, after_action_on={"claims": after} if after else {})
    return (await intake.put(RAW, origin(RAW, folder=folder, uidvalidity=uidvalidity, uid=uid))).id


async def publish(redis: RedisClient, store: ItemStore, item_id: str) -> None:
    entry = (await redis.xrange(keys.INTAKE))[-1][0].decode()
    await store.publish(item_id, "claims", machine(), raws=["a" * 32], entry=entry)


async def to_do(redis: RedisClient) -> list[bytes]:
    found: list[bytes] = await redis.zrange(keys.after("claims"), 0, -1)
    return found


async def test_the_after_action_is_due_once_the_item_is_published_and_not_before(
    redis: RedisClient, mailstore: MailStore, store: ItemStore
) -> None:
    item_id = await put(redis, mailstore, "published")
    assert await to_do(redis) == []
    await publish(redis, store, item_id)
    assert await to_do(redis) == [FIRST]


@pytest.mark.parametrize("status", ["done", "dismissed"])
async def test_the_after_action_is_due_when_the_item_is_closed(
    redis: RedisClient, mailstore: MailStore, status: str
) -> None:
    store = ItemStore(redis, max_events=100, act_on_close={"claims"})
    item_id = await put(redis, mailstore, "done")
    await publish(redis, store, item_id)
    await store.change(item_id, ItemChange(status="in_progress"), who="ann")
    assert await to_do(redis) == []
    await store.change(item_id, ItemChange(status=status), who="ann")
    assert await to_do(redis) == [FIRST]


async def test_a_mailbox_without_an_after_action_is_not_changed(
    redis: RedisClient, mailstore: MailStore, store: ItemStore
) -> None:
    item_id = await put(redis, mailstore, "")
    await publish(redis, store, item_id)
    await store.change(item_id, ItemChange(status="done"), who="ann")
    assert await redis.exists(keys.after("claims")) == 0
    assert await redis.hget(keys.item(item_id), "locations") == FIRST


async def test_a_copy_gets_the_same_after_action_as_the_first(
    redis: RedisClient, mailstore: MailStore, store: ItemStore
) -> None:
    item_id = await put(redis, mailstore, "published")
    await put(redis, mailstore, "published", "Archive", 9, 1)
    await publish(redis, store, item_id)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_a_copy_that_comes_after_its_item_gets_its_after_action_too(
    redis: RedisClient, mailstore: MailStore, store: ItemStore
) -> None:
    item_id = await put(redis, mailstore, "published")
    entry = (await redis.xrange(keys.INTAKE))[-1][0].decode()
    raws = [(await mailstore.get_raw_mails(item_id))[0].sidecar.raw]
    await store.publish(item_id, "claims", machine(), raws=raws, entry=entry)
    await put(redis, mailstore, "published", "Archive", 9, 1)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])
    assert await redis.hget(keys.item(item_id), "locations") == FIRST + b"\n" + COPY


async def test_a_copy_that_comes_while_a_closed_item_is_read_again_gets_its_after_action_too(
    redis: RedisClient, mailstore: MailStore
) -> None:
    store = ItemStore(redis, max_events=100, act_on_close={"claims"})
    item_id = await put(redis, mailstore, "done")
    await publish(redis, store, item_id)
    await store.change(item_id, ItemChange(status="done"), who="ann")
    intake = Intake(redis, mailstore, max_waiting=10, after_action_on={"claims": "done"})
    other = RAW + b"one more line\r\n"
    assert (await intake.put(other, origin(other, folder="Archive", uidvalidity=9, uid=1))).outcome == "variant"
    assert await to_do(redis) == [FIRST], "not before it was read"
    await publish(redis, store, item_id)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_a_copy_that_comes_while_an_open_item_is_read_again_waits_until_it_is_closed(
    redis: RedisClient, mailstore: MailStore
) -> None:
    store = ItemStore(redis, max_events=100, act_on_close={"claims"})
    item_id = await put(redis, mailstore, "done")
    await put(redis, mailstore, "done", "Archive", 9, 1)
    await publish(redis, store, item_id)
    assert await to_do(redis) == []
    await store.change(item_id, ItemChange(status="done"), who="ann")
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_a_mail_that_could_not_be_read_is_in_quarantine_until_it_can_be(
    redis: RedisClient, mailstore: MailStore, store: ItemStore
) -> None:
    item_id = await put(redis, mailstore, "")
    await store.publish(item_id, "claims", machine(reason="unreadable"), raws=["a" * 32], quarantined=True)
    assert await redis.zrange(keys.QUARANTINE, 0, -1) == [item_id.encode()]
    await store.publish(item_id, "claims", machine(), raws=["a" * 32])
    assert await redis.exists(keys.QUARANTINE) == 0


async def test_own_mail_is_done_from_the_start(redis: RedisClient, store: ItemStore) -> None:
    published = await store.publish("wi_" + "a" * 26, "claims", machine(), status="done")
    assert published.item is not None
    assert published.item.status == "done"
    page = await store.list_items(status="done", mailbox="claims")
    assert [item.id for item in page.items] == ["wi_" + "a" * 26]
    assert (await store.list_items(status="new")).items == []
