"""Servers that lag, give nothing or refuse a mail: the mails behind it come, and none is lost."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.worker.faulty_mailbox import FaultyMailbox, Message
from tests.worker.polled_mailbox import make_mail
from worker.imap import ImapError, LiteralTooLargeError
from worker.imap.connection import SMALL_MAIL_BYTES
from worker.mailboxes import fetcher
from worker.mailboxes.folder_intake import MAX_UNFETCHED_ATTEMPTS
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.identity import item_id
from workitems.intake.put import Intake
from workitems.mailboxes import checkpoint as state
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailstore.store import MailStore


@pytest.fixture
def make_poller(
    redis: RedisClient, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> Callable[[ScriptedImap], Poller]:
    monkeypatch.setattr(fetcher, "RETRY_DELAYS", (0.01, 0.02))
    return lambda server: Poller(
        WatchedFolder("desk", lambda: server.account, start="all"), FolderRecord(redis, "desk"), intake
    )


async def _waiting(redis: RedisClient) -> list[str]:
    return [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]


HEADER = make_mail(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


async def test_a_mail_that_is_announced_before_it_can_be_fetched_is_waited_for(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1)), 2: Message(make_mail(2), later=2), 3: Message(make_mail(3))})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", make_mail(n)) for n in (1, 2, 3)]
        await poller.stop(1)


@pytest.mark.parametrize("body", [b"", None])
async def test_a_mail_without_its_body_comes_by_its_headers_first_and_whole_later(
    body: bytes | None, make_poller: Callable[..., Poller], redis: RedisClient, mailstore: MailStore
) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1)), 2: Message(body, HEADER, size=300), 3: Message(make_mail(3))})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", make_mail(n)) for n in (1, 2, 3)]
        assert await FolderRecord(redis, "desk").unfetched_uids() == {2: 0}
        faulty.messages[2] = Message(make_mail(2))
        await poller.poll_once()
        versions = await mailstore.get_raw_mails(item_id("desk", make_mail(2)))
        assert {stored.raw for stored in versions} == {HEADER, make_mail(2)}
        assert await FolderRecord(redis, "desk").unfetched_uids() == {}
        await poller.stop(1)


async def test_a_mail_that_the_server_refuses_does_not_stop_the_others_and_is_not_forgotten(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    faulty = FaultyMailbox({n: Message(make_mail(n)) for n in (1, 2, 3)}, refuses={2})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", make_mail(n)) for n in (1, 3)]
        assert await FolderRecord(redis, "desk").unfetched_uids() == {2: 0}
        faulty.refuses.clear()
        await poller.poll_once()
        assert (await _waiting(redis))[-1] == item_id("desk", make_mail(2))
        await poller.stop(1)


async def test_a_mail_that_never_comes_is_given_up_in_the_end_and_counted(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    faulty = FaultyMailbox({1: Message(None, size=10), 2: Message(make_mail(2))})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        for _ in range(MAX_UNFETCHED_ATTEMPTS + 1):
            await poller.poll_once()
        assert await FolderRecord(redis, "desk").unfetched_uids() == {}
        assert await redis.hget(keys.mailbox("desk"), "given_up") == b"1"
        await poller.stop(1)


async def test_mail_that_vanishes_in_between_is_passed(make_poller: Callable[..., Poller], redis: RedisClient) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1)), 2: Message(make_mail(2), later=99), 3: Message(make_mail(3))})

    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await FolderRecord(redis, "desk").unfetched_uids() == {2: 0}
        del faulty.messages[2]
        await poller.poll_once()
        assert await FolderRecord(redis, "desk").unfetched_uids() == {}
        assert await _waiting(redis) == [item_id("desk", make_mail(n)) for n in (1, 3)]
        await poller.stop(1)


async def test_an_unfetched_uid_is_recorded_before_the_checkpoint_passes_it(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    class Dropping(FaultyMailbox):
        """Closes the connection at the FETCH of message 60, in the second batch."""

        async def serve(self, talk: Talk) -> None:
            await super().serve(talk)
            talk.hang_up()

        def _fetch(self, command: str, uids: set[int]) -> tuple[list[bytes], str]:
            if "BODY" in command and 60 in uids:
                raise ConnectionResetError
            return super()._fetch(command, uids)

    faulty = Dropping({1: Message(None, size=10)} | {n: Message(make_mail(n)) for n in range(2, 61)})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        with pytest.raises(ImapError):
            await poller.poll_once()
        assert int(await redis.hget(keys.mailbox("desk"), "uid")) > 1
        assert await FolderRecord(redis, "desk").unfetched_uids() == {1: 0}
        await poller.stop(1)


async def test_a_server_that_gives_nothing_at_all_is_ill_and_no_mail_is_passed(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    faulty = FaultyMailbox({n: Message(None, size=10) for n in range(1, state.MAX_UNFETCHED_UIDS + 50)})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        with pytest.raises(ImapError, match="does not give it"):
            await poller.poll_once()
        assert int(await redis.hget(keys.mailbox("desk"), "uid")) == 0
        await poller.stop(1)


async def test_a_mail_that_is_far_longer_than_announced_is_taken_by_its_headers(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    long = make_mail(2, text="x" * 300_000)
    faulty = FaultyMailbox({1: Message(make_mail(1)), 2: Message(long, HEADER, size=100), 3: Message(make_mail(3))})
    async with ScriptedImap(faulty.serve) as server, ScriptedImap(faulty.serve) as again:
        poller = make_poller(server)
        watching = asyncio.create_task(poller.run())
        async with asyncio.timeout(10):
            while not poller._oversized:
                await asyncio.sleep(0.01)
        object.__setattr__(poller._folder, "get_account", lambda: again.account)  # a scripted server talks once
        async with asyncio.timeout(10):
            while len(await _waiting(redis)) < 3:
                await asyncio.sleep(0.01)
        assert await _waiting(redis) == [item_id("desk", raw) for raw in (make_mail(1), long, make_mail(3))]
        await poller.stop(1)
        assert watching.done()


# --- a mail that comes alone ----------------------------------------------------------------------------------------


async def test_a_small_mail_that_comes_alone_is_fetched_with_one_command(
    make_poller: Callable[..., Poller], redis: RedisClient, mailstore: MailStore
) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1))})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        (stored,) = await mailstore.get_raw_mails(item_id("desk", make_mail(1)))
        assert (stored.raw, stored.sidecar.arrived) == (make_mail(1), "2026-03-02T10:00:00Z")
        assert len(faulty.fetches) == 1
        await poller.stop(1)


LONG = make_mail(1, text="x" * 200_000)


JUST_TOO_LONG = make_mail(1, text="x" * (SMALL_MAIL_BYTES - len(make_mail(1, text=""))))


@pytest.mark.parametrize(("body", "size"), [(LONG, 0), (b"", 300), (make_mail(1), 2**40), (JUST_TOO_LONG, 0)])
async def test_what_is_not_a_small_mail_is_taken_as_any_other_would_be(
    body: bytes, size: int, make_poller: Callable[..., Poller]
) -> None:
    one, both = (FaultyMailbox({n: Message(body, HEADER, size=size) for n in uids}) for uids in ([1], [1, 2]))
    found = []
    for faulty, uids in ((one, [1]), (both, [1, 2])):
        async with ScriptedImap(faulty.serve) as server:
            poller = make_poller(server)
            session = await poller._open()
            found.append(await anext(aiter(session.fetcher.fetch_mails(uids))))
            await poller.stop(1)
    assert found[0] == found[1]
    assert len(one.fetches) > 1


async def test_a_mail_alone_that_is_larger_than_the_mailbox_takes_comes_by_its_headers(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1), HEADER)})
    async with ScriptedImap(faulty.serve) as server:
        poller = Poller(
            WatchedFolder("desk", lambda: server.account, start="all", max_bytes=50),
            FolderRecord(redis, "desk"),
            intake,
        )
        await poller.poll_once()
        (stored,) = await mailstore.get_raw_mails(item_id("desk", HEADER))
        assert (stored.raw, stored.sidecar.oversized) == (HEADER, True)
        await poller.stop(1)


async def test_a_mail_alone_of_which_the_server_gives_less_than_was_asked_for_comes_whole(
    make_poller: Callable[..., Poller], mailstore: MailStore
) -> None:
    long = make_mail(1, text="x" * 30_000)
    faulty = FaultyMailbox({1: Message(long)}, max_part_bytes=4096)
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        (stored,) = await mailstore.get_raw_mails(item_id("desk", long))
        assert stored.raw == long
        await poller.stop(1)


async def test_a_server_that_knows_no_partial_fetch_is_asked_in_two_steps_from_then_on_and_gives_the_whole(
    make_poller: Callable[..., Poller], mailstore: MailStore
) -> None:
    faulty = FaultyMailbox({1: Message(LONG, HEADER)}, partial=False)
    async with ScriptedImap(faulty.serve, again=True) as server:
        poller = make_poller(server)
        with pytest.raises(LiteralTooLargeError):
            await poller.poll_once()
        await poller._close_session()
        await poller.poll_once()
        (stored,) = await mailstore.get_raw_mails(item_id("desk", LONG))
        assert (stored.raw, stored.sidecar.oversized) == (LONG, False)
        faulty.messages[2] = Message(make_mail(2))
        await poller.poll_once()
        assert (await mailstore.get_raw_mails(item_id("desk", make_mail(2))))[0].raw == make_mail(2)
        assert server.visits == 2, "one broken connection is enough to know"
        await poller.stop(1)


async def test_a_single_mail_that_the_server_refuses_is_fetched_in_parts_and_recorded(
    make_poller: Callable[..., Poller], redis: RedisClient
) -> None:
    faulty = FaultyMailbox({1: Message(make_mail(1))}, refuses={1})
    async with ScriptedImap(faulty.serve) as server:
        poller = make_poller(server)
        await poller.poll_once()
        assert await FolderRecord(redis, "desk").unfetched_uids() == {1: 0}
        faulty.refuses.clear()
        await poller.poll_once()
        assert await _waiting(redis) == [item_id("desk", make_mail(1))]
        await poller.stop(1)
