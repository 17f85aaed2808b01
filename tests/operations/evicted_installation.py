"""An installation whose Redis loses keys, and the check that it lost no mail for good."""

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

from tests.faults.worker_harness import WorkerHarness, make_mail
from tests.operations.test_survival import IDS, Installation
from tests.support.feed_entries import feed_entries
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.base.statuses import CLOSED_STATUSES
from workitems.intake.identity import item_id
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState


class EvictedInstallation(Installation):
    """An installation with a thread, people's work, an erased item and one in quarantine, whose Redis loses keys."""

    def __init__(self, harness: WorkerHarness) -> None:
        super().__init__(harness)
        self.expected = {IDS["changed"], IDS["plain"], IDS["poison"]}
        self._numbers = iter(range(100, 1000))

    def seed_more(self, count: int) -> None:
        """Let *count* mails come by IMAP: a mail and its answers."""
        mails = [make_mail(50 + n, headers="In-Reply-To: <50@sender.example>\r\n" if n else "") for n in range(count)]
        self.harness.dovecot.seed(mails)
        self.expected |= {item_id("desk", each) for each in mails}
        self.harness.until_read(self.expected)

    def work_without_worker(self) -> None:
        """Accept two mails and close an item, as a server does, while no worker runs."""

        async def put(redis: RedisClient, mailstore: MailStore) -> None:
            state = DurableState(redis, mailstore, max_events=1000)
            intake = Intake(redis, mailstore, max_waiting=1000, reconcile=state.reconcile)
            for _ in range(2):
                raw = make_mail(next(self._numbers))
                origin = MailOrigin("desk", datetime.now(UTC), "test", len(raw))
                self.expected.add((await intake.put(raw, origin)).id)
            await ItemStore(redis, max_events=1000).change(IDS["plain"], ItemChange(status="done"), who="ben")

        self.do(put)

    def records(self) -> dict[str, Item]:
        """Return the items that are in the list of all, in its order."""

        async def load(redis: RedisClient, _: MailStore) -> dict[str, Item]:
            ids = [each.decode() for each in await redis.zrange(keys.items(), 0, -1)]
            return {each: await ItemStore(redis, max_events=1000).get(each) for each in ids}

        return self.do(load)

    def creations(self) -> Counter[str]:
        """Return how many events say that an item is new, for each item."""
        with self.redis() as client:
            found = [json.loads(event) for _, event, _ in feed_entries(client) if event]
        return Counter(each["data"]["id"] for each in found if each["event"] == "new_workitem")

    def until_repaired(self) -> None:
        with self.redis() as client:
            self.harness.until(lambda: bool(client.exists(keys.REPAIRED)), "all is compared")
            self.harness.until(lambda: client.xlen(keys.INTAKE) == 0 and not client.keys(keys.attempts("*")), "read")

    def check(self, before: dict[str, Item], *, lost: Collection[str] = ()) -> None:
        """Check that nothing is lost, doubled or unlisted, and that the order stays, but for the items *lost*."""
        after = self.records()
        assert set(after) == self.expected
        kept = [each for each in before if each not in lost]
        assert [each for each in after if each in kept] == kept
        assert {each: after[each] for each in kept} == {each: before[each] for each in kept}
        assert len({item.score for item in after.values()}) == len(after)
        references = {(item.submission_id, item.submission_ref) for item in after.values()}
        assert len({each for each, _ in references}) == len({each for _, each in references}) == len(references)
        with self.redis() as client:
            for name in client.keys(keys.items() + "*"):
                _, _, *parts = name.decode().split(":")
                listed = {each.decode() for each in client.zrange(name, 0, -1)}
                assert listed == {each for each, item in after.items() if set(parts) <= {item.mailbox, item.status}}
            for each, item in after.items():
                for index in (keys.items("desk"), keys.items(None, item.status), keys.items("desk", item.status)):
                    assert client.zscore(index, each) == item.score
                assert client.zscore(keys.submission_items(item.submission_id), each) == item.score
                assert (client.zscore(keys.CLOSED, each) is None) == (item.status not in CLOSED_STATUSES)
            assert [each.decode() for each in client.zrange(keys.QUARANTINE, 0, -1)] == [IDS["poison"]]
            assert client.exists(keys.gone(IDS["erased"]))
        assert self.stored() == self.expected
