"""Where a mail lies in its mailbox is kept with its item, and says what is still to be done there."""

import pytest

from tests.workitems.samples import machine, mail, origin
from workitems import keys
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.store import Change, Store

RAW = mail()
FIRST, COPY = b'["INBOX",7,3]', b'["Archive",9,1]'


async def put(
    redis: Client, mailstore: MailStore, after: str, folder: str = "INBOX", uidvalidity: int = 7, uid: int = 3
) -> str:
    intake = Intake(redis, mailstore, most=10, after={"claims": after} if after else {})
    return (await intake.put(RAW, origin(RAW, folder=folder, uidvalidity=uidvalidity, uid=uid))).id


async def publish(redis: Client, store: Store, item_id: str) -> None:
    entry = (await redis.xrange(keys.INTAKE))[-1][0].decode()
    await store.publish(item_id, "claims", machine(), raws=["a" * 32], entry=entry)


async def to_do(redis: Client) -> list[bytes]:
    found: list[bytes] = await redis.zrange(keys.after("claims"), 0, -1)
    return found


async def test_mail_is_dealt_with_once_its_item_is_published_and_not_before(
    redis: Client, mailstore: MailStore, store: Store
) -> None:
    item_id = await put(redis, mailstore, "published")
    assert await to_do(redis) == []
    await publish(redis, store, item_id)
    assert await to_do(redis) == [FIRST]


@pytest.mark.parametrize("status", ["done", "dismissed"])
async def test_mail_is_dealt_with_when_its_item_is_closed(redis: Client, mailstore: MailStore, status: str) -> None:
    store = Store(redis, history=100, settled={"claims"})
    item_id = await put(redis, mailstore, "done")
    await publish(redis, store, item_id)
    await store.change(item_id, Change(status="in_progress"), who="ann")
    assert await to_do(redis) == []
    await store.change(item_id, Change(status=status), who="ann")
    assert await to_do(redis) == [FIRST]


async def test_a_mailbox_that_is_to_be_left_alone_is_left_alone(
    redis: Client, mailstore: MailStore, store: Store
) -> None:
    item_id = await put(redis, mailstore, "")
    await publish(redis, store, item_id)
    await store.change(item_id, Change(status="done"), who="ann")
    assert await redis.exists(keys.after("claims")) == 0
    assert await redis.hget(keys.item(item_id), "places") == FIRST


async def test_a_copy_is_dealt_with_like_the_first(redis: Client, mailstore: MailStore, store: Store) -> None:
    item_id = await put(redis, mailstore, "published")
    await put(redis, mailstore, "published", "Archive", 9, 1)
    await publish(redis, store, item_id)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_a_copy_that_comes_after_its_item_is_dealt_with_too(
    redis: Client, mailstore: MailStore, store: Store
) -> None:
    item_id = await put(redis, mailstore, "published")
    entry = (await redis.xrange(keys.INTAKE))[-1][0].decode()
    raws = [(await mailstore.get(item_id))[0].sidecar.raw]
    await store.publish(item_id, "claims", machine(), raws=raws, entry=entry)
    await put(redis, mailstore, "published", "Archive", 9, 1)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])
    assert await redis.hget(keys.item(item_id), "places") == FIRST + b"\n" + COPY


async def test_a_copy_that_comes_while_the_mail_of_a_closed_item_is_read_again_is_dealt_with_too(
    redis: Client, mailstore: MailStore
) -> None:
    store = Store(redis, history=100, settled={"claims"})
    item_id = await put(redis, mailstore, "done")
    await publish(redis, store, item_id)
    await store.change(item_id, Change(status="done"), who="ann")
    intake = Intake(redis, mailstore, most=10, after={"claims": "done"})
    other = RAW + b"one more line\r\n"
    assert (await intake.put(other, origin(other, folder="Archive", uidvalidity=9, uid=1))).outcome == "variant"
    assert await to_do(redis) == [FIRST], "not before it was read"
    await publish(redis, store, item_id)
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_a_copy_that_comes_while_its_open_item_is_read_again_waits_for_its_end(
    redis: Client, mailstore: MailStore
) -> None:
    store = Store(redis, history=100, settled={"claims"})
    item_id = await put(redis, mailstore, "done")
    await put(redis, mailstore, "done", "Archive", 9, 1)
    await publish(redis, store, item_id)
    assert await to_do(redis) == []
    await store.change(item_id, Change(status="done"), who="ann")
    assert sorted(await to_do(redis)) == sorted([FIRST, COPY])


async def test_what_could_not_be_read_as_it_should_is_in_quarantine_until_it_can(
    redis: Client, mailstore: MailStore, store: Store
) -> None:
    item_id = await put(redis, mailstore, "")
    await store.publish(item_id, "claims", machine(reason="unreadable"), raws=["a" * 32], quarantined=True)
    assert await redis.zrange(keys.QUARANTINE, 0, -1) == [item_id.encode()]
    await store.publish(item_id, "claims", machine(), raws=["a" * 32])
    assert await redis.exists(keys.QUARANTINE) == 0


async def test_what_the_team_sent_itself_waits_for_nobody(redis: Client, store: Store) -> None:
    published = await store.publish("wi_" + "a" * 26, "claims", machine(), status="done")
    assert published.item is not None
    assert published.item.status == "done"
    page = await store.page(status="done", mailbox="claims")
    assert [item.id for item in page.items] == ["wi_" + "a" * 26]
    assert (await store.page(status="new")).items == []
