"""A mailbox whose mail cannot be stored, since the mail store's disk hangs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.support.hanging_disk import hanging
from tests.worker.polled_mailbox import PolledMailbox, make_mail, until
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes import checkpoint as state
from workitems.mailstore.store import MailStore


async def test_a_mailbox_says_that_the_disk_does_not_answer_and_goes_on_when_it_does(
    make_mailbox: Callable[..., PolledMailbox], redis: RedisClient, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    marker.write_text("this store")
    mailstore = MailStore(tmp_path / "mail", seconds=0.1)
    mailstore.marker.require(marker, "this store")
    mailbox, mails = make_mailbox(intake=Intake(redis, mailstore, max_waiting=1000)), [make_mail(n) for n in range(3)]
    mailbox.seed(*mails)
    with hanging(marker):
        watching = asyncio.create_task(mailbox.poller.run())

        await until(lambda: has_state(mailbox, state.PAUSED))
        assert "its disk does not answer in time" in (await mailbox.record())["error"]
        assert await mailbox.waiting() == []
    mailstore.seconds = 20.0

    async def is_put() -> bool:
        return len(await mailbox.waiting()) >= len(mails)

    await until(is_put)
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails], "each once, in their order"
    await until(lambda: has_state(mailbox, state.WATCHING))
    await mailbox.poller.stop(1)
    await watching
    mailstore.close()


async def has_state(mailbox: PolledMailbox, wanted: str) -> bool:
    return (await mailbox.record()).get("state") == wanted
