"""Several tabs of one browser share one stream, in Chromium with the real server."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from server.context import Context
from tests.browser.conftest import Open
from tests.browser.test_queue import publish
from tests.server.conftest import TOKEN, make_settings
from workitems.settings import Settings

#: Seconds within which a lost leader must be replaced. It takes about 10; only a test that fails waits longer.
REPLACED = 60.0

#: Another site, and secure, so that it has locks.
STRANGER = "http://stranger.localhost"

Tabs = Callable[[int], Awaitable[list[Page]]]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, server={"allowed_origins": [STRANGER]}, stream={"heartbeat_seconds": 0.5})


@pytest.fixture
def open_tabs(open_page: Open, faults: list[str]) -> Tabs:
    """Return `open_tabs`: it opens tabs of one browser with the stream's log in view; the first one leads."""

    async def opened(count: int) -> list[Page]:
        tabs = [await open_page("/?tab=sse")]
        while len(tabs) < count:
            tabs.append(tab := await tabs[0].context.new_page())
            tab.on("pageerror", lambda error: faults.append(str(error)))
            await tab.goto("/?tab=sse")
            await tab.wait_for_selector("#connection[data-state=live]")
        return tabs

    return opened


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    deadline = monotonic() + REPLACED
    while not condition():
        assert monotonic() < deadline, f"it did not become true within {REPLACED} s"
        await asyncio.sleep(0.05)


async def logged(tab: Page) -> list[str]:
    """Return the subjects of the new items in a tab's log, in order; a duplicate is there twice."""
    subjects: list[str] = await tab.eval_on_selector_all(
        ".lines [data-event=new_workitem] .json",
        """all => all.map((each) => each.textContent.match(/"subject":"(.*?)"/)[1])""",
    )
    return subjects


async def wait_for_all(tabs: list[Page], subjects: list[str]) -> None:
    """Wait until every tab has these in its log, in this order, each once."""
    for tab in tabs:
        lines = tab.locator(".lines [data-event=new_workitem]")
        await expect(lines).to_have_count(len(subjects), timeout=1000 * REPLACED)
        assert await logged(tab) == subjects


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix} {n}" for n in range(count)]


async def test_three_tabs_get_everything_from_one_stream(open_tabs: Tabs, context: Context) -> None:
    tabs = await open_tabs(3)
    await until(lambda: len(context.hub.joined_streams) == 1)
    opened = context.hub.counts["opened"]
    await publish(context, 20, prefix="One")
    await wait_for_all(tabs, numbered("One", 20))
    assert len(context.hub.joined_streams) == 1
    assert context.hub.counts["opened"] == opened
    for tab in tabs:
        await expect(tab.locator("[data-fact=Opened]")).to_have_text("1")
        await expect(tab.locator(".lines [data-event=heartbeat]").first).to_be_visible()


async def test_nothing_is_missed_when_the_leaders_tab_is_closed(open_tabs: Tabs, context: Context) -> None:
    first, *others = await open_tabs(3)
    await publish(context, 5, prefix="One")
    await wait_for_all([first, *others], numbered("One", 5))
    await asyncio.gather(first.close(), publish(context, 20, prefix="Two"))
    await publish(context, 5, prefix="Three")
    await wait_for_all(others, numbered("One", 5) + numbered("Two", 20) + numbered("Three", 5))
    await until(lambda: len(context.hub.joined_streams) == 1)


async def test_a_hanging_leader_is_replaced_and_follows_when_it_runs_again(open_tabs: Tabs, context: Context) -> None:
    first, *others = await open_tabs(3)
    await publish(context, 5, prefix="One")
    await wait_for_all([first, *others], numbered("One", 5))
    opened = context.hub.counts["opened"]
    release = await hang(first)
    await publish(context, 5, prefix="Two")
    await until(lambda: context.hub.counts["opened"] == opened + 1)
    await publish(context, 5, prefix="Three")
    everything = numbered("One", 5) + numbered("Two", 5) + numbered("Three", 5)
    await wait_for_all(others, everything)
    release()
    await wait_for_all([first], everything)
    await until(lambda: len(context.hub.joined_streams) == 1)
    assert context.hub.counts["opened"] == opened + 1


async def hang(tab: Page) -> Callable[[], None]:
    """Block a page's scripts by a request that is not answered; returns what ends that."""
    begun, released = asyncio.Event(), asyncio.Event()

    async def answer(route: Route) -> None:
        begun.set()
        await released.wait()
        await route.fulfill(status=204)

    await tab.route("**/hang", answer)
    await tab.evaluate(
        """setTimeout(() => {
          const request = new XMLHttpRequest();
          request.open("GET", "/hang", false);
          request.send();
        })"""
    )
    async with asyncio.timeout(REPLACED):
        await begun.wait()
    return released.set


async def test_a_leader_gives_up_the_stream_before_it_is_frozen(open_tabs: Tabs, context: Context) -> None:
    first, second = await open_tabs(2)
    opened = context.hub.counts["opened"]
    await first.evaluate("document.dispatchEvent(new Event('freeze'))")
    await until(lambda: context.hub.counts["opened"] == opened + 1)
    await publish(context, 5, prefix="One")
    await wait_for_all([second], numbered("One", 5))
    assert await logged(first) == []
    await first.evaluate("document.dispatchEvent(new Event('resume'))")
    await wait_for_all([first], numbered("One", 5))
    assert len(context.hub.joined_streams) == 1


async def test_a_page_that_comes_back_from_the_history_joins_the_others(open_tabs: Tabs, context: Context) -> None:
    first, second = await open_tabs(2)
    opened = context.hub.counts["opened"]
    await first.goto("about:blank")
    await until(lambda: context.hub.counts["opened"] == opened + 1)
    await first.go_back()
    await first.wait_for_selector("#connection[data-state=live]")
    await publish(context, 2, prefix="One")
    await wait_for_all([first, second], numbered("One", 2))
    assert len(context.hub.joined_streams) == 1
    assert context.hub.counts["opened"] == opened + 1


async def test_the_buttons_of_any_tab_act_on_the_one_stream(open_tabs: Tabs, context: Context) -> None:
    tabs = await open_tabs(2)
    await tabs[1].click("text=Drop connection")
    for tab in tabs:
        await expect(tab.locator(".lines")).to_contain_text("the connection was dropped by hand")
        await expect(tab.locator("[data-fact=Opened]")).to_have_text("2")
    await tabs[1].click("text=unknown cursor")
    for tab in tabs:
        await expect(tab.locator("[data-fact=Resets]")).to_have_text("1")
    await publish(context, 2, prefix="One")
    await wait_for_all(tabs, numbered("One", 2))
    assert len(context.hub.joined_streams) == 1


async def test_signing_out_in_one_tab_signs_out_in_all(open_tabs: Tabs, context: Context) -> None:
    first, second, third = await open_tabs(3)
    await second.click("#sign-out")
    await second.wait_for_url("**/login")
    for tab in (first, third):
        await expect(tab.locator("#connection")).to_have_attribute("data-state", "signed_out")
    await until(lambda: not context.hub.joined_streams)
    await second.goto(f"/login?token={TOKEN}")
    for tab in (first, second, third):
        await expect(tab.locator("#connection")).to_have_attribute("data-state", "live")
    assert len(context.hub.joined_streams) == 1


async def test_two_people_in_one_browser_share_nothing(open_tabs: Tabs, context: Context) -> None:
    (first,) = await open_tabs(1)
    await context.auth.accounts.add_user("ben", "a long password", "agent")
    second = await first.context.new_page()
    await second.goto("/login")
    await second.fill("[name=user]", "ben")
    await second.fill("[name=password]", "a long password")
    await second.click("button")
    await second.wait_for_selector("#connection[data-state=live]")
    assert len(context.hub.joined_streams) == 2


async def test_a_tab_without_locks_has_a_stream_of_its_own(open_tabs: Tabs, context: Context) -> None:
    (first,) = await open_tabs(1)
    await first.context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined });")
    second = await first.context.new_page()
    await second.goto("/?tab=sse")
    await second.wait_for_selector("#connection[data-state=live]")
    assert len(context.hub.joined_streams) == 2
    await publish(context, 2, prefix="One")
    await wait_for_all([first, second], numbered("One", 2))


#: The script of another site's page: it imports the client from the server and sends its token.
IMPORT = """async ([server, token]) => {
  const { SharedWorkItemStream } = await import(`${server}/static/js/shared-stream.js`);
  window.subjects = [];
  window.stream = new SharedWorkItemStream({ url: `${server}/sse/workitems`, getToken: () => token, share: "ana" });
  stream.addEventListener("new_workitem", ({ detail }) => subjects.push(detail.data.subject));
  const live = new Promise((done) => {
    stream.addEventListener("state", ({ detail }) => detail.name === "live" && done());
  });
  stream.start();
  await live;
}"""


async def test_the_pages_of_another_site_import_the_client_and_share_too(
    browser: Browser, http_server: Any, http_server_port: tuple[Any, int], context: Context
) -> None:
    # A public site would need no permission: only the server under test is on this machine.
    window = await browser.new_context(permissions=["local-network-access"])
    page_of_theirs = "<!doctype html><title>Stranger</title>"
    await window.route(f"{STRANGER}/", lambda route: route.fulfill(content_type="text/html", body=page_of_theirs))
    pages = [await window.new_page() for _ in range(2)]
    for page in pages:
        await page.goto(f"{STRANGER}/")
        await page.evaluate(IMPORT, [f"http://127.0.0.1:{http_server_port[1]}", TOKEN])
    assert len(context.hub.joined_streams) == 1
    await publish(context, 3, prefix="One")
    for page in pages:
        await page.wait_for_function("subjects.length === 3")
        assert await page.evaluate("subjects") == numbered("One", 3)
    await window.close()
