"""Several mails published in one step have the same results as one after another."""

from collections.abc import Sequence
from typing import Any

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.group_commit import GroupCommit
from workitems.base.redis import RedisClient
from workitems.queue.item import Json
from workitems.queue.store import ItemStore


async def _bounded(redis: RedisClient) -> ItemStore:
    """Return a store that may give references up to 1000 and has given six."""

    async def reserve(_: int) -> None:
        raise AssertionError("no test here reserves numbers")

    store = ItemStore(redis, max_events=1000, reserve=reserve)
    await redis.mset({keys.REFERENCE_BOUND: 1000, keys.PREFIX + "reference:n": 0})
    for item_id in IDS[:6]:
        await store.publish(item_id, "claims", machine())
    return store


async def _request(store: ItemStore, item_id: str, found: Json) -> Json:
    """Return the request that `publish` would send to Redis, without sending it."""
    asked: list[Json] = []

    async def note(requests: Sequence[Json]) -> list[list[bytes] | Exception]:
        asked.extend(requests)
        return [[b"same"] for _ in requests]

    before, store._publish_grouped = store._publish_grouped, GroupCommit(note, max_size=1)
    await store.publish(item_id, "claims", found)
    store._publish_grouped = before
    return asked[0]


async def test_a_reference_is_given_once_also_when_an_epoch_begins_within_a_step(
    redis: RedisClient,
) -> None:
    bounded = await _bounded(redis)
    new, other = [await _request(bounded, item_id, machine()) for item_id in IDS[6:8]]
    renewed = await _request(bounded, IDS[0], machine("Renewed"))
    renewed |= {"version": "1", "reading": "1"}  # those on which the reading is based
    await redis.set(keys.FEED_RUN, "0" * 40)  # as after a restart: the numbers up to 1006 may have been given
    answers: Any = await bounded._publish_all([new, renewed, other])
    assert [answer[0] for answer in answers] == [b"reserve", b"renewed", b"reserve"]
    await redis.set(keys.REFERENCE_BOUND, 9999)
    answers = await bounded._publish_all([new, other])
    assert [answer[3][-6:] for answer in answers] == [b"001007", b"001008"]


async def test_event_ids_and_order_keys_continue_within_a_step(redis: RedisClient) -> None:
    bounded = await _bounded(redis)
    mails = [await _request(bounded, item_id, machine()) for item_id in IDS[6:10]]
    answers: Any = await bounded._publish_all(mails)
    numbers = [int(answer[1].split(b"-")[1]) for answer in answers]
    assert numbers == list(range(7, 11))
    assert [int(answer[5]) for answer in answers] == sorted({int(answer[5]) for answer in answers})
    assert await redis.get("{tubepost}:seq") == b"10"
