"""The size of the mail store is measured little by little."""

import pytest
from prometheus_client import CollectorRegistry

from tests.workitems.samples import IDS, origin
from worker.upkeep.store_size import WORK_SECONDS, StoreSize
from workitems.mailstore.store import MailStore


class Clock:
    """A clock on which each look takes a quarter of the working time."""

    now = 0.0

    def __call__(self) -> float:
        self.now += WORK_SECONDS / 4
        return self.now


def measured(size: StoreSize) -> dict[str, float]:
    return {metric.name: metric.samples[0].value for metric in size.collect()}


async def fill(mailstore: MailStore, item_ids: list[str], octets: int = 1000) -> None:
    for item_id in item_ids:
        raw = b"x" * octets
        await mailstore.store(origin(raw).sidecar(item_id, "f" * 32), raw)


def item_ids(count: int) -> list[str]:
    """Return ids in different folders."""
    return [f"wi_{'abcdefghijklmnopqrstuvwxyz'[n]}{IDS[0][4:]}" for n in range(count)]


async def test_nothing_is_said_before_anything_was_measured(mailstore: MailStore) -> None:
    assert measured(StoreSize(mailstore)) == {}


async def test_an_empty_store_has_no_bytes(mailstore: MailStore) -> None:
    size = StoreSize(mailstore)
    assert not await size.measure_some()
    assert measured(size) == {"tubepost_mail_store_bytes": 0, "tubepost_mail_store_files": 0}


async def test_the_bytes_and_files_of_all_mails_are_counted(mailstore: MailStore) -> None:
    await fill(mailstore, item_ids(3))
    await mailstore.store_reading(item_ids(1)[0], {}, [b"y" * 500])
    size = StoreSize(mailstore, clock=lambda: 0.0)
    assert not await size.measure_some()
    files = [path for path in mailstore.folder.rglob("*") if path.is_file()]
    assert measured(size) == {
        "tubepost_mail_store_bytes": sum(path.stat().st_size for path in files),
        "tubepost_mail_store_files": len(files),
    }
    assert CollectorRegistry().register(size) is None


async def test_a_step_has_a_bound_and_what_was_measured_stands_for_the_rest(mailstore: MailStore) -> None:
    await fill(mailstore, item_ids(20))
    size = StoreSize(mailstore, clock=Clock())
    assert await size.measure_some()
    assert len(size._sizes) == 4
    assert measured(size)["tubepost_mail_store_files"] == 40
    while await size.measure_some():
        assert measured(size)["tubepost_mail_store_files"] == 40


async def test_removed_mail_is_gone_from_the_size_after_the_next_pass(mailstore: MailStore) -> None:
    await fill(mailstore, item_ids(2))
    size = StoreSize(mailstore, clock=lambda: 0.0)
    await size.measure_some()
    for item_id in item_ids(2):
        await mailstore.remove(item_id)
    await size.measure_some()
    assert measured(size)["tubepost_mail_store_bytes"] == 0


@pytest.mark.parametrize("name", ["incoming", ".tubepost"])
async def test_other_folders_do_not_count(mailstore: MailStore, name: str) -> None:
    folder = mailstore.folder / name / "x"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x")
    size = StoreSize(mailstore)
    await size.measure_some()
    assert measured(size)["tubepost_mail_store_bytes"] == 0
