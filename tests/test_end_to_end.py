"""The whole way of a mail: Dovecot, the worker, Redis, a server process, and its clients."""

import asyncio
import imaplib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.faults.worker_harness import WorkerHarness, make_mail
from tests.support.program import PROJECT, Program
from tests.support.sse_client import EventStream
from workitems.intake import identity

TOKEN = "a-token-for-the-whole-way"

MESSAGES = sorted((PROJECT / "tests" / "messages").glob("*.eml"))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path).open()
    yield harness
    harness.close()


@pytest.fixture
def server(tmp_path: Path, harness: WorkerHarness) -> Iterator[Program]:
    settings = f"""
data = "{harness.folder}/var"
token = "{TOKEN}"
redis.url = "{harness.redis_server.url}"
stream.heartbeat_seconds = 1
server.test_items = true
"""
    folder = tmp_path / "server"
    folder.mkdir()
    program = Program("server", folder, settings).start().ready()
    yield program
    program.stop()


def append(harness: WorkerHarness, *mails: bytes) -> None:
    """Add mails to the mailbox, as a mail program does."""
    with imaplib.IMAP4("127.0.0.1", harness.dovecot.port, timeout=10) as client:
        client.login(harness.dovecot.user, harness.dovecot.password)
        for mail in mails:
            status, answer = client.append("INBOX", "", imaplib.Time2Internaldate(time.time()), mail)
            assert status == "OK", answer


@pytest.mark.timeout(seconds=240)
async def test_every_odd_mail_becomes_one_item_although_the_worker_is_killed_at_every_step(
    harness: WorkerHarness, server: Program
) -> None:
    assert len(MESSAGES) >= 55, "for this test to mean anything"
    mails = [path.read_bytes() for path in MESSAGES]
    expected = {identity.item_id("desk", mail) for mail in mails}
    await asyncio.to_thread(append, harness, *mails)
    async with EventStream(server.port, TOKEN) as stream:
        await stream.next("connected")
        for failpoint in ("stored:9", "put:9", "reading:9", "read:9", "acknowledge:9", "published:9"):
            harness.start_worker(failpoint=failpoint)
            assert harness.worker is not None
            await asyncio.to_thread(harness.worker.wait, 90)
        harness.start_worker()

        def new_ids() -> list[str]:
            return [m.json["data"]["id"] for m in stream.messages if m.json["event"] == "new_workitem"]

        await stream.until(lambda _: len(set(new_ids())) >= len(expected), within=90)
        await asyncio.to_thread(harness.until_read, expected)
        await stream.next("heartbeat")
    harness.kill_worker()
    assert Counter(new_ids()) == dict.fromkeys(expected, 1)


async def test_a_mail_in_the_mailbox_becomes_a_row_without_a_reload(harness: WorkerHarness, server: Program) -> None:
    harness.start_worker()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        first, second = [await (await browser.new_context()).new_page() for _ in range(2)]
        for page in (first, second):
            await page.goto(f"http://127.0.0.1:{server.port}/login?token={TOKEN}")
            await page.wait_for_selector("#connection[data-state=live]")
            await page.evaluate("window.neverReloaded = true")
        await asyncio.to_thread(append, harness, make_mail(1))
        row = first.locator(".row", has_text="Letter 1")
        await expect(row).to_be_visible(timeout=20_000)
        await row.click()
        await expect(first.locator("article")).to_contain_text("AB-12345")
        await first.click("button[data-status=done]")
        await expect(second.locator(".row", has_text="Letter 1")).to_have_attribute("data-status", "done")

        await second.click("#tab-sse")
        await second.click("text=Send test item")
        log = second.locator("[role=log]")
        await expect(log).to_contain_text("heartbeat")
        await expect(log).to_contain_text("new_workitem")
        for page in (first, second):
            assert await page.evaluate("window.neverReloaded") is True
        await browser.close()
