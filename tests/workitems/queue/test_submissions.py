"""People take apart and put together what was joined wrongly; later mail follows, and a new reading changes nothing."""

import asyncio

import pytest

from tests.workitems.samples import IDS, everything, machine
from workitems.base import keys
from workitems.base.errors import ConflictError, InvalidChangeError, NotFoundError
from workitems.base.redis import RedisClient
from workitems.intake.identity import message_key
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.queue.submissions import Submissions
from workitems.retention.removal import Removal

FIRST, SECOND, OTHER = (message_key(f"<{name}@x.example>") for name in ("first", "second", "other"))


@pytest.fixture
def submissions(redis: RedisClient, store: ItemStore) -> Submissions:
    return Submissions(redis, store, max_events=1_000)


async def publish(store: ItemStore, n: int, message_id: str, *references: str, subject: str = "A claim") -> Item:
    await store.publish(IDS[n], "claims", machine(subject), message_id=message_id, references=references)
    return await store.get(IDS[n])


async def ids(store: ItemStore, item: Item) -> list[str]:
    return [each.id for each in (await store.list_items(submission=item.submission_id)).items]


async def test_a_split_gives_an_item_a_submission_and_a_reference_of_its_own(
    store: ItemStore, submissions: Submissions
) -> None:
    first = await publish(store, 0, FIRST)
    await publish(store, 1, SECOND, FIRST)
    alone = await submissions.split(IDS[1], who="Ann")
    assert (alone.submission_ref, alone.version) == ("SUB-2026-000002", 2)
    assert alone.submission_id != first.submission_id
    assert (await ids(store, first), await ids(store, alone)) == ([IDS[0]], [IDS[1]])
    [*_, step] = await store.history(IDS[1])
    assert step | {"at": ""} == {
        "at": "", "who": "Ann", "field": "submission", "before": "SUB-2026-000001", "after": "SUB-2026-000002",
    }  # fmt: skip


async def test_the_first_item_of_a_submission_can_be_split_off_too(store: ItemStore, submissions: Submissions) -> None:
    await publish(store, 0, FIRST)
    second = await publish(store, 1, SECOND, FIRST)
    alone = await submissions.split(IDS[0], who="Ann")
    assert (await ids(store, alone), await ids(store, second)) == ([IDS[0]], [IDS[1]])


async def test_later_mail_follows_the_item_that_it_answers(store: ItemStore, submissions: Submissions) -> None:
    first = await publish(store, 0, FIRST)
    await publish(store, 1, SECOND, FIRST)
    alone = await submissions.split(IDS[1], who="Ann")
    assert (await publish(store, 2, OTHER, SECOND, FIRST)).submission_id == alone.submission_id
    assert (await publish(store, 3, message_key("<x@x>"), FIRST)).submission_id == first.submission_id


async def test_a_new_reading_changes_no_submission(store: ItemStore, submissions: Submissions) -> None:
    await publish(store, 0, FIRST)
    await publish(store, 1, SECOND, FIRST)
    alone = await submissions.split(IDS[1], who="Ann")
    again = await publish(store, 1, SECOND, FIRST, subject="Read again")
    assert (again.submission_id, again.machine["subject"]) == (alone.submission_id, "Read again")


async def test_the_only_item_of_a_submission_cannot_be_split_off(store: ItemStore, submissions: Submissions) -> None:
    await publish(store, 0, FIRST)
    with pytest.raises(InvalidChangeError, match="the only item of its submission"):
        await submissions.split(IDS[0], who="Ann")
    with pytest.raises(NotFoundError):
        await submissions.split(IDS[1], who="Ann")


async def test_a_merge_moves_every_item_and_each_can_be_split_off_again(
    store: ItemStore, submissions: Submissions
) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    assert await submissions.merge(two.submission_id, one.submission_id, who="Ann") == 1
    assert await ids(store, one) == [IDS[1], IDS[0]]
    assert await ids(store, two) == []
    assert (await store.get(IDS[1])).submission_ref == one.submission_ref
    assert (await submissions.split(IDS[1], who="Ann")).submission_ref == "SUB-2026-000003"


async def test_mail_that_knows_the_merged_submission_joins_the_other_one(
    store: ItemStore, submissions: Submissions
) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND, OTHER)
    three = await publish(store, 2, message_key("<three@x>"))
    await submissions.merge(two.submission_id, one.submission_id, who="Ann")
    await submissions.merge(one.submission_id, three.submission_id, who="Ann")
    by_answer = await publish(store, 3, message_key("<4@x>"), SECOND)
    by_unknown_mail = await publish(store, 4, message_key("<5@x>"), OTHER)
    by_subject = await publish(store, 5, message_key("<6@x>"), subject=f"Re: {two.submission_ref}")
    assert {item.submission_id for item in (by_answer, by_unknown_mail, by_subject)} == {three.submission_id}


async def test_a_merge_names_what_is_wrong(store: ItemStore, submissions: Submissions) -> None:
    one = await publish(store, 0, FIRST)
    await store.publish(IDS[1], "orders", machine())
    other = await store.get(IDS[1])
    with pytest.raises(InvalidChangeError, match="another submission"):
        await submissions.merge(one.submission_id, one.submission_id, who="Ann")
    with pytest.raises(InvalidChangeError, match="same mailbox"):
        await submissions.merge(one.submission_id, other.submission_id, who="Ann")
    with pytest.raises(NotFoundError):
        await submissions.merge(one.submission_id, "sub_" + "x" * 26, who="Ann")


async def test_nothing_is_left_of_merged_submissions_when_their_items_are_removed(
    store: ItemStore, submissions: Submissions, redis: RedisClient, mailstore: MailStore, redis_url: str
) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    await submissions.merge(two.submission_id, one.submission_id, who="Ann")
    removal = Removal(redis, mailstore, max_events=1_000)
    for item_id in IDS[:2]:
        await removal.remove(item_id, who="Ann", why="erased")
    left = [key.decode().partition(":")[2] for key in everything(redis_url)]
    assert [key for key in left if key.startswith(("submission:", "references", "merged"))] == []


async def test_a_split_keeps_the_list_of_a_submission_whose_record_was_evicted(
    store: ItemStore, submissions: Submissions, redis: RedisClient
) -> None:
    first = await publish(store, 0, FIRST)
    for n in (1, 2):
        await publish(store, n, f"m{n}", FIRST)
    await redis.delete(keys.submission(first.submission_id))
    alone = await submissions.split(IDS[2], who="Ann")
    assert (await ids(store, first), await ids(store, alone)) == ([IDS[1], IDS[0]], [IDS[2]])
    assert await redis.hget(keys.REFERENCES, first.submission_ref) == first.submission_id.encode()
    assert (await publish(store, 3, OTHER, FIRST)).submission_ref == first.submission_ref


async def test_a_submission_whose_list_was_evicted_is_not_empty(
    store: ItemStore, redis: RedisClient, mailstore: MailStore
) -> None:
    one = await publish(store, 0, FIRST)
    await publish(store, 2, SECOND, FIRST)
    await redis.delete(keys.submission_items(one.submission_id))
    removal = Removal(redis, mailstore, max_events=1_000)
    await removal.remove(IDS[2], who="Ann", why="erased")
    assert (await publish(store, 3, message_key("<3@x>"), FIRST)).submission_id == one.submission_id


async def test_a_removal_keeps_the_list_of_a_submission_whose_record_was_evicted(
    store: ItemStore, redis: RedisClient, mailstore: MailStore
) -> None:
    first = await publish(store, 0, FIRST)
    await publish(store, 1, SECOND, FIRST)
    await redis.delete(keys.submission(first.submission_id))
    removal = Removal(redis, mailstore, max_events=1_000)
    await removal.remove(IDS[1], who="Ann", why="erased")
    assert await ids(store, first) == [IDS[0]]
    assert await redis.hget(keys.REFERENCES, first.submission_ref) == first.submission_id.encode()


async def test_a_change_of_the_assignee_completes_a_record_that_was_evicted(
    store: ItemStore, redis: RedisClient
) -> None:
    first = await publish(store, 0, FIRST)
    await redis.delete(keys.submission(first.submission_id))
    await store.change(IDS[0], ItemChange(assignee="Eve"), who="Eve")
    answer = await publish(store, 1, SECOND, FIRST)
    assert (answer.submission_ref, answer.assignee) == (first.submission_ref, "Eve")


async def test_a_merge_into_a_submission_whose_record_was_evicted_completes_it(
    store: ItemStore, submissions: Submissions, redis: RedisClient
) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    await redis.delete(keys.submission(one.submission_id))
    assert await submissions.merge(two.submission_id, one.submission_id, who="Ann") == 1
    assert await ids(store, one) == [IDS[1], IDS[0]]


async def test_a_merge_forgets_items_that_redis_lost(
    store: ItemStore, submissions: Submissions, redis: RedisClient
) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    for n in (2, 3):
        await publish(store, n, f"m{n}", SECOND)
    await redis.delete(keys.item(IDS[1]), keys.item(IDS[3]))
    assert await submissions.merge(two.submission_id, one.submission_id, who="Ann") == 1
    assert (await ids(store, one), await ids(store, two)) == ([IDS[2], IDS[0]], [])
    assert await redis.hget(keys.REFERENCES, two.submission_ref) == one.submission_id.encode()


async def test_of_two_merges_into_each_other_one_is_refused(store: ItemStore, submissions: Submissions) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    await publish(store, 2, "m2", FIRST)
    results = await asyncio.gather(
        submissions.merge(one.submission_id, two.submission_id, who="Ann"),
        submissions.merge(two.submission_id, one.submission_id, who="Bob"),
        return_exceptions=True,
    )
    assert [type(result) for result in results] in ([int, ConflictError], [ConflictError, int])
    assert sorted([len(await ids(store, each)) for each in (one, two)]) == [0, 3]
    three = await publish(store, 3, OTHER)
    left = (await store.get(IDS[0])).submission_id
    assert await submissions.merge(three.submission_id, left, who="Ann") == 1


async def test_a_merge_of_what_is_no_submission_is_refused(store: ItemStore, submissions: Submissions) -> None:
    one, two = await publish(store, 0, FIRST), await publish(store, 1, SECOND)
    with pytest.raises(NotFoundError):
        await submissions.merge("sub_" + "x" * 26, one.submission_id, who="Ann")
    await submissions.merge(two.submission_id, one.submission_id, who="Ann")
    assert await submissions.merge(two.submission_id, one.submission_id, who="Ann") == 0


async def test_a_submission_that_was_merged_into_another_one_is_not_merged_again(
    store: ItemStore, submissions: Submissions
) -> None:
    one, two, three = [await publish(store, n, key) for n, key in enumerate((FIRST, SECOND, OTHER))]
    await submissions.merge(two.submission_id, one.submission_id, who="Ann")
    with pytest.raises(NotFoundError):
        await submissions.merge(two.submission_id, three.submission_id, who="Ann")
    await submissions.merge(one.submission_id, three.submission_id, who="Ann")
    assert await submissions.merge(two.submission_id, three.submission_id, who="Ann") == 0
