"""The counts behind the hit rate of fields: each mail counts once, on the day on which it became an item."""

from datetime import UTC, date, datetime, timedelta

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.queue.field_counts import ABSENT, FOUND, IN_DOUBT, KEPT_DAYS, DayCounts, day_number, read_field_counts
from workitems.queue.store import ItemStore
from workitems.status.heartbeats import redis_time


async def counts(redis: RedisClient, *mailboxes: str) -> dict[str, dict[str, dict[str, int]]]:
    """Return mailbox → counts of its fields of today, and of yesterday: midnight may have come during the test."""
    today = datetime.fromtimestamp(await redis_time(redis), UTC).date()
    sums: dict[str, dict[str, dict[str, int]]] = {}
    for day in await read_field_counts(redis, mailboxes, today - timedelta(days=1), today):
        for name, results in day.fields.items():
            sum_of = sums.setdefault(day.mailbox, {}).setdefault(name, dict.fromkeys(results, 0))
            for result, number in results.items():
                sum_of[result] += number
    return sums


async def test_a_new_item_counts_each_of_its_fields(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(), field_results={"deal": FOUND, "due": IN_DOUBT})
    await store.publish(IDS[1], "claims", machine(), field_results={"deal": FOUND, "due": ABSENT})
    await store.publish(IDS[2], "orders", machine(), field_results={"deal": ABSENT})
    await store.publish(IDS[3], "other", machine())
    assert await counts(redis, "claims", "orders", "other") == {
        "claims": {
            "deal": {"found": 2, "in_doubt": 0, "absent": 0},
            "due": {"found": 0, "in_doubt": 1, "absent": 1},
        },
        "orders": {"deal": {"found": 0, "in_doubt": 0, "absent": 1}},
    }


async def test_a_publish_that_is_repeated_and_a_new_reading_count_nothing(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(), field_results={"deal": ABSENT})
    again = await store.publish(IDS[0], "claims", machine(), field_results={"deal": ABSENT})
    better = await store.publish(IDS[0], "claims", machine(subject="Read better"), field_results={"deal": FOUND})
    assert (again.outcome, better.outcome) == ("same", "renewed")
    assert await counts(redis, "claims") == {"claims": {"deal": {"found": 0, "in_doubt": 0, "absent": 1}}}


async def test_the_counts_of_a_day_end_by_themselves(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(), field_results={"deal": FOUND})
    (key,) = await redis.keys(keys.field_counts("*", "*"))
    assert 0 < await redis.ttl(key) <= KEPT_DAYS * 86_400


async def test_a_long_series_has_the_days_with_counts_in_order(redis: RedisClient) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in (0, 150, 250, 251)]
    for day in reversed(days):
        await redis.hset(keys.field_counts("claims", day_number(day)), "deal:found", day.day)
    found = await read_field_counts(redis, ["claims", "orders"], days[0], days[2])
    assert found == [
        DayCounts(day, "claims", {"deal": {"found": day.day, "in_doubt": 0, "absent": 0}}) for day in days[:3]
    ]
