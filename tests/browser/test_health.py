"""What people are told of mailboxes, workers and mail that could not be read, in Chromium before the real server."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from playwright.async_api import Page, expect

from server.context import Context
from server.mailboxes import Watching
from tests.browser.conftest import Open, Post, letter
from tests.browser.test_queue import WATCH, publish
from tests.server.conftest import make_settings
from workitems import keys
from workitems.intake import Origin
from workitems.item import MACHINE
from workitems.lease import Lease
from workitems.settings import Settings
from workitems.workers import Report

RAW = letter("Unreadable", "Hello")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    claims = {"host": "imap.example.com", "user": "x", "auth": "google", "client_id": "x", "client_secret": "y"}
    mailboxes = {"claims": claims | {"token_file": "token"}}
    return make_settings(redis_url, tmp_path, stream={"heartbeat": 0.5}, mailboxes=mailboxes)


async def tell(context: Context, **record: Any) -> None:
    """What the worker of the mailbox writes, and that the server sees it."""
    await Report(context.redis, "one", 1).write(("claims",))
    await Lease(context.redis, "claims", "one", seconds=60).take()
    await context.redis.hset(keys.mailbox("claims"), mapping=record)
    await context.monitor.step()


async def well(context: Context) -> None:
    await tell(context, state="watching", error="", checked=time())


async def test_a_mailbox_that_is_not_well_says_so_below_the_list_until_it_is(open_page: Open, context: Context) -> None:
    await publish(context, 30)
    await well(context)
    page = await open_page()
    await expect(page.locator(".row")).to_have_count(30)
    await page.evaluate(WATCH, 2)
    await tell(context, state="needs_sign_in", error="the refresh token was revoked", since=time())
    banner = page.locator("#urgent[role=alert] .banner")
    await expect(banner).to_contain_text("claims: needs sign-in since")
    await expect(banner).to_contain_text("An administrator runs: run.py authorize claims")
    late = await open_page(viewport={"width": 320, "height": 640})
    await expect(late.locator("#urgent .banner")).to_be_visible()
    assert await late.evaluate("document.documentElement.scrollWidth") == 320
    await well(context)
    await expect(banner).to_have_count(0)
    assert await page.evaluate("watched.drift") < 1


async def test_that_no_worker_is_left_is_told_once_for_all_mailboxes(open_page: Open, context: Context) -> None:
    await well(context)
    await context.redis.delete(keys.WORKERS)
    context.monitor._watching = Watching(time() - 3_600)
    await context.monitor.step()
    page = await open_page()
    await expect(page.locator(".banner")).to_have_count(1)
    await expect(page.locator("#urgent .banner")).to_contain_text("No worker is running: new mail is not read.")


async def test_news_of_a_mailbox_are_put_away_for_good_and_progress_is_a_bar(open_page: Open, context: Context) -> None:
    await well(context)
    await tell(context, rebaselined=time() - 60, todo=8310, taken=1204)
    page = await open_page()
    await expect(page.locator("#notices[role=status] .banner")).to_contain_text("nothing is lost or doubled")
    bar = page.get_by_label("claims: reading old mail: 1,204 of 8,310")
    await expect(bar).to_have_attribute("value", "1204")
    await page.get_by_role("button", name="Dismiss the notice about claims").click()
    await expect(page.locator(".banner")).to_have_count(0)
    await page.reload()
    await expect(bar).to_be_visible()
    await expect(page.locator(".banner")).to_have_count(0)
    await context.redis.hdel(keys.mailbox("claims"), "todo", "taken")
    await context.monitor.step()
    await expect(page.locator("progress")).to_have_count(0)


async def unreadable(context: Context) -> str:
    """A mail that came and could not be read as it should."""
    put = await context.intake.put(RAW, Origin("claims", datetime(2026, 1, 2, tzinfo=UTC), "test", len(RAW)))
    await context.intake.open()
    (waiting,) = await context.intake.take(context.redis, "reader", count=1, seconds=2)
    (version,) = await context.mailstore.versions(put.id)
    machine = MACHINE | {"created_at": "2026-01-02T03:04:05Z", "reason": "it took too long", "subject": "Unreadable"}
    await context.store.publish(put.id, "claims", machine, raws=[version.raw], entry=waiting.entry, quarantined=True)
    await context.monitor.step()
    return put.id


#: Keeps what is said politely: of two sentences that come together either may be the last to stand there.
SPOKEN = """() => {
  window.spoken = [];
  const voice = document.querySelector("#polite");
  new MutationObserver(() => window.spoken.push(voice.textContent)).observe(voice, {childList: true});
}"""


async def test_a_mail_that_could_not_be_read_is_listed_with_its_reason_and_read_again(
    open_page: Open, context: Context, post: Post
) -> None:
    await well(context)
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
    """As the worker does with what waits."""
    (waiting,) = await context.intake.take(context.redis, "reader", count=1, seconds=2)
    (version,) = await context.mailstore.versions(item_id)
    machine = MACHINE | {"created_at": "2026-01-02T03:04:05Z", "subject": "Unreadable"}
    await context.store.publish(item_id, "claims", machine, raws=[version.raw], entry=waiting.entry)
    await context.monitor.step()


async def test_an_item_of_the_quarantine_opens_and_who_may_only_read_cannot_retry(
    open_page: Open, context: Context
) -> None:
    await well(context)
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
    await expect(page.locator("#detail h2")).to_have_text("Letter 1")
    await remove(context, page, ids[1])
    await expect(page.locator("#detail")).to_have_text("This item was removed.Back to the list")
    await expect(page.locator(".row")).to_have_count(2)
    await expect(page.locator("#foot")).to_contain_text("2 shown")
    await page.click("text=Back to the list")
    await expect(page.locator("#detail")).to_contain_text("Choose a work item")


async def remove(context: Context, page: Page, item_id: str) -> None:
    assert await context.removal.remove(item_id, who="ana", why="asked for")
    await expect(page.locator("#polite")).to_have_text("This item was removed.")


async def test_an_offline_browser_says_so_at_once(open_page: Open, context: Context) -> None:
    page = await open_page()
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline", timeout=2_000)
    await page.context.set_offline(False)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
