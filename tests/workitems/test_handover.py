"""Mail that was just put need not be read from the disk; what is handed over is never less than what lies there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workitems.samples import IDS, mail
from tests.workitems.test_mailstore import sidecar
from workitems.errors import NotFoundError
from workitems.handover import SECONDS, Handover
from workitems.mailstore import MailStore
from workitems.sidecar import Stored


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def stored(item_id: str = IDS[0], body: str = "Hello") -> Stored:
    raw = mail(body=body)
    return Stored(sidecar(raw, item_id), raw)


def test_a_mail_is_given_once() -> None:
    handover = Handover(10_000)
    handover.keep(stored())
    assert handover.take(IDS[1]) is None
    assert handover.take(IDS[0]) == stored()
    assert handover.take(IDS[0]) is None


def test_of_a_mail_with_two_versions_neither_is_given() -> None:
    handover = Handover(10_000)
    handover.keep(stored())
    handover.keep(stored(body="Other"))
    assert handover.take(IDS[0]) is None


def test_what_does_not_fit_is_left_out_and_room_comes_back() -> None:
    size = len(stored().raw)
    handover = Handover(2 * size)
    for item_id in IDS[:3]:
        handover.keep(stored(item_id))
    assert [handover.take(item_id) is not None for item_id in IDS[:3]] == [True, True, False]
    handover.keep(stored(IDS[2]))
    assert handover.take(IDS[2])


def test_what_nobody_took_makes_room_in_time() -> None:
    clock = Clock()
    handover = Handover(len(stored().raw), clock)
    handover.keep(stored())
    clock.now += SECONDS + 1
    handover.keep(stored(IDS[1]))
    assert (handover.take(IDS[0]), handover.take(IDS[1])) == (None, stored(IDS[1]))


@pytest.fixture
def handing(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "handing", handover=1 << 20)
    yield store
    store.close()


async def test_a_mail_that_was_just_put_is_not_read_from_the_disk(handing: MailStore) -> None:
    one = stored()
    await handing.put(one.sidecar, one.raw)
    (await handing.raw(IDS[0])).write_bytes(b"other")
    assert await handing.get(IDS[0]) == [one]
    assert [each.raw for each in await handing.get(IDS[0])] == [b"other"], "only once"


async def test_versions_of_a_mail_are_all_seen_whether_they_are_put_together_or_apart(handing: MailStore) -> None:
    for item_id, apart in ((IDS[0], True), (IDS[1], False)):
        both = [stored(item_id), stored(item_id, "Other")]
        pairs = [(each.sidecar, each.raw) for each in both]
        for group in [[pair] for pair in pairs] if apart else [pairs]:
            await handing.put_all(group)
        assert {each.raw for each in await handing.get(item_id)} == {each.raw for each in both}


async def test_a_mail_that_another_process_put_before_is_read_with_ours(handing: MailStore) -> None:
    other = MailStore(handing.folder)
    for store, one in ((other, stored()), (handing, stored(body="Other"))):
        await store.put(one.sidecar, one.raw)
    other.close()
    assert len(await handing.get(IDS[0])) == 2


async def test_what_was_taken_back_or_removed_is_not_given(handing: MailStore) -> None:
    one, two = stored(), stored(IDS[1])
    for each in (one, two):
        await handing.put(each.sidecar, each.raw)
    await handing.discard(one.sidecar)
    await handing.remove(IDS[1])
    for item_id in IDS[:2]:
        with pytest.raises(NotFoundError):
            await handing.get(item_id)
