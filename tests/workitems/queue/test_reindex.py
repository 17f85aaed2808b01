"""Indexes that a Redis deleted to free memory are made again from the items, and people's work stays."""

import asyncio
from typing import Any

import pytest

from tests.workitems.samples import IDS, everything, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.reindex import ItemLinks, reindex, relink
from workitems.queue.store import ItemStore
from workitems.queue.submissions import Submissions
from workitems.retention.removal import Removal

#: Keys that are indexes of what `_publish_some` publishes.
INDEXES = [
    keys.items(),
    keys.items("claims"),
    keys.items("orders"),
    keys.items(None, "new"),
    keys.items(None, "done"),
    keys.items("claims", "done"),
    keys.items("orders", "dismissed"),
    keys.CLOSED,
    keys.QUARANTINE,
    keys.submission("sub_" + "a" * 26),
    keys.submission_items("sub_" + "a" * 26),
    keys.PREFIX + "seq",
]


async def _publish_some(store: ItemStore) -> None:
    """Publish eight items of one second: a thread, own mail, one in quarantine, and three of another mailbox."""
    for n in range(8):
        how: dict[str, Any] = {"message_id": f"key-{n}"}
        if n in (1, 2):
            how["references"] = ["key-0"]
        how |= {"status": "done"} if n == 3 else {"quarantined": True} if n == 4 else {}
        await store.publish(IDS[n], "orders" if n > 4 else "claims", machine(f"Item {n}"), **how)
    await store.change(IDS[1], ItemChange(status="in_progress", assignee="ann"), who="ann")
    await store.change(IDS[2], ItemChange(status="done"), who="ben")
    await store.change(IDS[6], ItemChange(status="dismissed", assignee="ben"), who="ben")


def _check_same(after: dict[bytes, Any], before: dict[bytes, Any]) -> None:
    """Compare two snapshots; the history, from which a closing is known again, may be some milliseconds later."""
    closed = keys.CLOSED.encode()
    assert dict(after[closed]) == pytest.approx(dict(before[closed]), abs=5_000)
    assert after | {closed: None} == before | {closed: None}


@pytest.mark.parametrize("index", INDEXES)
async def test_an_evicted_index_is_made_again(redis: RedisClient, redis_url: str, store: ItemStore, index: str) -> None:
    await _publish_some(store)
    assert await redis.exists(index)
    before = everything(redis_url)
    assert await reindex(redis) == 0, "nothing is missing"
    assert everything(redis_url) == before
    await redis.delete(index)
    await reindex(redis)
    after = everything(redis_url)
    if index == keys.submission("sub_" + "a" * 26):  # its newest item was given to nobody
        after[index.encode()][b"assignee"] = before[index.encode()][b"assignee"]
    _check_same(after, before)
    assert await reindex(redis) == 0


async def test_all_indexes_at_once_are_made_again(redis: RedisClient, redis_url: str, store: ItemStore) -> None:
    await _publish_some(store)
    before = everything(redis_url)
    indexes = [
        name for pattern in ("items*", "submission:*", "closed", "quarantine", "seq")
        for name in await redis.keys(keys.PREFIX + pattern)
    ]  # fmt: skip
    await redis.delete(*indexes)
    assert await reindex(redis) >= 8 * 4
    after = everything(redis_url)
    for name in indexes:
        if isinstance(before[name], dict):
            before[name].pop(b"assignee")
            after[name].pop(b"assignee")
    _check_same(after, before)


async def test_a_submission_that_lost_its_record_goes_to_whom_its_newest_item_was_given(
    redis: RedisClient, store: ItemStore
) -> None:
    await store.publish(IDS[0], "claims", machine(), message_id="a")
    await store.change(IDS[0], ItemChange(assignee="ann"), who="ann")
    await store.publish(IDS[1], "claims", machine(), message_id="b", references=["a"])
    await redis.delete(keys.submission("sub_" + "a" * 26))
    await reindex(redis)
    new = await store.publish(IDS[2], "claims", machine(), message_id="c", references=["b"])
    assert new.item
    assert (new.item.assignee, new.item.submission_id) == ("ann", "sub_" + "a" * 26)


async def test_the_names_of_merged_submissions_lead_to_their_items_again(redis: RedisClient, store: ItemStore) -> None:
    one, two = [(await store.publish(IDS[n], "claims", machine())).item for n in range(2)]
    assert one
    assert two
    await Submissions(redis, store, max_events=100).merge(two.submission_id, one.submission_id, who="ann")
    before = await redis.hgetall(keys.MERGED), await redis.hgetall(keys.REFERENCES)
    await redis.delete(keys.MERGED, keys.REFERENCES)
    await reindex(redis)
    assert (await redis.hgetall(keys.MERGED), await redis.hgetall(keys.REFERENCES)) == before


async def test_what_is_no_item_any_more_leaves_all_lists(redis: RedisClient, store: ItemStore) -> None:
    await _publish_some(store)
    await redis.delete(*(keys.item(IDS[n]) for n in (2, 3, 4, 6)))
    await reindex(redis)
    left = {name.decode() for name in await redis.keys(keys.PREFIX + "items*")}
    assert left == {
        keys.items(), keys.items("claims"), keys.items("orders"), keys.items(None, "new"),
        keys.items(None, "in_progress"), keys.items("claims", "new"), keys.items("claims", "in_progress"),
        keys.items("orders", "new"),
    }  # fmt: skip
    assert await redis.zcard(keys.items()) == 4
    assert not await redis.exists(keys.CLOSED, keys.QUARANTINE)
    assert await redis.hget(keys.submission("sub_" + "a" * 26), "items") == b"2"


async def test_lost_items_leave_a_large_submission_too(redis: RedisClient, store: ItemStore) -> None:
    ids = [f"wi_{n:026d}" for n in range(30)]
    for each in ids:
        await store.publish(each, "claims", machine(), message_id=each, references=[ids[0]])
    await redis.delete(*map(keys.item, ids[10:15]))
    await reindex(redis)
    submission = "sub_" + ids[0][3:]
    found = [each.decode() for each in await redis.zrange(keys.submission_items(submission), 0, -1)]
    assert found == ids[:10] + ids[15:]
    assert await redis.hget(keys.submission(submission), "items") == b"25"


async def test_an_item_that_was_lost_and_is_read_again_is_listed_once_with_its_old_reference(
    redis: RedisClient, store: ItemStore
) -> None:
    await _publish_some(store)
    before = await store.get(IDS[3])
    await redis.delete(keys.item(IDS[3]))
    await reindex(redis)
    again = await store.publish(IDS[3], "claims", machine("Item 3"), message_id="key-3")
    assert again.item
    assert (again.outcome, again.item.submission_ref) == ("new", before.submission_ref)
    assert await redis.hget(keys.message_id("key-3"), "items") == IDS[3].encode()
    assert await redis.hget(keys.submission(before.submission_id), "items") == b"1"
    assert [item.id for item in (await store.list_items(status="done")).items] == [IDS[2]]
    assert await redis.zscore(keys.CLOSED, IDS[3]) is None
    assert await reindex(redis) == 0


async def test_an_item_read_again_before_the_repair_leaves_the_lists_of_its_old_status(
    redis: RedisClient, store: ItemStore
) -> None:
    await _publish_some(store)
    await redis.delete(keys.item(IDS[2]), keys.item(IDS[4]))
    await store.publish(IDS[2], "claims", machine(), message_id="key-2")
    await store.publish(IDS[4], "claims", machine(), message_id="key-4")
    await reindex(redis)
    assert await redis.zscore(keys.items(None, "done"), IDS[2]) is None
    assert await redis.zscore(keys.CLOSED, IDS[2]) is None
    assert await redis.zscore(keys.QUARANTINE, IDS[4]) is None


async def test_a_removed_item_is_not_listed_again(redis: RedisClient, store: ItemStore, mailstore: MailStore) -> None:
    await _publish_some(store)
    hash_of_removed = await redis.dump(keys.item(IDS[0]))
    await Removal(redis, mailstore, max_events=100).remove(IDS[0], who="ann", why="")
    await redis.restore(keys.item(IDS[0]), 0, hash_of_removed)
    await redis.delete(keys.items())
    await reindex(redis)
    assert await redis.zscore(keys.items(), IDS[0]) is None
    assert await redis.zcard(keys.items()) == 7


async def test_a_closed_item_without_a_history_is_kept_from_now_on(redis: RedisClient, store: ItemStore) -> None:
    await _publish_some(store)
    await redis.delete(keys.CLOSED, keys.history(IDS[2]))
    now = (await redis.time())[0] * 1000
    await reindex(redis)
    assert await redis.zscore(keys.CLOSED, IDS[2]) >= now


async def test_people_change_items_while_their_indexes_are_made_again(redis: RedisClient, store: ItemStore) -> None:
    ids = [f"wi_{n:026d}" for n in range(300)]
    for each in ids:
        await store.publish(each, "claims", machine(each))
    await redis.delete(keys.items(), keys.items("claims"), keys.items(None, "new"), keys.items("claims", "new"))

    async def work() -> None:
        for each in ids[::7]:
            await store.change(each, ItemChange(status="done"), who="ann")

    await asyncio.gather(reindex(redis), work(), reindex(redis))
    done = {each.decode() for each in await redis.zrange(keys.items(None, "done"), 0, -1)}
    new = {each.decode() for each in await redis.zrange(keys.items(None, "new"), 0, -1)}
    assert (done, new) == (set(ids[::7]), set(ids) - set(ids[::7]))
    assert await redis.zcard(keys.items()) == 300


async def test_foreign_and_broken_values_do_not_stop_it(redis: RedisClient, store: ItemStore) -> None:
    await _publish_some(store)
    await redis.set(keys.items("foreign"), "text")
    await redis.set(keys.item("wi_text"), "text")
    await redis.sadd(keys.submission("list"), "x")
    await redis.hset(keys.item(b"wi_\xff".decode("latin-1")), mapping={"status": "new"})
    await redis.hset(keys.item("wi_broken"), mapping={"status": "new", "mailbox": "a", "submission": "s", "score": "x"})
    await redis.delete(keys.items())
    await reindex(redis)
    assert await redis.zcard(keys.items()) == 8
    await redis.hdel(keys.item(IDS[7]), "reference")
    await reindex(redis)
    assert await redis.zcard(keys.items()) == 8, "a broken item stays where it is"


async def test_items_of_one_second_keep_an_order_of_their_own_after_the_counter_is_lost(
    redis: RedisClient, store: ItemStore
) -> None:
    for n in range(4):
        await store.publish(IDS[n], "claims", machine())
    await redis.delete(keys.PREFIX + "seq")
    await store.publish(IDS[4], "claims", machine())
    await redis.delete(keys.PREFIX + "seq")
    await reindex(redis)
    await store.publish(IDS[5], "claims", machine())
    assert [each.decode() for each in await redis.zrange(keys.items(), 0, -1)] == IDS[:6]
    assert len({score for _, score in await redis.zrange(keys.items(), 0, -1, withscores=True)}) == 6


async def test_all_items_of_a_submission_have_the_reference_that_was_given_first(
    redis: RedisClient, store: ItemStore
) -> None:
    for n in range(6):
        await store.publish(IDS[n], "claims", machine(), message_id=f"key-{n}", references=["key-0"] if n else [])
    lost = "sub_" + "a" * 26
    await redis.delete(keys.item(IDS[0]), keys.message_id("key-0"), keys.submission(lost), keys.submission_items(lost))
    again = await store.publish(IDS[0], "claims", machine(), message_id="key-0")
    assert again.item
    assert again.item.submission_ref == "SUB-2026-000002"
    await reindex(redis)
    found = {(item.submission_id, item.submission_ref) for item in [await store.get(each) for each in IDS[:6]]}
    assert found == {(lost, "SUB-2026-000001")}
    assert await redis.hget(keys.submission(lost), "reference") == b"SUB-2026-000001"
    assert await reindex(redis) == 0


# --- threads ----------------------------------------------------------------------------------------------------------


async def test_message_ids_lead_to_the_items_again(redis: RedisClient, redis_url: str, store: ItemStore) -> None:
    await _publish_some(store)
    await store.publish(IDS[8], "orders", machine(), message_id="key-0")  # the first mail, in another mailbox
    before = everything(redis_url)
    links = [ItemLinks(IDS[n], f"key-{n}", ["key-0"] if n in (1, 2) else []) for n in range(8)]
    links = [ItemLinks(IDS[8], "key-0", []), *links, ItemLinks(IDS[9], "key-9", ["key-1"])]
    assert await relink(redis, links) == 0
    await redis.delete(*(keys.message_id(f"key-{n}") for n in range(8)))
    assert await relink(redis, links) > 0
    after = everything(redis_url)
    for found in (before, after):  # the order of copies is free
        record = found[keys.message_id("key-0").encode()]
        record[b"items"] = b",".join(sorted(record[b"items"].split(b",")))
    assert after == before
    assert await relink(redis, links) == 0


async def test_an_answer_joins_its_submission_although_redis_lost_the_record_of_that(
    redis: RedisClient, store: ItemStore
) -> None:
    first = await store.publish(IDS[0], "claims", machine(), message_id="a")
    assert first.item
    await redis.delete(keys.submission(first.item.submission_id))
    answer = await store.publish(IDS[1], "claims", machine(), message_id="b", references=["a"])
    assert answer.item
    assert answer.item.submission_ref == first.item.submission_ref
    assert await redis.hget(keys.submission(first.item.submission_id), "items") == b"2"
