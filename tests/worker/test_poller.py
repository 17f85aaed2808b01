"""The poller against a real Dovecot: every mail once, in order, and the mailbox as it was."""

import asyncio
import time
from collections.abc import Callable
from datetime import date, datetime

import pytest

from tests.worker.desk import Desk, letter, until
from worker.imap import LoginRefusedError
from workitems import keys
from workitems.identity import item_id
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client

MakeDesk = Callable[..., Desk]


async def test_all_mail_is_put_once_in_the_order_of_its_uids(make_desk: MakeDesk) -> None:
    desk = make_desk()
    mails = [letter(n) for n in range(120)]
    desk.seed(*mails)
    assert await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", raw) for raw in mails]
    assert not await desk.poller.poll_once()
    assert (await desk.record())["uid"] == "120"
    await desk.poller.stop(1)


async def test_what_is_stored_is_byte_for_byte_what_lies_in_the_mailbox(
    make_desk: MakeDesk, mailstore: MailStore
) -> None:
    desk, raw = make_desk(), letter(1, text="Grüße\r\n\r\n.\r\n" + "x" * 5000)
    desk.seed(raw)
    await desk.poller.poll_once()
    (stored,) = await mailstore.get(item_id("desk", raw))
    assert stored.raw == raw
    assert (stored.sidecar.size, stored.sidecar.uid, stored.sidecar.source) == (len(raw), 1, "imap")
    assert abs(time.time() - _seconds(stored.sidecar.arrived)) < 120
    await desk.poller.stop(1)


def _seconds(arrived: str) -> float:
    return datetime.fromisoformat(arrived).timestamp()


async def test_flags_in_the_mailbox_are_the_same_before_and_after(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.seed(letter(1), letter(2))
    desk.seed(letter(3), flags="S")
    desk.seed(letter(4), flags="FRS")
    before = desk.flags()
    await desk.poller.poll_once()
    assert desk.flags() == before
    await desk.poller.stop(1)


async def test_a_mailbox_that_is_read_from_now_on_gives_no_old_mail(make_desk: MakeDesk) -> None:
    desk = make_desk(start="now")
    desk.seed(letter(1), letter(2))
    assert not await desk.poller.poll_once()
    desk.seed(letter(3))
    assert await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", letter(3))]
    await desk.poller.stop(1)


async def test_a_mailbox_that_is_read_from_a_day_on_gives_mail_of_that_day_and_later(make_desk: MakeDesk) -> None:
    desk = make_desk(start=date(2026, 3, 1))
    client = desk.imap()
    for n, day in enumerate(("27-Feb-2026", "01-Mar-2026", "28-Feb-2026", "05-Mar-2026")):
        client.append("INBOX", None, f'"{day} 12:00:00 +0000"', letter(n))
    await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", letter(1)), item_id("desk", letter(3))]
    client.append("INBOX", None, '"01-Jan-2020 12:00:00 +0000"', letter(9))  # moved in by a person
    client.logout()
    await desk.poller.poll_once()
    assert (await desk.waiting())[-1] == item_id("desk", letter(9)), "what comes later counts, whatever its date"
    await desk.poller.stop(1)


async def test_old_mail_alone_moves_the_checkpoint_so_that_it_is_not_listed_for_ever(make_desk: MakeDesk) -> None:
    desk = make_desk(start=date(2099, 1, 1))
    desk.seed(letter(1), letter(2))
    assert not await desk.poller.poll_once()
    assert (await desk.record())["uid"] == "2"
    await desk.poller.stop(1)


async def test_a_mailbox_with_new_numbers_is_looked_at_again_and_doubles_nothing(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.seed(letter(1), letter(2))
    await desk.poller.poll_once()
    await desk.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 1, "uid": 900})
    desk.seed(letter(3))
    await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", letter(n)) for n in (1, 2, 3)]
    record = await desk.record()
    assert (record["uid"], record["baselines"]) == ("3", "2")
    await desk.poller.stop(1)


async def test_a_mailbox_with_new_numbers_still_gives_no_mail_from_before_its_start(make_desk: MakeDesk) -> None:
    desk = make_desk(start="now")
    client = desk.imap()
    client.append("INBOX", None, '"01-Jan-2020 12:00:00 +0000"', letter(1))
    await desk.poller.poll_once()
    await desk.redis.hset(keys.mailbox("desk"), mapping={"uidvalidity": 1, "uid": 900})
    client.append("INBOX", None, None, letter(2))
    client.logout()
    await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", letter(2))]
    await desk.poller.stop(1)


async def test_of_mail_that_is_too_large_the_headers_alone_are_taken(make_desk: MakeDesk, mailstore: MailStore) -> None:
    desk = make_desk(largest=64 * 1024)
    large = letter(1, text="x" * 200_000)
    desk.seed(letter(0), large, letter(2))
    await desk.poller.poll_once()
    assert await desk.waiting() == [item_id("desk", raw) for raw in (letter(0), large, letter(2))]
    (stored,) = await mailstore.get(item_id("desk", large))
    assert stored.sidecar.oversized
    assert stored.sidecar.size == len(large)
    assert stored.raw == large.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    await desk.poller.stop(1)


async def test_a_full_intake_pauses_the_poller_and_loses_nothing(
    make_desk: MakeDesk, redis: Client, mailstore: MailStore
) -> None:
    desk = make_desk(intake=Intake(redis, mailstore, most=3))
    mails = [letter(n) for n in range(5)]
    desk.seed(*mails)
    watching = asyncio.create_task(desk.poller.run())

    async def paused() -> bool:
        return (await desk.record()).get("state") == "paused"

    await until(paused)
    assert await desk.waiting() == [item_id("desk", raw) for raw in mails[:3]]
    for entry, _ in await redis.xrange(keys.INTAKE):
        await redis.xdel(keys.INTAKE, entry)

    async def watched() -> bool:
        return (await desk.record()).get("state") == "watching"

    await until(watched)
    assert await desk.waiting() == [item_id("desk", raw) for raw in mails[3:]]
    await desk.poller.stop(1)
    assert watching.done()


async def test_new_mail_is_put_within_a_blink_while_the_poller_waits(make_desk: MakeDesk) -> None:
    desk = make_desk(poll=60.0)
    watching = asyncio.create_task(desk.poller.run())

    async def idle() -> bool:
        return (await desk.record()).get("state") == "watching"

    await until(idle)
    client = desk.imap()
    for n in range(3):
        client.append("INBOX", None, None, letter(n))

        async def came(count: int = n + 1) -> bool:
            return len(await desk.waiting()) == count

        await until(came, 5.0)
    client.logout()
    await desk.poller.stop(2)
    assert watching.done()


async def test_a_refused_login_is_said_and_tried_again_slowly(make_desk: MakeDesk) -> None:
    desk = make_desk(password="wrong")
    with pytest.raises(LoginRefusedError):
        await desk.poller.poll_once()
    watching = asyncio.create_task(desk.poller.run())

    async def told() -> bool:
        return (await desk.record()).get("state") == "needs_sign_in"

    await until(told)
    assert "wrong" not in (await desk.record())["error"]
    assert not watching.done()
    await desk.poller.stop(1)
    assert watching.done()


async def test_a_lost_connection_is_replaced_and_nothing_is_missed(make_desk: MakeDesk) -> None:
    desk = make_desk()
    watching = asyncio.create_task(desk.poller.run())

    async def idle() -> bool:
        return (await desk.record()).get("state") == "watching"

    await until(idle)
    session = desk.poller._session
    assert session is not None
    await session.connection.close()
    desk.seed(letter(1))

    async def came() -> bool:
        return len(await desk.waiting()) == 1

    await until(came)
    await desk.poller.stop(1)
    assert watching.done()
