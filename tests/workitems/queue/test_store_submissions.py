"""Submissions: mails that answer each other are one submission, in whatever order they come."""

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import message_key
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

PARENT, REPLY, LATER = (message_key(f"<{name}@example.com>") for name in ("parent", "reply", "later"))


async def submissions(store: ItemStore, *ids: str) -> list[str]:
    return [(await store.get(item_id)).submission_ref[-6:] for item_id in ids]


async def test_a_reply_joins_its_parent_and_inherits_its_assignee(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine("parent"), message_id=PARENT)
    await store.change(IDS[0], ItemChange(status="done", assignee="Ann"), who="Ann")
    await store.publish(IDS[1], "claims", machine("reply"), message_id=REPLY, references=[PARENT])
    assert await submissions(store, IDS[0], IDS[1]) == ["000001", "000001"]
    reply = await store.get(IDS[1])
    assert (reply.assignee, reply.status) == ("Ann", "new")
    page = await store.list_items(submission=reply.submission_id)
    assert [item.id for item in page.items] == [IDS[1], IDS[0]]


async def test_a_parent_joins_the_reply_that_came_before_it(store: ItemStore) -> None:
    await store.publish(IDS[1], "claims", machine("reply"), message_id=REPLY, references=[PARENT])
    await store.publish(IDS[0], "claims", machine("parent"), message_id=PARENT)
    await store.publish(IDS[2], "claims", machine("later"), message_id=LATER, references=[REPLY, PARENT])
    assert await submissions(store, *IDS[:3]) == ["000001"] * 3


async def test_two_replies_join_although_their_parent_never_came(store: ItemStore) -> None:
    await store.publish(IDS[1], "claims", machine("reply"), message_id=REPLY, references=[PARENT])
    await store.publish(IDS[2], "claims", machine("later"), message_id=LATER, references=[PARENT])
    assert await submissions(store, IDS[1], IDS[2]) == ["000001"] * 2


async def test_mails_without_a_common_ancestor_are_two_submissions(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine(), message_id=PARENT)
    await store.publish(IDS[1], "claims", machine(), message_id=REPLY)
    await store.publish(IDS[2], "claims", machine())
    assert await submissions(store, *IDS[:3]) == ["000001", "000002", "000003"]


async def test_one_mail_in_two_mailboxes_is_two_items_that_name_each_other(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine(), message_id=PARENT)
    await store.publish(IDS[1], "orders", machine(), message_id=PARENT)
    await store.publish(IDS[2], "orders", machine(), message_id=REPLY, references=[PARENT])
    assert await submissions(store, *IDS[:3]) == ["000001", "000002", "000002"]
    assert await store.copies_elsewhere(IDS[0], PARENT) == [IDS[1]]
    assert await store.copies_elsewhere(IDS[1], PARENT) == [IDS[0]]
    assert await store.copies_elsewhere(IDS[2], REPLY) == []
    assert await store.copies_elsewhere(IDS[2], message_key("<unknown>")) == []


async def test_the_record_of_a_message_id_is_bounded(store: ItemStore, redis: RedisClient) -> None:
    for n in range(40):
        await store.publish(f"wi_{n:026d}", "claims", machine(str(n)), message_id=PARENT, references=[f"r{n}"] * 500)
    assert len(await redis.hget(keys.message_id(PARENT), "items")) < 700


async def test_a_change_of_status_does_not_change_the_assignee_of_the_submission(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine("parent"), message_id=PARENT)
    await store.publish(IDS[1], "claims", machine("reply"), message_id=REPLY, references=[PARENT])
    await store.change(IDS[1], ItemChange(assignee="Ann"), who="Ann")
    await store.change(IDS[0], ItemChange(status="done"), who="Bob")
    await store.publish(IDS[2], "claims", machine("later"), message_id=LATER, references=[REPLY])
    assert (await store.get(IDS[2])).assignee == "Ann"
