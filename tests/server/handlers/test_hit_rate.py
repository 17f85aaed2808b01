"""`GET /api/fields/hit-rate`: a series by day and mailbox."""

from datetime import date
from pathlib import Path

import pytest

from server.context import Context
from server.http.openapi import SCHEMAS
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.queue.field_counts import day_number
from workitems.settings import Settings

PATH = "/api/fields/hit-rate"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    fields = {"deal": {"labels": ["Deal"], "mailboxes": ["claims", "orders"]}}
    return make_settings(redis_url, tmp_path, fields=fields)


async def count(redis: RedisClient, mailbox: str, day: str, **counts: int) -> None:
    key = keys.field_counts(mailbox, day_number(date.fromisoformat(day)))
    await redis.hset(key, mapping={f"deal:{result}": number for result, number in counts.items()})


async def test_the_series_has_the_counts_of_each_day_and_mailbox(call: Call, redis: RedisClient) -> None:
    await count(redis, "claims", "2026-03-01", found=3, absent=1)
    await count(redis, "orders", "2026-03-02", in_doubt=2)
    await count(redis, "orders", "2026-03-03", found=1)
    whole = body(await call("GET", f"{PATH}?from=2026-03-01&to=2026-03-02"))
    assert whole == {
        "from": "2026-03-01",
        "to": "2026-03-02",
        "days": [
            {"day": "2026-03-01", "mailbox": "claims", "fields": {"deal": {"found": 3, "in_doubt": 0, "absent": 1}}},
            {"day": "2026-03-02", "mailbox": "orders", "fields": {"deal": {"found": 0, "in_doubt": 2, "absent": 0}}},
        ],
    }
    assert set(whole) == set(SCHEMAS["HitRate"]["properties"])
    one = body(await call("GET", f"{PATH}?mailbox=orders&from=2026-02-20&to=2026-03-03"))
    assert [day["day"] for day in one["days"]] == ["2026-03-02", "2026-03-03"]
    assert {day["mailbox"] for day in one["days"]} == {"orders"}


async def test_without_days_the_series_has_the_last_thirty(call: Call) -> None:
    found = body(await call("GET", PATH))
    assert (date.fromisoformat(found["to"]) - date.fromisoformat(found["from"])).days == 29
    assert found["days"] == []


async def test_the_series_needs_the_right_to_read(call: Call, context: Context) -> None:
    key = await context.auth.accounts.add_key("posting", frozenset({"intake"}))
    assert error(await call("GET", PATH, token=key))[:2] == (403, "forbidden")
    assert error(await call("GET", PATH, token=None))[:2] == (401, "unauthorized")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("mailbox=A%20b", "mailbox"),
        ("from=yesterday", "from"),
        ("to=20260301", "to"),
        ("to=2026-02-30", "to"),
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("from=2025-01-01&to=2026-03-01&mailbox=claims", "from"),
        ("from=2025-03-01&to=2026-03-01", "from"),
        ("to=0001-01-01&from=9999-12-31", "from"),
    ],
)
async def test_the_error_of_a_wrong_value_names_its_field(call: Call, query: str, field: str) -> None:
    response = await call("GET", f"{PATH}?{query}")
    assert error(response) == (422, "invalid", field)
    assert "accepted" in body(response)["error"]["message"]


async def test_the_first_day_of_all_is_no_fault(call: Call) -> None:
    assert body(await call("GET", f"{PATH}?to=0001-01-05"))["from"] == "0001-01-01"
