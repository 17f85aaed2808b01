"""What is known of a mailbox: the checkpoint only rises, and only within the numbering that it was made for."""

from datetime import date

import pytest

from workitems.errors import LeaseLostError
from workitems.lease import Lease
from workitems.mailbox import FAILING, PAUSED, WATCHING, Checkpoint, Mailbox, Progress
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


async def _record(redis: Client) -> dict[str, str]:
    found = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    return {name.decode(): value.decode() for name, value in found.items()}


async def test_since_when_it_is_in_a_state_is_told_once_and_by_which_worker(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.tell(PAUSED, "the disk is full", worker="one")
    first = await _record(redis)
    await mailbox.tell(PAUSED, "the intake is full", worker="one")
    assert (await _record(redis))["since"] == first["since"]
    await mailbox.tell(WATCHING, worker="two")
    later = await _record(redis)
    assert float(later["since"]) > float(first["since"])
    assert (later["worker"], later["error"]) == ("two", "")


async def test_how_far_old_mail_is_taken_is_told_while_it_is_taken(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.tell(WATCHING, progress=Progress(20, 300))
    await mailbox.importing(Progress(1, 9))
    record = await _record(redis)
    assert [record[name] for name in ("taken", "todo", "import_taken", "import_todo")] == ["20", "300", "1", "9"]
    await mailbox.tell(WATCHING)
    await mailbox.importing(None)
    assert not {"taken", "todo", "import_taken", "import_todo"} & (await _record(redis)).keys()


async def test_only_what_begins_again_is_told_as_such(redis: Client) -> None:
    await Mailbox(redis, "claims").begin(Checkpoint(7, 2))
    assert "rebaselined" not in await _record(redis)
    await Mailbox(redis, "claims").begin(Checkpoint(8, 0))
    record = await _record(redis)
    assert record["baselines"] == "2"
    assert float(record["rebaselined"]) > 1_700_000_000
    await redis.flushall()
    await Mailbox(redis, "claims").begin(Checkpoint(8, 0), again=True)
    assert "rebaselined" in await _record(redis)


async def test_how_a_mailbox_does_is_told_by_its_lease_s_holder_alone(redis: Client) -> None:
    one, two = (Lease(redis, "claims", owner, seconds=30) for owner in ("one", "two"))
    await one.take()
    await Mailbox(redis, "claims", lease=one).tell(WATCHING, worker="one")
    with pytest.raises(LeaseLostError):
        await Mailbox(redis, "claims", lease=two).tell(FAILING, "nothing answers", worker="two")
    assert (await _record(redis))["state"] == "watching"
