"""The poller with a real Dovecot: every mail once, in order, and the mailbox unchanged."""

import asyncio
import time
from collections.abc import Callable
from datetime import date, datetime

import pytest

from tests.worker.polled_mailbox import PolledMailbox, make_mail, until
from worker.imap import LoginRefusedError
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore

MakeMailbox = Callable[..., PolledMailbox]


async def test_all_mail_is_put_once_in_the_order_of_its_uids(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox()
    mails = [make_mail(n) for n in range(120)]
    mailbox.seed(*mails)
    assert await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails]
    assert not await mailbox.poller.poll_once()
    assert (await mailbox.record())["uid"] == "120"
    await mailbox.poller.stop(1)


async def test_a_stored_mail_is_equal_byte_for_byte_to_that_in_the_mailbox(
    make_mailbox: MakeMailbox, mailstore: MailStore
) -> None:
    mailbox, raw = make_mailbox(), make_mail(1, text="Grüße\r\n\r\n.\r\n" + "x" * 5000)
    mailbox.seed(raw)
    await mailbox.poller.poll_once()
    (stored,) = await mailstore.get_raw_mails(item_id("desk", raw))
    assert stored.raw == raw
    assert (stored.sidecar.size, stored.sidecar.uid, stored.sidecar.source) == (len(raw), 1, "imap")
    assert abs(time.time() - _seconds(stored.sidecar.arrived)) < 120
    await mailbox.poller.stop(1)


def _seconds(arrived: str) -> float:
    return datetime.fromisoformat(arrived).timestamp()


async def test_flags_in_the_mailbox_are_the_same_before_and_after(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1), make_mail(2))
    mailbox.seed(make_mail(3), flags="S")
    mailbox.seed(make_mail(4), flags="FRS")
    before = mailbox.flags()
    await mailbox.poller.poll_once()
    assert mailbox.flags() == before
    await mailbox.poller.stop(1)


async def test_a_mailbox_that_is_read_from_now_on_gives_no_old_mail(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(start="now")
    mailbox.seed(make_mail(1), make_mail(2))
    assert not await mailbox.poller.poll_once()
    mailbox.seed(make_mail(3))
    assert await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(3))]
    await mailbox.poller.stop(1)


async def test_a_mailbox_that_is_read_from_a_day_on_gives_mail_of_that_day_and_later(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(start=date(2026, 3, 1))
    client = mailbox.imap()
    for n, day in enumerate(("27-Feb-2026", "01-Mar-2026", "28-Feb-2026", "05-Mar-2026")):
        client.append("INBOX", None, f'"{day} 12:00:00 +0000"', make_mail(n))
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(1)), item_id("desk", make_mail(3))]
    client.append("INBOX", None, '"01-Jan-2020 12:00:00 +0000"', make_mail(9))  # moved in by a person
    client.logout()
    await mailbox.poller.poll_once()
    assert (await mailbox.waiting())[-1] == item_id("desk", make_mail(9)), "what comes later counts, whatever its date"
    await mailbox.poller.stop(1)


async def test_old_mail_alone_moves_the_checkpoint_so_that_it_is_not_listed_for_ever(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(start=date(2099, 1, 1))
    mailbox.seed(make_mail(1), make_mail(2))
    assert not await mailbox.poller.poll_once()
    assert (await mailbox.record())["uid"] == "2"
    await mailbox.poller.stop(1)


async def test_a_mailbox_with_new_numbers_is_looked_at_again_and_doubles_nothing(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox()
    mailbox.seed(make_mail(1), make_mail(2))
    await mailbox.poller.poll_once()
    await mailbox.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 1, "uid": 900})
    mailbox.seed(make_mail(3))
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(n)) for n in (1, 2, 3)]
    record = await mailbox.record()
    assert (record["uid"], record["baselines"]) == ("3", "2")
    await mailbox.poller.stop(1)


async def test_a_mailbox_with_new_numbers_still_gives_no_mail_from_before_its_start(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(start="now")
    client = mailbox.imap()
    client.append("INBOX", None, '"01-Jan-2020 12:00:00 +0000"', make_mail(1))
    await mailbox.poller.poll_once()
    await mailbox.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 1, "uid": 900})
    client.append("INBOX", None, None, make_mail(2))
    client.logout()
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", make_mail(2))]
    await mailbox.poller.stop(1)


async def test_of_mail_that_is_too_large_the_headers_alone_are_taken(
    make_mailbox: MakeMailbox, mailstore: MailStore
) -> None:
    mailbox = make_mailbox(max_bytes=64 * 1024)
    large = make_mail(1, text="x" * 200_000)
    mailbox.seed(make_mail(0), large, make_mail(2))
    await mailbox.poller.poll_once()
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in (make_mail(0), large, make_mail(2))]
    (stored,) = await mailstore.get_raw_mails(item_id("desk", large))
    assert stored.sidecar.oversized
    assert stored.sidecar.size == len(large)
    assert stored.raw == large.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    await mailbox.poller.stop(1)


async def test_a_full_intake_pauses_the_poller_and_loses_nothing(
    make_mailbox: MakeMailbox, redis: RedisClient, mailstore: MailStore
) -> None:
    mailbox = make_mailbox(intake=Intake(redis, mailstore, max_waiting=3))
    mails = [make_mail(n) for n in range(5)]
    mailbox.seed(*mails)
    watching = asyncio.create_task(mailbox.poller.run())

    async def paused() -> bool:
        return (await mailbox.record()).get("state") == "paused"

    await until(paused)
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails[:3]]
    for entry, _ in await redis.xrange(keys.INTAKE):
        await redis.xdel(keys.INTAKE, entry)

    async def watched() -> bool:
        return (await mailbox.record()).get("state") == "watching"

    await until(watched)
    assert await mailbox.waiting() == [item_id("desk", raw) for raw in mails[3:]]
    await mailbox.poller.stop(1)
    assert watching.done()


async def test_new_mail_is_put_at_once_while_the_poller_waits(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(poll_seconds=60.0)
    watching = asyncio.create_task(mailbox.poller.run())

    async def idle() -> bool:
        return (await mailbox.record()).get("state") == "watching"

    await until(idle)
    client = mailbox.imap()
    for n in range(3):
        client.append("INBOX", None, None, make_mail(n))

        async def came(count: int = n + 1) -> bool:
            return len(await mailbox.waiting()) == count

        await until(came)
    client.logout()
    await mailbox.poller.stop(2)
    assert watching.done()


async def test_a_refused_login_is_reported_and_retried_slowly(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox(password="wrong")
    with pytest.raises(LoginRefusedError):
        await mailbox.poller.poll_once()
    watching = asyncio.create_task(mailbox.poller.run())

    async def told() -> bool:
        return (await mailbox.record()).get("state") == "needs_sign_in"

    await until(told)
    assert "wrong" not in (await mailbox.record())["error"]
    assert not watching.done()
    await mailbox.poller.stop(1)
    assert watching.done()


async def test_a_lost_connection_is_replaced_and_nothing_is_missed(make_mailbox: MakeMailbox) -> None:
    mailbox = make_mailbox()
    watching = asyncio.create_task(mailbox.poller.run())

    async def idle() -> bool:
        return (await mailbox.record()).get("state") == "watching"

    await until(idle)
    session = mailbox.poller._session
    assert session is not None
    await session.connection.close()
    mailbox.seed(make_mail(1))

    async def came() -> bool:
        return len(await mailbox.waiting()) == 1

    await until(came)
    await mailbox.poller.stop(1)
    assert watching.done()
