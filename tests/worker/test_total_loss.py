"""Redis comes back empty while a worker was down: no mail that came meanwhile is passed, none twice."""

from collections.abc import Callable

from tests.worker.desk import Desk, letter
from workitems.identity import item_id
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client

MakeDesk = Callable[..., Desk]


async def test_a_mailbox_that_is_read_from_now_on_is_read_from_its_first_sight_on_after_a_total_loss(
    make_desk: MakeDesk, redis: Client, mailstore: MailStore
) -> None:
    def process(desk: Desk) -> Desk:
        keepsake = Keepsake(redis, mailstore, history=100)
        intake = Intake(redis, mailstore, most=100, settle=keepsake.settle)
        mailbox = Mailbox(redis, "desk", first_sight=keepsake.first_sight)
        desk.poller = type(desk.poller)(desk.poller._watch, mailbox, intake)
        return desk

    desk = process(make_desk(start="now"))
    desk.seed(letter(1))  # from before our time
    await desk.poller.poll_once()
    desk.seed(letter(2))
    await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", letter(2))]
    await desk.poller.stop(1)

    await redis.flushall()
    desk.seed(letter(3))
    again = process(desk)
    await again.poller.poll_once()
    assert await again.waiting() == [item_id("desk", letter(n)) for n in (2, 3)]
    assert (await again.record())["baselines"] == "1"
    await again.poller.stop(1)
