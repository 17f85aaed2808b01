"""When all items of conversations are removed, their Message-IDs name nothing more; what stays is found by them."""

from collections.abc import Sequence

import pytest

from tests.workitems.samples import IDS, everything, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import message_key
from workitems.mailstore.store import MailStore
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.queue.submissions import Submissions
from workitems.retention.message_links import clean_links
from workitems.retention.removal import Removal

FIRST, SECOND, UNKNOWN = (message_key(f"<{name}@x.example>") for name in ("first", "second", "unknown"))


class Conversations:
    """Items with readings, as workers store them, and what removes them."""

    def __init__(self, redis: RedisClient, mailstore: MailStore, store: ItemStore) -> None:
        self.redis, self.mailstore, self.store = redis, mailstore, store
        self.submissions = Submissions(redis, store, max_events=1_000)
        self.removal = Removal(redis, mailstore, max_events=1_000)

    async def item(self, n: int, message_id: str, *references: str, subject: str = "A claim") -> Item:
        reading = {"message_key": message_id, "reference_keys": list(references)}
        await self.mailstore.store_reading(IDS[n], reading, [])
        await self.store.publish(IDS[n], "claims", machine(subject), message_id=message_id, references=references)
        return await self.store.get(IDS[n])

    async def remove(self, items: Sequence[str]) -> None:
        for item_id in items:
            await self.removal.remove(item_id, who="ann", why="asked for")
        await self.removal.finish(items)

    async def clean(self) -> int:
        return sum([count async for count in clean_links(self.redis)])


@pytest.fixture
def conversations(redis: RedisClient, mailstore: MailStore, store: ItemStore) -> Conversations:
    return Conversations(redis, mailstore, store)


def links(url: str) -> list[bytes]:
    return [key for key in everything(url) if b"messageid:" in key]


@pytest.mark.parametrize("how", ["answer", "subject", "split", "merge", "no reading"])
@pytest.mark.parametrize("order", [1, -1])
async def test_no_message_id_is_left_when_all_items_are_removed(
    conversations: Conversations, redis_url: str, how: str, order: int
) -> None:
    first = await conversations.item(0, FIRST, UNKNOWN)
    subject = first.submission_ref if how == "subject" else "Another one"
    second = await conversations.item(1, SECOND, *([FIRST] if how in ("answer", "split") else []), subject=subject)
    if how == "split":
        await conversations.submissions.split(IDS[1], who="Ann")
    if how == "merge":
        await conversations.submissions.merge(first.submission_id, second.submission_id, who="Ann")
    if how == "no reading":
        await conversations.mailstore.remove(IDS[0])
    await conversations.remove(IDS[:2][::order])
    await conversations.clean()
    assert links(redis_url) == []
    assert await conversations.clean() == 0


async def test_mail_still_joins_what_is_left_of_a_conversation(conversations: Conversations) -> None:
    first = await conversations.item(0, FIRST)
    await conversations.item(1, SECOND, FIRST, UNKNOWN)
    await conversations.remove(IDS[:1])
    assert await conversations.clean() == 0
    await conversations.item(2, message_key("<2@x>"))
    [two] = {(await conversations.item(n, message_key(f"<{n}@x>"), key)).submission_id
             for n, key in ((3, FIRST), (4, UNKNOWN), (5, SECOND))}  # fmt: skip
    assert two == first.submission_id


async def test_names_of_merged_submissions_stay_as_long_as_the_other_one(conversations: Conversations) -> None:
    first, second = await conversations.item(0, FIRST, UNKNOWN), await conversations.item(1, SECOND)
    await conversations.submissions.merge(first.submission_id, second.submission_id, who="Ann")
    assert await conversations.clean() == 0
    assert (await conversations.item(2, message_key("<2@x>"), UNKNOWN)).submission_id == second.submission_id


async def test_what_was_taken_leaves_the_append_only_file_too(conversations: Conversations) -> None:
    await conversations.item(0, FIRST)
    await conversations.item(1, SECOND, FIRST)
    await conversations.submissions.split(IDS[1], who="Ann")
    await conversations.remove(IDS[:2])
    await conversations.redis.delete(keys.RETENTION)
    assert await conversations.clean() == 1
    assert await conversations.redis.hexists(keys.RETENTION, "removed")
