"""The tab "SSE Test" in Chromium with the real server."""

from playwright.async_api import expect

from server.context import Context
from tests.browser.conftest import Open
from tests.browser.test_queue import publish


async def test_it_shows_heartbeats_and_measures_a_test_item(open_page: Open) -> None:
    page = await open_page("/?tab=sse")
    await expect(page.locator("[data-fact='Last heartbeat']")).to_contain_text("ago")
    await expect(page.locator(".lines [data-event=heartbeat]").first).to_be_visible()
    await page.click("text=Send test item")
    await expect(page.locator(".outcome")).to_contain_text("came back on the stream after")
    await expect(page.locator(".lines [data-event=new_workitem]")).to_have_count(1)
    await expect(page.locator("[data-fact=Events]")).to_contain_text("new_workitem 1")
    await page.click("#tab-queue")
    await expect(page.locator(".row[data-test]")).to_have_count(1)


async def test_a_dropped_connection_resumes_at_its_cursor(open_page: Open, context: Context) -> None:
    page = await open_page("/?tab=sse")
    await page.click("text=Drop connection")
    await expect(page.locator(".lines")).to_contain_text("the connection was dropped by hand")
    await publish(context, 1)
    await expect(page.locator(".lines [data-event=new_workitem]")).to_have_count(1)
    await expect(page.locator("[data-fact=Reconnects]")).to_have_text("1")
    await expect(page.locator("[data-fact=Resets]")).to_have_text("0")


async def test_an_unknown_cursor_gives_a_reset_and_the_list_never_goes_blank(open_page: Open, context: Context) -> None:
    await publish(context, 3)
    page = await open_page("/?tab=sse")
    await page.evaluate(
        """() => {
          window.fewest = Infinity;
          const count = () => { fewest = Math.min(fewest, document.querySelectorAll(".row").length); };
          new MutationObserver(count).observe(document.querySelector("#list"), { childList: true, subtree: true });
        }"""
    )
    await page.click("text=unknown cursor")
    await expect(page.locator("[data-fact=Resets]")).to_have_text("1")
    await publish(context, 1, prefix="After", minute=5)
    await page.click("#tab-queue")
    await expect(page.locator(".row")).to_have_count(4)
    assert await page.evaluate("fewest") >= 3


async def test_a_server_without_test_items_is_explained(open_page: Open, context: Context) -> None:
    object.__setattr__(context.settings.server, "test_items", False)
    page = await open_page("/?tab=sse")
    await expect(page.locator("text=Send test item")).to_be_disabled()
    await expect(page.locator(".outcome")).to_contain_text("does not allow test items")


async def test_many_events_at_once_take_few_layouts(open_page: Open, context: Context) -> None:
    page = await open_page("/?tab=sse")
    await page.context.set_offline(True)
    await page.wait_for_selector("#connection[data-state=offline]")
    await publish(context, 300)
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable")

    async def layouts() -> float:
        metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "LayoutCount")

    before = await layouts()
    await page.context.set_offline(False)
    lines = page.locator(".lines [data-event=new_workitem]")
    await expect(lines).to_have_count(300)
    assert await layouts() - before < 250  # 300 and more with one layout for each line
    await expect(lines.last).to_be_in_viewport()


async def test_the_log_follows_its_end_until_the_user_scrolls_up(open_page: Open, context: Context) -> None:
    page = await open_page("/?tab=sse")
    lines = page.locator(".lines [data-event=new_workitem]")
    await publish(context, 50, prefix="One")
    await expect(lines).to_have_count(50)
    await expect(lines.last).to_be_in_viewport()
    await page.eval_on_selector(".lines", "(log) => { log.scrollTop = 100; }")
    await publish(context, 50, prefix="Two")
    await expect(lines).to_have_count(100)
    await expect(lines.last).not_to_be_in_viewport()
    await page.eval_on_selector(".lines", "(log) => { log.scrollTop = log.scrollHeight; }")
    await publish(context, 1, prefix="Three")
    await expect(lines).to_have_count(101)
    await expect(lines.last).to_be_in_viewport()
