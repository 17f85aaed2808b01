"""Several mails that are published in one step: each as if it were alone."""

from collections.abc import Sequence
from typing import Any

from tests.workitems.samples import IDS, machine
from workitems import keys
from workitems.redis import Client
from workitems.store import Store
from workitems.together import Together


async def _bounded(redis: Client) -> Store:
    """References up to 1000 may be given, and six were."""

    async def reserve(_: int) -> None:
        raise AssertionError("nobody asks for numbers here")

    store = Store(redis, history=1000, reserve=reserve)
    await redis.set(keys.REFERENCE_MOST, 1000)
    for item_id in IDS[:6]:
        await store.publish(item_id, "claims", machine())
    return store


async def _asked(store: Store, item_id: str, found: dict[str, Any]) -> list[Any]:
    """What `publish` asks Redis for; nothing is done."""
    asked: list[list[Any]] = []

    async def note(mails: Sequence[list[Any]]) -> list[list[bytes] | Exception]:
        asked.extend(mails)
        return [[b"same"] for _ in mails]

    before, store._publish_soon = store._publish_soon, Together(note, most=1)
    await store.publish(item_id, "claims", found)
    store._publish_soon = before
    return asked[0]


async def test_a_reference_is_given_once_also_when_an_epoch_begins_in_the_midst_of_a_step(
    redis: Client,
) -> None:
    bounded = await _bounded(redis)
    new, other = [await _asked(bounded, item_id, machine()) for item_id in IDS[6:8]]
    renewed = await _asked(bounded, IDS[0], machine("Anew"))
    renewed[10:12] = ["1", "1"]  # the version and the reading that it was made from
    await redis.set(keys.FEED_RUN, "0" * 40)  # as after a restart: the numbers up to 1006 may have been given
    answers: Any = await bounded._publish_all([new, renewed, other])
    assert [answer[0] for answer in answers] == [b"reserve", b"renewed", b"reserve"]
    await redis.set(keys.REFERENCE_MOST, 9999)
    answers = await bounded._publish_all([new, other])
    assert [answer[3][-6:] for answer in answers] == [b"001007", b"001008"]


async def test_ids_of_events_and_orders_of_items_go_on_within_a_step(redis: Client) -> None:
    bounded = await _bounded(redis)
    mails = [await _asked(bounded, item_id, machine()) for item_id in IDS[6:10]]
    answers: Any = await bounded._publish_all(mails)
    numbers = [int(answer[1].split(b"-")[1]) for answer in answers]
    assert numbers == list(range(7, 11))
    assert [int(answer[5]) for answer in answers] == sorted({int(answer[5]) for answer in answers})
    assert await redis.get("{tubepost}:seq") == b"10"
