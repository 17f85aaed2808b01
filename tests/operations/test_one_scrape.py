"""One scrape of a socket that two server processes share has both of them, and the worker."""

import asyncio
import json
import signal
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exposition import Labels, values
from tests.support.host import PATIENCE, Host, Metrics, is_up
from tests.support.redis_server import RedisServer

#: Mails that are posted, and scrapes after them at least.
MAILS, SCRAPES = 12, 20


@pytest.fixture
def host(tmp_path: Path, own_redis: RedisServer) -> Iterator[Host]:
    host = Host(tmp_path, own_redis.url)
    yield host
    host.close()


def counters(found: Metrics) -> dict[tuple[str, Labels], float]:
    """Return every series that never falls: counters, and the counts of histograms."""
    return {
        key: value
        for family in found.values()
        for key, value in family.samples.items()
        if family.kind in ("counter", "histogram")
    }


def total(found: Metrics, sample: str, **labels: str) -> float:
    return sum(value for each, value in values(found, sample).items() if labels.items() <= dict(each).items())


ALL_UP = {"server_00": 1.0, "server_01": 1.0, "worker_00": 1.0}


async def test_whichever_process_answers_every_scrape_has_the_same_counters(host: Host) -> None:
    await host.until_listening()
    await host.scrape_until(lambda found: is_up(found) == ALL_UP)
    for n in range(MAILS):
        raw = f"Message-ID: <{n}@example.com>\nSubject: A claim\n\nText {n}\n".encode()
        assert json.loads(await asyncio.to_thread(host.get, "/api/email/intake?mailbox=desk", raw))["workitem_id"]
    await host.scrape_until(lambda found: total(found, "tubepost_mails_read_total", result="published") == MAILS)
    before: dict[tuple[str, Labels], float] = {}
    scrapes = 0
    async with asyncio.timeout(PATIENCE):
        while scrapes < SCRAPES or not (host.has_answered("server_00") and host.has_answered("server_01")):
            found = await host.scrape_until(lambda found: is_up(found) == ALL_UP)  # on a busy machine one may be late
            scrapes += 1
            assert total(found, "tubepost_uploads_total", outcome="new") == MAILS
            assert total(found, "tubepost_mails_read_total") == MAILS
            assert total(found, "tubepost_reading_seconds_count", process="worker_00") == MAILS
            now = counters(found)
            assert before.keys() <= now.keys()
            assert all(now[key] >= value for key, value in before.items()), "a counter fell"
            before = now
    await host.scrape_until(lambda found: is_up(found) == ALL_UP and total(found, "tubepost_worker_up") == 1)
    found = await host.scrape_until(lambda found: total(found, "tubepost_mail_store_files") >= 2 * MAILS)
    assert set(values(found, "process_cpu_seconds_total")) == {(("process", name),) for name in ALL_UP}
    assert total(found, "tubepost_mail_store_bytes", process="worker_00") > 0
    assert total(found, "tubepost_redis_memory_used_bytes") > 0


async def test_a_process_that_hangs_is_named_and_one_that_was_killed_is_gone(host: Host) -> None:
    await host.until_listening()
    await host.scrape_until(lambda found: is_up(found) == ALL_UP)
    host.programs["server_01"].send(signal.SIGSTOP)
    found = await host.scrape_until(lambda found: is_up(found) == ALL_UP | {"server_01": 0.0})
    assert "server_01" not in _processes(found, "tubepost_streams_open")
    host.programs["server_01"].send(signal.SIGCONT)
    await host.scrape_until(lambda found: is_up(found) == ALL_UP)
    host.programs["worker_00"].kill()
    found = await host.scrape()
    assert set(is_up(found)) == {"server_00", "server_01"}, "at the next scrape"
    assert _processes(found, "tubepost_mails_read_total") == set()
    host.programs["worker_00"].start()
    await host.scrape_until(lambda found: is_up(found) == ALL_UP)


async def test_readiness_says_that_the_worker_is_gone_and_when_it_is_back(host: Host) -> None:
    await asyncio.to_thread(host.programs["server_00"].until_logged, "event=listening")
    await host.until_faulty()
    host.programs["worker_00"].stop()  # it takes its heartbeat away; one that is killed counts as alive for 20 s
    await host.until_faulty("worker")
    assert total(await host.scrape(), "tubepost_worker_up") == 0
    host.programs["worker_00"].start()
    await host.until_faulty()


async def test_every_server_sees_that_the_mail_store_is_not_mounted_and_mail_is_refused(host: Host) -> None:
    await host.until_listening()
    await host.until_faulty()
    raw = b"Message-ID: <1@example.com>\nSubject: A claim\n\nText\n"
    item = json.loads(await asyncio.to_thread(host.get, "/api/email/intake?mailbox=desk", raw))["workitem_id"]
    host.mail.rename(host.mail.with_name("away"))
    host.mail.mkdir()
    await host.scrape_until(lambda found: list(values(found, "tubepost_mail_store_up").values()) == [0.0, 0.0])
    await host.until_faulty("mail_store")
    for path, data in ((f"/api/workitems/{item}/raw", None), ("/api/email/intake?mailbox=desk", b"Subject: x\n\ny")):
        for _ in range(10):
            with pytest.raises(urllib.error.HTTPError, match="503") as refused:
                await asyncio.to_thread(host.get, path, data)
            assert b"its disk is not mounted" in refused.value.read()
    assert list(host.mail.iterdir()) == []
    host.mail.rmdir()
    host.mail.with_name("away").rename(host.mail)
    await host.until_faulty()
    assert await asyncio.to_thread(host.get, f"/api/workitems/{item}/raw") == raw


def _processes(found: Metrics, sample: str) -> set[str]:
    return {dict(labels)["process"] for labels in values(found, sample)}
