"""Test what the page shows of mailboxes, workers and mail that could not be read, in Chromium with the real server."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from playwright.async_api import Page, expect

from server.context import Context
from server.status.assessment import Observation
from tests.browser.conftest import Open, Post, mail
from tests.browser.test_queue import WATCH, publish
from tests.server.conftest import make_settings
from workitems.base import keys
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.origin import MailOrigin
from workitems.mailboxes.lease import Lease
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter

RAW = mail("Unreadable", "Hello")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    claims = {"host": "imap.example.com", "user": "x", "auth": "google", "client_id": "x", "client_secret": "y"}
    mailboxes = {"claims": claims | {"token_file": "token"}}
    return make_settings(redis_url, tmp_path, stream={"heartbeat_seconds": 0.5}, mailboxes=mailboxes)


async def report(context: Context, **record: Any) -> None:
    """Write what a worker reports of the mailbox, and have the server read it."""
    await HeartbeatWriter(context.redis, "one", 1).write(("claims",))
    await Lease(context.redis, "claims", "one", ttl_seconds=60).acquire()
    await context.redis.hset(keys.mailbox("claims"), mapping=record)
    await context.monitor.check_once()


async def report_well(context: Context) -> None:
    await report(context, state="watching", error="", checked=time())


async def test_an_unhealthy_mailbox_has_a_banner_until_it_is_healthy(open_page: Open, context: Context) -> None:
    await publish(context, 30)
    await report_well(context)
    page = await open_page()
    await expect(page.locator(".row")).to_have_count(30)
    await page.evaluate(WATCH, 2)
    await report(context, state="needs_sign_in", error="the refresh token was revoked", since=time())
    banner = page.locator("#urgent[role=alert] .banner")
    await expect(banner).to_contain_text("claims: needs sign-in since")
    await expect(banner).to_contain_text("An administrator runs: run.py authorize claims")
    late = await open_page(viewport={"width": 320, "height": 640})
    await expect(late.locator("#urgent .banner")).to_be_visible()
    assert await late.evaluate("document.documentElement.scrollWidth") == 320
    await report_well(context)
    await expect(banner).to_have_count(0)
    assert await page.evaluate("watched.drift") < 1


async def test_a_missing_worker_is_shown_once_for_all_mailboxes(open_page: Open, context: Context) -> None:
    await report_well(context)
    await context.redis.delete(keys.WORKERS)
    context.monitor._observation = Observation(time() - 3_600)
    await context.monitor.check_once()
    page = await open_page()
    await expect(page.locator(".banner")).to_have_count(1)
    await expect(page.locator("#urgent .banner")).to_contain_text("No worker is running: new mail is not read.")


async def test_news_can_be_dismissed_for_good_and_progress_is_a_bar(open_page: Open, context: Context) -> None:
    await report_well(context)
    await report(context, rebaselined=time() - 60, todo=8310, taken=1204)
    page = await open_page()
    await expect(page.locator("#notices[role=status] .banner")).to_contain_text(
        "Nothing is lost, and nothing comes twice"
    )
    bar = page.get_by_label("claims: reading old mail: 1,204 of 8,310")
    await expect(bar).to_have_attribute("value", "1204")
    await page.get_by_role("button", name="Dismiss the notice about claims").click()
    await expect(page.locator(".banner")).to_have_count(0)
    await page.reload()
    await expect(bar).to_be_visible()
    await expect(page.locator(".banner")).to_have_count(0)
    await context.redis.hdel(keys.mailbox("claims"), "todo", "taken")
    await context.monitor.check_once()
    await expect(page.locator("progress")).to_have_count(0)


async def unreadable(context: Context) -> str:
    """Put a mail that cannot be read; return its item's id."""
    put = await context.intake.put(RAW, MailOrigin("claims", datetime(2026, 1, 2, tzinfo=UTC), "test", len(RAW)))
    await ConsumerGroup(context.redis).ensure_group()
    (waiting,) = await ConsumerGroup(context.redis).take(context.redis, "reader", count=1, block_seconds=2)
    (version,) = await context.mailstore.kept_sidecars(put.id)
    machine = MACHINE_DEFAULTS | {
        "created_at": "2026-01-02T03:04:05Z",
        "reason": "it took too long",
        "subject": "Unreadable",
    }
    await context.store.publish(put.id, "claims", machine, raws=[version.raw], entry=waiting.entry_id, quarantined=True)
    await context.monitor.check_once()
    return put.id


#: Record what is announced politely: of two sentences that come together, either may remain.
SPOKEN = """() => {
  window.spoken = [];
  const voice = document.querySelector("#polite");
  new MutationObserver(() => window.spoken.push(voice.textContent)).observe(voice, {childList: true});
}"""


async def test_a_mail_that_could_not_be_read_is_listed_with_its_reason_and_read_again(
    open_page: Open, context: Context, post: Post
) -> None:
    await report_well(context)
    page = await open_page()
    await expect(page.locator("#quarantine-link")).to_be_hidden()
    await page.evaluate(SPOKEN)
    item_id = await unreadable(context)
    async with asyncio.timeout(10):
        while "1 mail could not be read" not in await page.evaluate("() => window.spoken"):
            await asyncio.sleep(0.05)
    await page.click("text=1 mail could not be read")
    row = page.locator("#quarantine li")
    await expect(row).to_contain_text("it took too long")
    await expect(row).to_contain_text("SUB-2026-000001")
    await row.get_by_role("button", name="Retry").click()
    await expect(row).to_contain_text("It is being read again.")
    await expect(row.get_by_role("button", name="Retry")).to_be_disabled()
    assert await context.store.is_waiting(item_id)
    await read_well(context, item_id)
    await expect(page.locator("#quarantine .note")).to_have_text("Every mail could be read.")
    await page.keyboard.press("Escape")
    await expect(page.locator("#quarantine")).to_be_hidden()
    await expect(page.locator("#quarantine-link")).to_be_hidden()


async def read_well(context: Context, item_id: str) -> None:
    """Read the waiting mail, as the worker does."""
    (waiting,) = await ConsumerGroup(context.redis).take(context.redis, "reader", count=1, block_seconds=2)
    (version,) = await context.mailstore.kept_sidecars(item_id)
    machine = MACHINE_DEFAULTS | {"created_at": "2026-01-02T03:04:05Z", "subject": "Unreadable"}
    await context.store.publish(item_id, "claims", machine, raws=[version.raw], entry=waiting.entry_id)
    await context.monitor.check_once()


async def test_an_item_of_the_quarantine_opens_and_readers_cannot_retry(open_page: Open, context: Context) -> None:
    await report_well(context)
    await unreadable(context)
    page = await open_page()
    await page.route("**/api/session", _may_only_read)
    await page.reload()
    await page.click("text=1 mail could not be read")
    await expect(page.locator("#quarantine li")).to_have_count(1)
    await expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    await page.click("#quarantine li >> text=SUB-2026-000001")
    await expect(page.locator("#detail h2")).to_have_text("Unreadable")


async def _may_only_read(route: Any) -> None:
    answer = await route.fetch()
    await route.fulfill(response=answer, json=await answer.json() | {"scopes": ["read"]})


async def test_a_removed_item_leaves_the_list_and_the_open_pane(open_page: Open, context: Context) -> None:
    ids = await publish(context, 3)
    page = await open_page()
    await page.click(".row >> nth=1")
    await expect(page.locator("#detail h2")).to_have_text("Mail 1")
    await remove(context, page, ids[1])
    await expect(page.locator("#detail")).to_have_text("This item was removed.Back to the list")
    await expect(page.locator(".row")).to_have_count(2)
    await expect(page.locator("#foot")).to_contain_text("2 shown")
    await page.click("text=Back to the list")
    await expect(page.locator("#detail")).to_contain_text("Choose a work item")


async def remove(context: Context, page: Page, item_id: str) -> None:
    assert await context.removal.remove(item_id, who="ana", why="asked for")
    await expect(page.locator("#polite")).to_have_text("This item was removed.")


async def test_an_offline_browser_is_reported_at_once(open_page: Open, context: Context) -> None:
    page = await open_page()
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    await page.context.set_offline(False)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
