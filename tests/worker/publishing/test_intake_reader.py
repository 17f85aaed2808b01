"""The reader with real children and a real Redis takes, reads, publishes and acknowledges every mail."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.hanging_disk import hanging
from tests.worker.polled_mailbox import make_mail, until
from tests.worker.publishing.reader_harness import POISON, ReaderHarness
from worker.publishing.publication import HEADERS_ONLY
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.intake.consumer_group import IntakeEntry
from workitems.intake.identity import fingerprint
from workitems.mailstore import durable_files
from workitems.mailstore.sidecar import RawMail
from workitems.mailstore.store import MailStore
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.queue.store import PublishResult


async def test_a_mail_is_read_published_and_acknowledged(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1))
    async with harness.reader():
        machine = await harness.machine(item)
    assert machine["subject"] == "Letter 1"
    assert machine["extracted_fields"]["policy_number"] == "AB-12345"
    assert machine["created_at"] == "2026-03-02T10:00:00Z"
    assert not await harness.redis.exists(keys.attempts(item))
    reading = await harness.mailstore.get_reading(item)
    assert reading["evidence"]["policy_number"]["raw"] == "AB-12345"
    assert set(reading) == {
        "subject", "from_email", "from_name", "reply_to", "to", "cc", "date", "text", "regions", "forwarded", "html",
        "fields", "evidence", "missing", "due_field", "attachments", "kind", "kind_reason", "bounce", "invitation",
        "authentication", "has_one_sender", "flags", "reason", "message_key", "reference_keys", "schema",
    }  # fmt: skip


async def test_a_newer_version_that_another_worker_published_meanwhile_is_not_overwritten(
    harness: ReaderHarness,
) -> None:
    class OvertakenMailStore(MailStore):
        """Another worker reads both versions and publishes between our reading and our publishing."""

        async def get_raw_mails(self, item_id: str) -> list[RawMail]:
            found = await super().get_raw_mails(item_id)
            if len(found) == 1:
                raw = make_mail(1)
                await self.store(replace(found[0].sidecar, raw=fingerprint(raw), size=len(raw)), raw)
                both = [stored.sidecar.raw for stored in await super().get_raw_mails(item_id)]
                published = MACHINE_DEFAULTS | {"subject": "both", "created_at": "2026-03-02T10:00:00Z"}
                await harness.store.publish(item_id, "desk", published, raws=both)
            return found

    item = await harness.put(make_mail(1, text=""))
    harness.mailstore, before = OvertakenMailStore(harness.mailstore.folder), harness.mailstore
    async with harness.reader():

        async def both() -> bool:
            return "variant" in (await harness.machine(item))["flags"]

        await until(both)
    machine, reading = await harness.machine(item), await before.get_reading(item)
    harness.mailstore.close()
    assert machine["extracted_fields"]["policy_number"] == reading["fields"]["policy_number"] == "AB-12345"
    assert len((await harness.redis.hget(keys.item(item), "raws")).split(b",")) == 2


async def test_a_mail_with_other_bytes_is_a_variant_on_the_same_item(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1, text=""))
    async with harness.reader():
        await harness.machine(item)
        assert await harness.put(make_mail(1)) == item
        machine = await harness.machine(item)
    assert "variant" in machine["flags"]
    assert machine["extracted_fields"]["policy_number"] == "AB-12345"
    assert await harness.redis.zcard(keys.items()) == 1
    assert len((await harness.redis.hget(keys.item(item), "raws")).split(b",")) == 2


async def test_reading_the_same_mail_again_gives_no_event(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1))
    async with harness.reader():
        await harness.machine(item)
        await harness.redis.xadd(keys.INTAKE, {"id": item, "mailbox": "desk", "raw": ""})
        await harness.machine(item)
    assert await harness.redis.xlen(keys.FEED) == 1


async def test_a_mail_with_only_headers_becomes_an_item(harness: ReaderHarness) -> None:
    head = make_mail(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    large = await harness.put(head, oversized=True, size=99_000_000)
    other = await harness.put(make_mail(2).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", size=5000)
    async with harness.reader():
        assert "oversized" in (await harness.machine(large))["flags"]
        machine = await harness.machine(other)
    assert machine["flags"] == ["needs_review"]
    assert machine["reason"] == HEADERS_ONLY
    assert machine["subject"] == "Letter 2"


async def test_a_mail_that_the_mail_store_has_lost_becomes_an_item(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1))
    for shard in await harness.mailstore.shards():
        shutil.rmtree(shard)
    async with harness.reader():
        machine = await harness.machine(item)
    assert machine["flags"] == ["needs_review"]
    assert "no longer holds" in machine["reason"]


async def test_mail_that_this_worker_left_or_another_abandoned_is_read(harness: ReaderHarness) -> None:
    left, abandoned = await harness.put(make_mail(1)), await harness.put(make_mail(2))
    await harness.group.ensure_group()
    assert len(await harness.group.take(harness.blocking, "one", count=1, block_seconds=1)) == 1
    assert len(await harness.group.take(harness.blocking, "gone", count=1, block_seconds=1)) == 1
    async with harness.reader(min_idle_seconds=0.2):
        await harness.machine(left)
        await harness.machine(abandoned)


async def test_mail_that_is_being_read_does_not_count_as_abandoned(harness: ReaderHarness) -> None:
    slow = await harness.put(make_mail(1, headers="X-Poison: spin\r\n"))
    async with harness.reader(POISON, read_seconds=1.5, min_idle_seconds=0.4):
        await harness.until_attempted(slow)
        for _ in range(30):
            assert await harness.group.claim_abandoned("other", idle=0.4) == []
            await asyncio.sleep(0.02)
        machine = await harness.machine(slow)
    assert "took longer" in machine["reason"]


async def test_a_first_reading_is_not_counted_and_three_counted_attempts_follow(
    harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await harness.put(make_mail(1, headers="X-Poison: crash\r\n"))
    count, counts = harness.group.set_attempts, list[int]()

    async def counted(entry: IntakeEntry, attempts: int) -> None:
        await count(entry, attempts)
        counts.append(attempts)

    monkeypatch.setattr(harness.group, "set_attempts", counted)
    async with harness.reader(POISON):
        machine = await harness.machine(item)
    assert "needs_review" in machine["flags"]
    assert "SIGABRT" in machine["reason"]
    assert counts == [1, 2, 3]


async def test_a_mail_that_fails_for_an_unknown_reason_is_retried_later_and_delays_no_other(
    harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing, publish, failures = await harness.put(make_mail(1)), harness.store.publish, list[str]()

    async def fail_three_times(item_id: str, *arguments: Any, **named: Any) -> PublishResult:
        if item_id == failing and len(failures) < 3:
            failures.append(item_id)
            raise RuntimeError("an error of the program")
        return await publish(item_id, *arguments, **named)

    monkeypatch.setattr(harness.store, "publish", fail_three_times)
    async with harness.reader(min_idle_seconds=0.4):
        other = await harness.put(make_mail(2))

        async def published() -> bool:
            return bool(await harness.redis.exists(keys.item(other)))

        await until(published)
        machine = await harness.machine(failing)
    assert machine["flags"] == []
    assert len(failures) == 3
    lines = "".join(capsys.readouterr()).splitlines()
    named = [number for number, line in enumerate(lines) if "a mail is read again" in line and failing in line]
    assert any("a step of reading failed" in line for line in lines[named[0] :]), "the log names the mail before"


async def test_an_attempt_that_redis_counted_without_an_answer_counts_once(
    harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await harness.put(make_mail(1))
    await harness.group.ensure_group()
    await harness.group.take(harness.blocking, "one", count=1, block_seconds=1)  # unfinished: the careful lane reads it
    count, counted = harness.group.set_attempts, list[int]()

    async def unanswered(entry: IntakeEntry, attempts: int) -> None:
        await count(entry, attempts)
        counted.append(attempts)
        if len(counted) <= 3:
            raise StoreUnavailableError("Redis cannot serve: TimeoutError")

    monkeypatch.setattr(harness.group, "set_attempts", unanswered)
    async with harness.reader():
        machine = await harness.machine(item)
    assert counted == [1] * 4
    assert machine["flags"] == []


async def test_a_cancelled_attempt_does_not_count(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1, headers="X-Poison: spin\r\n"))
    async with harness.reader(POISON, read_seconds=60.0):
        await harness.until_attempted(item)
    assert int(await harness.redis.hget(keys.attempts(item), "n")) == 0


async def test_a_removed_item_does_not_return(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1))
    await harness.redis.set(keys.gone(item), 1)
    async with harness.reader():

        async def done() -> bool:
            return not await harness.intake.count_waiting()

        await until(done)
    assert not await harness.redis.exists(keys.item(item))


async def test_the_reader_waits_while_the_disk_is_full(harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    item, write, calls = await harness.put(make_mail(1)), durable_files.write_files, iter(range(100))

    def failing(*arguments: Any) -> None:
        if next(calls) < 4:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(durable_files, "write_files", failing)
    async with harness.reader():
        await harness.machine(item)
    assert not await harness.redis.exists(keys.attempts(item))


async def test_the_reader_waits_while_the_disk_hangs(harness: ReaderHarness, tmp_path: Path) -> None:
    item, marker = await harness.put(make_mail(1)), tmp_path / "marker"
    marker.write_text("this store")
    harness.mailstore.marker.require(marker, "this store")
    harness.mailstore.seconds = 0.1
    with capture_logs() as lines:
        async with harness.reader():
            with hanging(marker):

                async def has_waited() -> bool:
                    return any(line["event"] == "reading waits" for line in lines)

                await until(has_waited)
                assert not await harness.redis.exists(keys.item(item))
            harness.mailstore.seconds = 20.0
            machine = await harness.machine(item)
    assert any("its disk does not answer in time" in line.get("reason", "") for line in lines)
    assert machine["flags"] == []
    assert not await harness.redis.exists(keys.attempts(item)), "it is not the mail's fault"


async def test_an_item_removed_while_its_mail_is_read_leaves_nothing_on_the_disk(harness: ReaderHarness) -> None:
    item = await harness.put(make_mail(1))
    await harness.redis.set(keys.gone(item), "{}")

    async def done() -> bool:
        return not await harness.intake.count_waiting() and not await harness.mailstore.stored_sidecars(shard)

    (shard,) = await harness.mailstore.shards()
    async with harness.reader():
        await until(done)
    assert not list(shard.iterdir())
    assert not await harness.redis.exists(keys.item(item))
