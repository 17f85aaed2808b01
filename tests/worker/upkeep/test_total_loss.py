"""Redis loses all data while a worker is down: no mail that came meanwhile is skipped, and none becomes two items."""

from collections.abc import Callable

from tests.worker.polled_mailbox import PolledMailbox, make_mail
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState

MakeMailbox = Callable[..., PolledMailbox]


async def test_after_a_total_loss_reading_begins_again_where_the_mailbox_was_first_seen(
    make_mailbox: MakeMailbox, redis: RedisClient, mailstore: MailStore
) -> None:
    def with_durable_state(mailbox: PolledMailbox) -> PolledMailbox:
        durable_state = DurableState(redis, mailstore, max_events=100)
        intake = Intake(redis, mailstore, max_waiting=100, reconcile=durable_state.reconcile)
        folder_record = FolderRecord(redis, "desk", record_start=durable_state.record_start)
        mailbox.poller = type(mailbox.poller)(mailbox.poller._folder, folder_record, intake)
        return mailbox

    mailbox = with_durable_state(make_mailbox(start="now"))
    mailbox.seed(make_mail(1))  # older than the start of reading
    await mailbox.poller.poll_once()
    mailbox.seed(make_mail(2))
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(2))]
    await mailbox.poller.stop(1)

    await redis.flushall()
    mailbox.seed(make_mail(3))
    again = with_durable_state(mailbox)
    await again.poller.poll_once()
    assert await again.waiting() == [item_id("desk", make_mail(n)) for n in (2, 3)]
    assert (await again.record())["baselines"] == "1"
    await again.poller.stop(1)
