"""What is known of a mailbox: the checkpoint only rises, and only within the numbering that it was made for."""

from datetime import date

from workitems.mailbox import FAILING, WATCHING, Checkpoint, Mailbox
from workitems.redis import Client


async def test_a_mailbox_that_was_never_seen_has_no_checkpoint(redis: Client) -> None:
    assert await Mailbox(redis, "claims").checkpoint() is None
    assert not await Mailbox(redis, "claims").advance(7, 1)
    assert await Mailbox(redis, "claims").checkpoint() is None


async def test_a_checkpoint_is_read_as_it_was_begun(redis: Client) -> None:
    for checkpoint in (Checkpoint(7, 12), Checkpoint(2**32 - 1, 0, date(2026, 3, 1), 99)):
        await Mailbox(redis, "claims").begin(checkpoint)
        assert await Mailbox(redis, "claims").checkpoint() == checkpoint
    assert await Mailbox(redis, "orders").checkpoint() is None


async def test_a_checkpoint_never_goes_back_and_knows_its_numbering(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.begin(Checkpoint(7, 12))
    assert [await mailbox.advance(7, 15), await mailbox.advance(7, 13), await mailbox.advance(8, 99)] == [
        True,
        True,
        False,
    ]
    assert await mailbox.checkpoint() == Checkpoint(7, 15)
    await mailbox.advance(7, 2**32 - 1)
    assert await mailbox.checkpoint() == Checkpoint(7, 2**32 - 1)


async def test_what_is_owed_is_forgotten_with_its_numbering(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.begin(Checkpoint(7, 12))
    assert await mailbox.owed() == {}
    await mailbox.owe({3: 1, 9: 2}, given_up=1)
    assert await mailbox.owed() == {3: 1, 9: 2}
    await mailbox.begin(Checkpoint(8, 0))
    assert await mailbox.owed() == {}


async def test_how_it_does_is_told_in_bounds_and_a_failure_is_no_round_trip(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.tell(FAILING, "x" * 10_000)
    known = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    assert (known[b"state"], len(known[b"error"]), b"checked" in known) == (b"failing", 300, False)
    await mailbox.tell(WATCHING)
    known = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    assert (known[b"state"], known[b"error"]) == (b"watching", b"")
    assert float(known[b"checked"]) > 1_700_000_000
