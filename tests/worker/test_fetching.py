"""Servers that lag, answer with nothing or refuse a mail: none of it stops the mails behind it or makes one vanish."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.desk import letter
from tests.worker.moody import Message, Moody
from worker import fetching
from worker.imap import ImapError, TooLargeError
from worker.imap.mailbox import SMALL
from worker.poller import OWED_TRIES, Poller
from worker.watch import Watch
from workitems import keys
from workitems import mailbox as state
from workitems.identity import item_id
from workitems.intake import Intake
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client


@pytest.fixture
def make_poller(redis: Client, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedImap], Poller]:
    monkeypatch.setattr(fetching, "AGAIN", (0.01, 0.02))
    return lambda server: Poller(Watch("desk", lambda: server.account, start="all"), Mailbox(redis, "desk"), intake)


async def _waiting(redis: Client) -> list[str]:
    return [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]


HEADER = letter(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


async def test_a_mail_that_is_announced_before_it_can_be_fetched_is_waited_for(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    moody = Moody({1: Message(letter(1)), 2: Message(letter(2), later=2), 3: Message(letter(3))})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", letter(n)) for n in (1, 2, 3)]
        await poller.stop(1)


@pytest.mark.parametrize("body", [b"", None])
async def test_a_mail_without_its_body_comes_by_its_headers_first_and_whole_later(
    body: bytes | None, make_poller: Callable[..., Poller], redis: Client, mailstore: MailStore
) -> None:
    moody = Moody({1: Message(letter(1)), 2: Message(body, HEADER, size=300), 3: Message(letter(3))})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", letter(n)) for n in (1, 2, 3)]
        assert await Mailbox(redis, "desk").owed() == {2: 0}
        moody.messages[2] = Message(letter(2))
        await poller.poll_once()
        versions = await mailstore.get(item_id("desk", letter(2)))
        assert {stored.raw for stored in versions} == {HEADER, letter(2)}
        assert await Mailbox(redis, "desk").owed() == {}
        await poller.stop(1)


async def test_a_mail_that_the_server_refuses_does_not_stop_the_others_and_is_not_forgotten(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    moody = Moody({n: Message(letter(n)) for n in (1, 2, 3)}, refuses={2})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", letter(n)) for n in (1, 3)]
        assert await Mailbox(redis, "desk").owed() == {2: 0}
        moody.refuses.clear()
        await poller.poll_once()
        assert (await _waiting(redis))[-1] == item_id("desk", letter(2))
        await poller.stop(1)


async def test_a_mail_that_never_comes_is_given_up_in_the_end_and_counted(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    moody = Moody({1: Message(None, size=10), 2: Message(letter(2))})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        for _ in range(OWED_TRIES + 1):
            await poller.poll_once()
        assert await Mailbox(redis, "desk").owed() == {}
        assert await redis.hget(keys.mailbox("desk"), "given_up") == b"1"
        await poller.stop(1)


async def test_mail_that_vanishes_in_between_is_passed(make_poller: Callable[..., Poller], redis: Client) -> None:
    moody = Moody({1: Message(letter(1)), 2: Message(letter(2), later=99), 3: Message(letter(3))})

    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await Mailbox(redis, "desk").owed() == {2: 0}
        del moody.messages[2]
        await poller.poll_once()
        assert await Mailbox(redis, "desk").owed() == {}
        assert await _waiting(redis) == [item_id("desk", letter(n)) for n in (1, 3)]
        await poller.stop(1)


async def test_a_mail_that_is_owed_is_remembered_before_the_checkpoint_passes_it(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    class Dropping(Moody):
        """Hangs up when it is asked for the bytes of message 60, in the second batch."""

        async def serve(self, talk: Talk) -> None:
            await super().serve(talk)
            talk.hang_up()

        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            if "BODY" in command and 60 in uids:
                raise ConnectionResetError
            return super()._fetch(command, uids)

    moody = Dropping({1: Message(None, size=10)} | {n: Message(letter(n)) for n in range(2, 61)})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        with pytest.raises(ImapError):
            await poller.poll_once()
        assert int(await redis.hget(keys.mailbox("desk"), "uid")) > 1
        assert await Mailbox(redis, "desk").owed() == {1: 0}
        await poller.stop(1)


async def test_a_server_that_gives_nothing_at_all_is_ill_and_no_mail_is_passed(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    moody = Moody({n: Message(None, size=10) for n in range(1, state.MOST_OWED + 50)})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        with pytest.raises(ImapError, match="does not give it"):
            await poller.poll_once()
        assert int(await redis.hget(keys.mailbox("desk"), "uid")) == 0
        await poller.stop(1)


async def test_a_mail_that_is_far_longer_than_announced_is_taken_by_its_headers(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    long = letter(2, text="x" * 300_000)
    moody = Moody({1: Message(letter(1)), 2: Message(long, HEADER, size=100), 3: Message(letter(3))})
    async with ScriptedImap(moody.serve) as server, ScriptedImap(moody.serve) as again:
        poller = make_poller(server)
        watching = asyncio.create_task(poller.run())
        async with asyncio.timeout(10):
            while not poller._oversized:
                await asyncio.sleep(0.01)
        object.__setattr__(poller._watch, "account", lambda: again.account)  # a scripted server talks once
        async with asyncio.timeout(10):
            while len(await _waiting(redis)) < 3:
                await asyncio.sleep(0.01)
        assert await _waiting(redis) == [item_id("desk", raw) for raw in (letter(1), long, letter(3))]
        await poller.stop(1)
        assert watching.done()


# --- a mail that comes alone ----------------------------------------------------------------------------------------


async def test_a_small_mail_that_comes_alone_is_had_in_one_question(
    make_poller: Callable[..., Poller], redis: Client, mailstore: MailStore
) -> None:
    moody = Moody({1: Message(letter(1))})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        (stored,) = await mailstore.get(item_id("desk", letter(1)))
        assert (stored.raw, stored.sidecar.arrived) == (letter(1), "2026-03-02T10:00:00Z")
        assert len(moody.fetches) == 1
        await poller.stop(1)


LONG = letter(1, text="x" * 200_000)


JUST_TOO_LONG = letter(1, text="x" * (SMALL - len(letter(1, text=""))))


@pytest.mark.parametrize(("body", "size"), [(LONG, 0), (b"", 300), (letter(1), 2**40), (JUST_TOO_LONG, 0)])
async def test_what_is_not_a_small_mail_is_taken_as_any_other_would_be(
    body: bytes, size: int, make_poller: Callable[..., Poller]
) -> None:
    one, both = (Moody({n: Message(body, HEADER, size=size) for n in uids}) for uids in ([1], [1, 2]))
    found = []
    for moody, uids in ((one, [1]), (both, [1, 2])):
        async with ScriptedImap(moody.serve) as server:
            poller = make_poller(server)
            session = await poller._open()
            found.append(await anext(aiter(session.fetcher.mails(uids))))
            await poller.stop(1)
    assert found[0] == found[1]
    assert len(one.fetches) > 1


async def test_a_mail_alone_that_is_larger_than_the_mailbox_takes_comes_by_its_headers(
    redis: Client, intake: Intake, mailstore: MailStore
) -> None:
    moody = Moody({1: Message(letter(1), HEADER)})
    async with ScriptedImap(moody.serve) as server:
        poller = Poller(Watch("desk", lambda: server.account, start="all", largest=50), Mailbox(redis, "desk"), intake)
        await poller.poll_once()
        (stored,) = await mailstore.get(item_id("desk", HEADER))
        assert (stored.raw, stored.sidecar.oversized) == (HEADER, True)
        await poller.stop(1)


async def test_a_mail_alone_of_which_the_server_gives_less_than_was_asked_for_comes_whole(
    make_poller: Callable[..., Poller], mailstore: MailStore
) -> None:
    long = letter(1, text="x" * 30_000)
    moody = Moody({1: Message(long)}, most=4096)
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        (stored,) = await mailstore.get(item_id("desk", long))
        assert stored.raw == long
        await poller.stop(1)


async def test_a_server_that_knows_no_partial_fetch_is_asked_in_two_steps_from_then_on_and_gives_the_whole(
    make_poller: Callable[..., Poller], mailstore: MailStore
) -> None:
    moody = Moody({1: Message(LONG, HEADER)}, partial=False)
    async with ScriptedImap(moody.serve, again=True) as server:
        poller = make_poller(server)
        with pytest.raises(TooLargeError):
            await poller.poll_once()
        await poller._drop()
        await poller.poll_once()
        (stored,) = await mailstore.get(item_id("desk", LONG))
        assert (stored.raw, stored.sidecar.oversized) == (LONG, False)
        moody.messages[2] = Message(letter(2))
        await poller.poll_once()
        assert (await mailstore.get(item_id("desk", letter(2))))[0].raw == letter(2)
        assert server.visits == 2, "one broken connection is enough to know"
        await poller.stop(1)


async def test_a_mail_alone_that_the_server_refuses_is_asked_for_in_parts_and_owed(
    make_poller: Callable[..., Poller], redis: Client
) -> None:
    moody = Moody({1: Message(letter(1))}, refuses={1})
    async with ScriptedImap(moody.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await Mailbox(redis, "desk").owed() == {1: 0}
        moody.refuses.clear()
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", letter(1))]
        await poller.stop(1)
