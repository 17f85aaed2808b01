"""People split off what was joined wrongly, and merge what belongs together, by HTTP."""

import pytest

from server.context import Context
from tests.server.handlers.conftest import Call, body, error
from workitems.queue.item import MACHINE_DEFAULTS, Item

FIRST, SECOND = ("wi_" + letter * 26 for letter in "ab")


async def publish(context: Context, item_id: str, *references: str) -> Item:
    machine = MACHINE_DEFAULTS | {"created_at": "2026-01-02T03:04:05Z", "from_email": "ann@a.example"}
    await context.store.publish(item_id, "claims", machine, message_id=f"key-{item_id}", references=references)
    return await context.store.get(item_id)


async def test_an_item_is_split_off_and_merged_again(context: Context, call: Call) -> None:
    first = await publish(context, FIRST)
    await publish(context, SECOND, f"key-{FIRST}")
    answer = await call("POST", f"/api/workitems/{SECOND}/split")
    alone = body(answer)
    assert (answer.code, answer.headers["ETag"]) == (200, '"2"')
    assert alone["submission_id"] != first.submission_id
    assert error(await call("POST", f"/api/workitems/{SECOND}/split")) == (422, "invalid", None)
    answer = await call("POST", f"/api/submissions/{alone['submission_id']}/merge", json={"into": first.submission_id})
    assert (answer.code, body(answer)) == (200, {"submission_id": first.submission_id, "moved": 1})
    assert (await context.store.get(SECOND)).submission_ref == first.submission_ref
    steps = [(step["who"], step["field"]) for step in await context.store.history(SECOND)]
    assert steps[1:] == [("demo", "submission")] * 2


@pytest.mark.parametrize("into", [None, 7, "sub_1", "wi_" + "a" * 26])
async def test_a_merge_names_what_is_wrong(context: Context, call: Call, into: object) -> None:
    first = await publish(context, FIRST)
    path = f"/api/submissions/{first.submission_id}/merge"
    assert error(await call("POST", path, json={"into": into})) == (422, "invalid", "into")
    assert error(await call("POST", path, json={"into": first.submission_id})) == (422, "invalid", "into")
    assert error(await call("POST", path, json={"into": "sub_" + "x" * 26})) == (404, "not_found", None)


async def test_both_need_the_scope_write(context: Context, call: Call) -> None:
    first = await publish(context, FIRST)
    token = await context.auth.accounts.add_key("reader", ["read"])
    for path in (f"/api/workitems/{FIRST}/split", f"/api/submissions/{first.submission_id}/merge"):
        assert error(await call("POST", path, token=token, json={})) == (403, "forbidden", None)


async def test_an_item_that_was_changed_since_is_not_split_off(context: Context, call: Call) -> None:
    await publish(context, FIRST)
    await publish(context, SECOND, f"key-{FIRST}")
    await call("PATCH", f"/api/workitems/{SECOND}", json={"status": "waiting"})
    answer = await call("POST", f"/api/workitems/{SECOND}/split", headers={"If-Match": '"1"'})
    assert (error(answer), body(answer)["item"]["version"]) == ((409, "conflict", None), 2)
    assert (await call("POST", f"/api/workitems/{SECOND}/split", headers={"If-Match": '"2"'})).code == 200
