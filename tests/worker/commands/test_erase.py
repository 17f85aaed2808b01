"""`run.py erase` and `run.py retry`: what they find, remove and print."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import PROJECT
from worker.commands.erase import NOT_COMPARED, erase
from worker.commands.retry import retry
from workitems.base import keys
from workitems.base.errors import InvalidChangeError, MailStoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.queue.participants import Participants
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings

IDS = ["wi_" + letter * 26 for letter in "abcdefgh"]
ANN = "ann@example.com"


class House:
    """Items and mail as workers store them."""

    def __init__(self, redis: RedisClient, url: str, folder: Path) -> None:
        self.redis = redis
        self.settings = Settings.model_validate({"data": folder, "redis": {"url": url}})
        self.mailstore = MailStore(self.settings.mail_folder)
        keepsake = DurableState(redis, self.mailstore, max_events=1000)
        self.store = ItemStore(redis, max_events=1000, reserve=keepsake.reserve_references)
        self.intake = Intake(redis, self.mailstore, max_waiting=100, reconcile=keepsake.reconcile)
        self.said: list[str] = []

    async def item(
        self, n: int, *, quarantined: bool = False, participants: Participants | None = None, **machine: Any
    ) -> None:
        parts = MACHINE_DEFAULTS | {"created_at": "2026-03-01T09:30:00Z", "subject": "A claim"} | machine
        await self.store.publish(IDS[n], "claims", parts, quarantined=quarantined, participants=participants)

    async def put(self, sender: str, n: int = 0) -> str:
        raw = f"Message-ID: <{n}@x>\r\nFrom: {sender}\r\nSubject: A claim\r\n\r\nHello.\r\n".encode()
        return (await self.intake.put(raw, MailOrigin("claims", datetime(2026, 3, 1, tzinfo=UTC), "test", len(raw)))).id

    async def erase(self, *wanted: str, answer: str = "yes", compared: bool = True, **how: Any) -> bool:
        if compared:
            await self.redis.set(keys.REPAIRED, await feed.run_id(self.redis))
        return await erase(
            self.settings, wanted, **{"is_confirmed": False, "say": self.said.append, "ask": lambda _: answer, **how}
        )

    async def there(self) -> list[int]:
        return [n for n, each in enumerate(IDS) if await self.redis.exists(keys.item(each))]


@pytest.fixture
def house(redis: RedisClient, redis_url: str, tmp_path: Path) -> House:
    return House(redis, redis_url, tmp_path)


async def test_all_that_came_from_an_address_goes_also_what_waits_or_could_not_be_read(house: House) -> None:
    await house.item(0, from_email=ANN)
    await house.item(1, from_email="ben@example.com")
    await house.item(2, from_name="Ann <Ann@Example.com>", quarantined=True)
    await house.item(3, from_email="joann@example.com")
    await house.item(4, from_email="ann@example.com.au")
    waiting = await house.put("Ann <ann@example.com>")
    other = await house.put("Ben <ben@example.com>", 1)
    assert await house.erase("Ann@example.com")
    assert await house.there() == [1, 3, 4]
    assert [bool(await house.redis.exists(keys.gone(each))) for each in (waiting, other)] == [True, False]
    assert await house.intake.count_waiting() == 1
    events = await feed.read_events(house.redis, START_CURSOR)
    assert {event.item_id for event in events if event.data and not event.is_removal} == {
        IDS[1], IDS[3], IDS[4],
    }  # fmt: skip
    assert house.said[0] == "3 found."
    assert sum("(not read yet)" in line for line in house.said) == 1
    printed = "\n".join(house.said).lower()
    assert "example.com" not in printed, "what is said holds no address"
    assert "claim" not in printed
    assert "backups" in printed
    assert "append-only file was rewritten" in printed


async def test_items_that_only_mention_the_address_are_listed_and_stay(house: House) -> None:
    await house.item(0, from_email="ben@example.com", to=[ANN])
    await house.item(1, from_email="ben@example.com")
    await house.item(2, from_email="ben@example.com")
    await house.item(3, from_email="ben@example.com")
    await house.store.change(IDS[1], ItemChange(fields={"contact": "Ann@example.com"}), who="ben")
    await house.store.change(IDS[2], ItemChange(fields={"contact": ANN}), who="ben")
    await house.store.change(IDS[2], ItemChange(fields={"contact": "nobody"}), who="ben")  # the history knows
    assert not await house.erase(ANN)
    assert house.said[:2] == [
        "Nothing was found.",
        "3 others name the address, and stay; they can be erased by their ids:",
    ]
    assert await house.there() == [0, 1, 2, 3]
    assert await house.erase(*IDS[:3])
    assert await house.there() == [3]


async def test_items_in_whose_mail_the_address_took_part_are_listed(house: House) -> None:
    await house.item(
        0, from_email="ben@example.com", participants=Participants.of("ben@b.example", [ANN], ours=["d@d"])
    )
    assert not await house.erase(ANN)
    assert house.said[1].startswith("1 others name the address")


async def test_nothing_goes_before_somebody_agrees(house: House) -> None:
    await house.item(0, from_email=ANN)
    for answer in ("", "y", "no"):
        assert not await house.erase(ANN, answer=answer)
    with pytest.raises(InvalidChangeError, match="--yes"):
        await house.erase(ANN, ask=None)
    assert await house.there() == [0]
    assert await house.erase(ANN, is_confirmed=True, ask=None)
    assert await house.there() == []


async def test_what_is_neither_an_address_nor_an_id_is_refused(house: House) -> None:
    for wrong in ("ann", "wi_1", "*", "a@b c"):
        with pytest.raises(InvalidChangeError, match="accepted"):
            await house.erase(wrong)
    assert not await house.erase(IDS[0])


async def test_what_redis_lost_and_the_mail_store_holds_is_erased_by_its_id(house: House) -> None:
    lost = await house.put(ANN)
    await house.redis.delete(keys.INTAKE, keys.attempts(lost))
    assert await house.erase(lost)
    assert await house.redis.exists(keys.gone(lost))
    assert not list(house.settings.mail_folder.rglob("*.eml"))
    assert lost in (house.settings.mail_folder / ".tubepost" / "gone").read_text()


async def test_unknown_targets_are_reported(house: House) -> None:
    await house.item(0, from_email=ANN)
    assert not await house.erase(IDS[0], IDS[1])
    assert f"Not known: {IDS[1]}." in house.said
    assert await house.there() == []
    await house.redis.set(keys.REPAIRED, "the run before")
    await house.item(2, from_email=ANN)
    assert not await house.erase(ANN, compared=False)
    assert NOT_COMPARED in house.said
    assert await house.there() == []


async def test_the_command_does_it(house: House, tmp_path: Path, redis_url: str) -> None:
    await house.item(0, from_email=ANN)
    await house.redis.set(keys.REPAIRED, await feed.run_id(house.redis))
    config = tmp_path / "tubepost.toml"
    config.write_text(f'data = "{tmp_path}"\n[redis]\nurl = "{redis_url}"\n', encoding="utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *words],
            env={"TUBEPOST_CONFIG": str(config)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    refused = run("erase", ANN)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    done = run("erase", "--yes", ANN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Erased: 1" in done.stdout
    assert await house.there() == []
    again = run("retry", IDS[0])
    assert again.returncode == 1
    assert "no such item" in again.stdout


async def test_mail_is_read_again_by_its_id_or_all_that_could_not_be_read(house: House) -> None:
    bad = [await house.put("Ann <ann@example.com>", n) for n in range(3)]
    group = ConsumerGroup(house.redis)
    await group.ensure_group()
    for n, waiting in enumerate(await group.take(house.redis, "reader", count=3, block_seconds=0.01)):
        raws = [version.raw for version in await house.mailstore.kept_sidecars(waiting.item_id)]
        machine = MACHINE_DEFAULTS | {"created_at": "2026-03-01T09:30:00Z", "reason": "odd"}
        await house.store.publish(
            waiting.item_id, "claims", machine, raws=raws, entry=waiting.entry_id, quarantined=n > 0
        )
    assert await retry(house.settings, bad[:1], all_items=False, say=house.said.append)
    assert await house.intake.count_waiting() == 1
    assert await retry(house.settings, [], all_items=True, say=house.said.append)
    assert await house.intake.count_waiting() == 3
    assert house.said == ["1 wait to be read again.", "2 wait to be read again."]
    for wrong in ({"every": True, "items": bad}, {"every": False, "items": []}):
        with pytest.raises(InvalidChangeError):
            await retry(house.settings, wrong["items"], all_items=bool(wrong["every"]), say=house.said.append)  # type: ignore[arg-type]


async def test_mail_on_a_disk_that_is_not_mounted_is_not_said_to_be_unknown(house: House) -> None:
    await house.put("Ann <ann@example.com>")
    await house.item(0, quarantined=True)
    house.settings.mail_folder.rename(house.settings.mail_folder.with_name("away"))
    with pytest.raises(MailStoreUnavailableError, match="mount its disk"):
        await retry(house.settings, [IDS[0]], all_items=False, say=house.said.append)
    assert house.said == ["0 wait to be read again."]


async def test_the_keys_of_a_conversation_go_with_its_last_item(house: House) -> None:
    for n in (0, 1):
        machine = MACHINE_DEFAULTS | {"created_at": "2026-03-01T09:30:00Z", "from_email": ANN}
        await house.store.publish(IDS[n], "claims", machine, message_id=f"m{n}", references=["m0"] * n)
    assert await house.erase(ANN)
    assert not await house.redis.keys(keys.message_id("*"))
