"""When Redis is unavailable, full or read-only, nothing changes; when an answer is lost, nothing is done twice."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.workitems.lossy_proxy import LossyProxy
from tests.workitems.samples import IDS, everything, machine, mail, origin
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.intake.consumer_group import ConsumerGroup, IntakeEntry
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.intake.repair import put_lost_mail
from workitems.mailboxes.checkpoint import WATCHING, Checkpoint, FolderRecord
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

ClientOf = Callable[..., RedisClient]

NEW = mail("<new@example.com>")
KNOWN = mail("<known@example.com>")

Step = Callable[[RedisClient, MailStore], Awaitable[object]]

STEPS: dict[str, Step] = {
    "publish a new item": lambda redis, _: ItemStore(redis, max_events=100).publish(IDS[1], "claims", machine()),
    "publish a reply": lambda redis, _: ItemStore(redis, max_events=100).publish(
        IDS[1], "claims", machine(), message_id="b", references=["a"], entry="1-1", raws=["a"]
    ),
    "renew an item": lambda redis, _: ItemStore(redis, max_events=100).publish(IDS[0], "claims", machine("renewed")),
    "publish the same": lambda redis, _: ItemStore(redis, max_events=100).publish(
        IDS[0], "claims", machine(), raws=["b"]
    ),
    "change an item": lambda redis, _: ItemStore(redis, max_events=100).change(
        IDS[0], ItemChange(status="done", assignee="Ann", fields={"a": 1}), who="Ann"
    ),
    "put a new mail": lambda redis, files: Intake(redis, files, max_waiting=50).put(
        NEW, origin(NEW, uidvalidity=7, uid=9)
    ),
    "put a known mail": lambda redis, files: Intake(redis, files, max_waiting=50).put(
        KNOWN, origin(KNOWN, uidvalidity=7, uid=9)
    ),
    "advance a checkpoint": lambda redis, _: FolderRecord(redis, "claims").advance_checkpoint(7, 99),
    "begin a checkpoint": lambda redis, _: FolderRecord(redis, "claims").set_checkpoint(Checkpoint(8, 1)),
    "set unfetched UIDs": lambda redis, _: FolderRecord(redis, "claims").set_unfetched_uids({1: 2}, given_up=1),
    "set a state": lambda redis, _: FolderRecord(redis, "claims").set_state(WATCHING),
    "count an attempt": lambda redis, files: ConsumerGroup(redis).set_attempts(
        IntakeEntry("1-1", item_id("claims", KNOWN), "claims"), 1
    ),
}

TROUBLE = {"full": ("CONFIG", "SET", "maxmemory", "1"), "read-only": ("REPLICAOF", "127.0.0.1", "1")}


async def prepare(redis: RedisClient, mailstore: MailStore) -> None:
    """Store an item, a waiting mail and a checkpoint, and load every script into Redis."""
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    await FolderRecord(redis, "claims").advance_checkpoint(7, 3)
    await ItemStore(redis, max_events=100).publish(IDS[0], "claims", machine(), message_id="a")
    await ItemStore(redis, max_events=100).change(IDS[0], ItemChange(status="waiting"), who="Ann")
    await redis.xadd(keys.INTAKE, {"id": item_id("claims", KNOWN), "mailbox": "claims", "raw": ""}, id="1-1")
    await Intake(redis, mailstore, max_waiting=50).put(KNOWN, origin(KNOWN))


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


@pytest.mark.parametrize("right", ["hset", "publish", "set", "time", "xack", "xadd", "xdel", "xinfo", "zadd"])
async def test_a_step_that_lacks_a_right_changes_nothing(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore, right: str
) -> None:
    admin = client_of(own_redis.url)
    if int((await admin.info("server"))["redis_version"].split(".")[0]) < 7:
        pytest.skip("a script cannot check its rights before 7.0")
    await prepare(admin, mailstore)
    rule = "on nopass ~{tubepost}:* resetchannels &workitems_updates +@all"
    await admin.execute_command("ACL", "SETUSER", "app", *rule.split())
    app = client_of(own_redis.url.replace("unix://", "unix://app:any@"))
    for step in STEPS.values():
        await step(app, mailstore)  # with all rights
    await admin.execute_command("ACL", "SETUSER", "app", f"-{right}")
    before = everything(own_redis.url)
    with pytest.raises(StoreUnavailableError, match=f"NOPERM this user may not run {right}$"):
        await STEPS["publish a new item"](app, mailstore)
    assert everything(own_redis.url) == before
    await admin.execute_command("ACL", "SETUSER", "app", f"+{right}")
    await STEPS["publish a new item"](app, mailstore)


async def test_a_redis_that_is_full_or_read_only_can_still_be_read(
    own_redis: RedisServer, client_of: ClientOf, mailstore: MailStore
) -> None:
    redis = client_of(own_redis.url)
    await prepare(redis, mailstore)
    store = ItemStore(redis, max_events=100)
    head = await feed.head(redis)
    for command in TROUBLE.values():
        await redis.execute_command(*command)
        assert [item.id for item in (await store.list_items()).items] == [IDS[0]]
        assert await feed.head(redis) == head
        assert len(await feed.read_events(redis, START_CURSOR)) == 2
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
            await ItemStore(redis, max_events=100).publish(IDS[1], "claims", machine())
    assert everything(own_redis.url) == before
    await redis.config_set("maxmemory", 0)
    await ItemStore(redis, max_events=100).publish(IDS[1], "claims", machine())
    (event,) = await feed.read_newest(redis, 1)
    assert event.follows(old)
    assert (await ItemStore(redis, max_events=100).get(IDS[1])).submission_ref.endswith("001002")


@pytest.mark.parametrize("step", STEPS)
async def test_a_stopped_redis_is_unavailable_and_is_unchanged_after_its_restart(
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
    redis_server: RedisServer, redis: RedisClient, client_of: ClientOf, mailstore: MailStore
) -> None:
    await prepare(redis, mailstore)
    head = await feed.head(redis)
    async with LossyProxy(redis_server) as way:
        client = client_of(way.url)
        store, lossy = ItemStore(redis, max_events=100), ItemStore(client, max_events=100)
        intake = Intake(client, mailstore, max_waiting=50)
        # The call whose answer is lost, and then the same call again, as the caller makes it.
        for step in (
            lambda: lossy.publish(IDS[1], "claims", machine("one")),
            lambda: lossy.publish(IDS[1], "claims", machine("two")),
            lambda: lossy.change(IDS[1], ItemChange(status="done", assignee="Ann", fields={"a": 1}), who="Ann"),
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
    assert (item.reading_number, item.version, item.status) == (2, 2, "done")
    assert [event.cursor.n - head.n for event in await feed.read_events(redis, head)] == [1, 2, 3]
    assert [step["field"] for step in await store.history(IDS[1])] == [
        "created", "reading", "status", "assignee", "fields.a",
    ]  # fmt: skip
    assert await redis.xlen(keys.INTAKE) == 3
    assert await FolderRecord(redis, "claims").checkpoint() == Checkpoint(7, 9)


async def test_mail_stored_while_redis_was_unavailable_is_put_when_it_is_back(
    own_redis: RedisServer, client_of: ClientOf, tmp_path: Path
) -> None:
    mailstore = MailStore(tmp_path / "mail")
    intake = Intake(client_of(own_redis.url), mailstore, max_waiting=50)
    own_redis.kill()
    with pytest.raises(StoreUnavailableError):
        await intake.put(NEW, origin(NEW))
    own_redis.start()
    assert [count async for count in put_lost_mail(intake)] == [1]
    assert await intake.count_waiting() == 1
    assert (await intake.put(NEW, origin(NEW))).outcome == "duplicate"
    mailstore.close()
