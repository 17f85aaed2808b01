"""When Redis is away, full or read-only nothing is changed; when an answer is lost nothing is done twice."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.workitems.lossy import LossyWay
from tests.workitems.samples import IDS, everything, machine, mail, origin
from workitems import feed, keys
from workitems.errors import StoreUnavailableError
from workitems.event import START
from workitems.identity import item_id
from workitems.intake import Intake, Waiting
from workitems.mailbox import WATCHING, Checkpoint, Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.store import Change, Store

ClientOf = Callable[..., Client]

NEW = mail("<new@example.com>")
KNOWN = mail("<known@example.com>")

Step = Callable[[Client, MailStore], Awaitable[object]]

STEPS: dict[str, Step] = {
    "publish a new item": lambda redis, _: Store(redis, history=100).publish(IDS[1], "claims", machine()),
    "publish a reply": lambda redis, _: Store(redis, history=100).publish(
        IDS[1], "claims", machine(), message_id="b", references=["a"], entry="1-1", raws=["a"]
    ),
    "renew an item": lambda redis, _: Store(redis, history=100).publish(IDS[0], "claims", machine("anew")),
    "publish the same": lambda redis, _: Store(redis, history=100).publish(IDS[0], "claims", machine(), raws=["b"]),
    "change an item": lambda redis, _: Store(redis, history=100).change(
        IDS[0], Change(status="done", assignee="Ann", fields={"a": 1}), who="Ann"
    ),
    "put a new mail": lambda redis, files: Intake(redis, files, most=50).put(NEW, origin(NEW, uidvalidity=7, uid=9)),
    "put a known mail": lambda redis, files: Intake(redis, files, most=50).put(
        KNOWN, origin(KNOWN, uidvalidity=7, uid=9)
    ),
    "advance a checkpoint": lambda redis, _: Mailbox(redis, "claims").advance(7, 99),
    "begin a checkpoint": lambda redis, _: Mailbox(redis, "claims").begin(Checkpoint(8, 1)),
    "owe": lambda redis, _: Mailbox(redis, "claims").owe({1: 2}, given_up=1),
    "tell": lambda redis, _: Mailbox(redis, "claims").tell(WATCHING),
    "count a try": lambda redis, files: Intake(redis, files, most=50).count(
        Waiting("1-1", item_id("claims", KNOWN), "claims"), 1
    ),
}

TROUBLE = {"full": ("CONFIG", "SET", "maxmemory", "1"), "read-only": ("REPLICAOF", "127.0.0.1", "1")}


async def prepare(redis: Client, mailstore: MailStore) -> None:
    """An item, a mail that waits, a checkpoint; every script known to Redis."""
    await Mailbox(redis, "claims").begin(Checkpoint(7, 2))
    await Mailbox(redis, "claims").advance(7, 3)
    await Store(redis, history=100).publish(IDS[0], "claims", machine(), message_id="a")
    await Store(redis, history=100).change(IDS[0], Change(status="waiting"), who="Ann")
    await redis.xadd(keys.INTAKE, {"id": item_id("claims", KNOWN), "mailbox": "claims", "raw": ""}, id="1-1")
    await Intake(redis, mailstore, most=50).put(KNOWN, origin(KNOWN))


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("step", STEPS)
async def test_a_redis_that_is_full_or_read_only_is_not_changed(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore, trouble: str, step: str
) -> None:
    redis = client_of(own_redis.url)
    await prepare(redis, mailstore)
    await redis.execute_command(*TROUBLE[trouble])
    before = everything(own_redis.url)
    with Redis.from_url(own_redis.url) as other, other.pubsub() as channel:
        channel.subscribe(keys.CHANNEL)
        assert channel.get_message(timeout=5)
        with pytest.raises(StoreUnavailableError):
            await STEPS[step](redis, mailstore)
        assert channel.get_message(timeout=0.05) is None
    assert everything(own_redis.url) == before


async def test_a_redis_that_is_full_or_read_only_is_still_read(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore
) -> None:
    redis = client_of(own_redis.url)
    await prepare(redis, mailstore)
    store = Store(redis, history=100)
    head = await feed.head(redis)
    for command in TROUBLE.values():
        await redis.execute_command(*command)
        assert [item.id for item in (await store.page()).items] == [IDS[0]]
        assert await feed.head(redis) == head
        assert len(await feed.between(redis, START)) == 2
        assert len(await store.history(IDS[0])) == 2


async def test_a_new_epoch_on_a_full_redis_begins_only_when_it_can(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore
) -> None:
    await prepare(client_of(own_redis.url), mailstore)
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    old = await feed.head(redis)
    await redis.config_set("maxmemory", 1)
    before = everything(own_redis.url)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await Store(redis, history=100).publish(IDS[1], "claims", machine())
    assert everything(own_redis.url) == before
    await redis.config_set("maxmemory", 0)
    await Store(redis, history=100).publish(IDS[1], "claims", machine())
    (event,) = await feed.newest(redis, 1)
    assert event.follows(old)
    assert (await Store(redis, history=100).get(IDS[1])).submission_ref.endswith("001002")


@pytest.mark.parametrize("step", STEPS)
async def test_a_redis_that_is_gone_is_unavailable_and_comes_back_unchanged(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore, step: str
) -> None:
    redis = client_of(own_redis.url, timeout=1.0)
    await prepare(redis, mailstore)
    before = everything(own_redis.url)
    own_redis.kill()
    with pytest.raises(StoreUnavailableError):
        await STEPS[step](redis, mailstore)
    own_redis.start()
    assert everything(own_redis.url) == before
    await STEPS[step](redis, mailstore)


async def test_a_change_whose_answer_was_lost_is_not_made_twice(
    redis_server: RedisServer, redis: Client, client_of: ClientOf, mailstore: MailStore
) -> None:
    await prepare(redis, mailstore)
    head = await feed.head(redis)
    async with LossyWay(redis_server) as way:
        client = client_of(way.url)
        store, lossy = Store(redis, history=100), Store(client, history=100)
        intake = Intake(client, mailstore, most=50)
        # What is under way when the answer is lost, and what the caller does then: the same again.
        for step in (
            lambda: lossy.publish(IDS[1], "claims", machine("one")),
            lambda: lossy.publish(IDS[1], "claims", machine("two")),
            lambda: lossy.change(IDS[1], Change(status="done", assignee="Ann", fields={"a": 1}), who="Ann"),
            lambda: intake.put(NEW, origin(NEW, uidvalidity=7, uid=9)),
        ):
            way.lose = b"EVALSHA"
            said = way.count(b"EVALSHA")
            with pytest.raises(StoreUnavailableError):
                await step()
            assert way.count(b"EVALSHA") == said + 1
            way.lose = None
            await step()
        await client.aclose()
    item = await store.get(IDS[1])
    assert (item.reading, item.version, item.status) == (2, 2, "done")
    assert [event.cursor.n - head.n for event in await feed.between(redis, head)] == [1, 2, 3]
    assert [step["field"] for step in await store.history(IDS[1])] == [
        "created", "reading", "status", "assignee", "fields.a",
    ]  # fmt: skip
    assert await redis.xlen(keys.INTAKE) == 3
    assert await Mailbox(redis, "claims").checkpoint() == Checkpoint(7, 9)


async def test_mail_that_was_stored_while_redis_was_away_is_put_when_it_is_back(
    own_redis: RedisServer, client_of: ClientOf, tmp_path: Path
) -> None:
    mailstore = MailStore(tmp_path / "mail")
    intake = Intake(client_of(own_redis.url), mailstore, most=50)
    own_redis.kill()
    with pytest.raises(StoreUnavailableError):
        await intake.put(NEW, origin(NEW))
    own_redis.start()
    assert [count async for count in intake.repair()] == [1]
    assert await intake.waiting() == 1
    assert (await intake.put(NEW, origin(NEW))).outcome == "duplicate"
    mailstore.close()
