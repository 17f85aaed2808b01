"""The list of work items."""

from typing import Any

import pytest

from tests.server.handlers.conftest import Call, body, error
from workitems.base.redis import RedisClient


async def test_an_empty_queue_has_a_cursor_with_which_to_open_the_stream(call: Call) -> None:
    response = await call("GET", "/api/workitems")
    assert response.code == 200
    assert body(response) == {"items": [], "next": None, "head": "0-0"}


async def test_the_newest_item_comes_first_and_equals_its_event(call: Call, publish: Any) -> None:
    first, second = await publish(subject="first"), await publish(subject="second")
    found = body(await call("GET", "/api/workitems"))
    assert [item["id"] for item in found["items"]] == [second, first]
    item = found["items"][0]
    assert (item["subject"], item["status"], item["version"], item["assignee"]) == ("second", "new", 1, None)
    assert item["submission_ref"].startswith("SUB-")
    assert not {"text", "evidence"} & item.keys()
    assert found["head"].endswith("-2")


async def test_pages_follow_each_other_without_gap_or_repetition(call: Call, publish: Any) -> None:
    made = [await publish() for _ in range(7)]
    seen: list[str] = []
    path = "/api/workitems?limit=3"
    while True:
        page = body(await call("GET", path))
        seen += [item["id"] for item in page["items"]]
        if not page["next"]:
            break
        path = f"/api/workitems?limit=3&before={page['next']}"
    assert seen == made[::-1]


async def test_the_list_accepts_every_cursor_that_it_returns(call: Call, publish: Any, redis: RedisClient) -> None:
    years = ["0001", "1969", "2026", "2243", "9999"]
    await redis.set("{tubepost}:seq", 2**20 - 1)  # the first item gets the lowest order key that there is
    made = [await publish(created_at=f"{year}-12-31T23:59:59Z") for year in years]
    seen: list[str] = []
    path = "/api/workitems?limit=1"
    while True:
        response = await call("GET", path)
        assert response.code == 200
        page = body(response)
        seen += [item["id"] for item in page["items"]]
        assert all(0 <= item["seq"] < 2**53 for item in page["items"])
        if not page["next"]:
            break
        path = f"/api/workitems?limit=1&before={page['next']}"
    assert seen == made[::-1]


async def test_filters_narrow_and_combine(call: Call, publish: Any) -> None:
    one, two = await publish(mailbox="claims"), await publish(mailbox="orders")
    await call("PATCH", f"/api/workitems/{one}", json={"status": "done"})
    third = body(await call("GET", f"/api/workitems/{two}"))

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in body(await call("GET", f"/api/workitems?{query}"))["items"]]

    assert await ids("mailbox=claims") == [one]
    assert await ids("status=done") == [one]
    assert await ids("status=new") == [two]
    assert await ids("status=new&mailbox=claims") == []
    assert await ids(f"submission={third['submission_id']}") == [two]
    assert await ids("mailbox=nobody") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=open", "status"),
        ("mailbox=A%20b", "mailbox"),
        ("mailbox=new", "mailbox"),
        ("mailbox=*", "mailbox"),
        ("submission=1", "submission"),
        ("before=x", "before"),
        ("before=-1", "before"),
        ("before=99999999999999999999", "before"),
        ("before=%C2%B2", "before"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1.5", "limit"),
    ],
)
async def test_the_error_of_a_wrong_value_names_its_field(call: Call, query: str, field: str) -> None:
    response = await call("GET", f"/api/workitems?{query}")
    assert error(response) == (422, "invalid", field)
    assert "accepted" in body(response)["error"]["message"] or "a name is" in body(response)["error"]["message"]
