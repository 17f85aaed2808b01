"""The queue as people see it, in Chromium with the real server."""

from playwright.async_api import Page, expect

from server.context import Context
from tests.browser.conftest import TIMEOUT, Open, Post, mail
from workitems.queue.change import ItemChange
from workitems.queue.item import MACHINE_DEFAULTS


async def publish(
    context: Context, count: int, *, prefix: str = "Mail", minute: int = 0, mailbox: str = "in"
) -> list[str]:
    """Publish items without a mail, the last one newest; return their ids."""
    ids = []
    for n in range(count):
        ids.append(item_id := f"wi_{prefix.lower():a<10.10}{_digits(n)}")
        created = f"2026-11-22T{minute // 60:02}:{minute % 60:02}:00Z"
        machine = MACHINE_DEFAULTS | {
            "subject": f"{prefix} {n}",
            "from_email": "jane@example.com",
            "created_at": created,
        }
        await context.store.publish(item_id, mailbox, machine)
    return ids


def _digits(n: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{n:016d}")


async def subjects(page: Page) -> list[str]:
    found: list[str] = await page.eval_on_selector_all(".row .subject", "all => all.map((each) => each.textContent)")
    return found


async def test_an_item_appears_on_top_without_a_reload(open_page: Open, context: Context) -> None:
    await publish(context, 2)
    page = await open_page()
    await expect(page.locator(".row")).to_have_count(2)
    await publish(context, 1, prefix="Fresh", minute=5)
    await expect(page.locator(".row")).to_have_count(3)
    assert await subjects(page) == ["Fresh 0", "Mail 1", "Mail 0"]
    await expect(page.locator("#polite")).to_have_text("1 new work item")


async def test_a_second_page_sees_what_the_first_one_changes(open_page: Open, context: Context) -> None:
    await publish(context, 1)
    first, second = await open_page(), await open_page(name="ben")
    await first.click(".row")
    await second.click(".row")
    # It has the item as it was: what it only loads after the change is no news.
    await expect(second.locator(".segments [data-status=new]")).to_have_attribute("aria-pressed", "true")
    await first.click("button[data-status=waiting]")
    await expect(second.locator(".row")).to_have_attribute("data-status", "waiting")
    await expect(second.locator(".segments [data-status=waiting]")).to_have_attribute("aria-pressed", "true")
    await expect(second.locator(".notice")).to_have_text("demo set it to Waiting.")
    await second.click("text=Assign to me")
    await expect(first.locator(".row .assignee")).to_have_text("BE")
    await expect(first.locator(".history")).to_contain_text("ben took it")


async def test_the_slower_person_sees_who_was_faster_and_may_overwrite(open_page: Open, context: Context) -> None:
    (item_id,) = await publish(context, 1)
    page = await open_page(f"/?item={item_id_of(0)}")
    await page.wait_for_selector("article")
    # The slower person cannot know yet: the stream is closed before the other one acts.
    await page.route("**/sse/workitems", lambda route: route.abort())
    await page.click("#tab-sse")
    await page.click("text=Drop connection")
    await page.click("#tab-queue")
    await context.store.change(item_id, ItemChange(status="done"), who="ben")
    await page.click("button[data-status=in_progress]")
    await expect(page.locator(".notice")).to_contain_text(
        "ben set it to Done just before you. Your change was not made."
    )
    await expect(page.locator(".segments [data-status=done]")).to_have_attribute("aria-pressed", "true")
    await page.click("text=Set to In progress all the same")
    await expect(page.locator(".segments [data-status=in_progress]")).to_have_attribute("aria-pressed", "true")
    assert (await context.store.get(item_id)).status == "in_progress"


def item_id_of(n: int, prefix: str = "Mail") -> str:
    return f"wi_{prefix.lower():a<10.10}{_digits(n)}"


async def test_a_second_claim_names_the_first_person(open_page: Open, context: Context) -> None:
    (item_id,) = await publish(context, 1)
    page = await open_page(f"/?item={item_id}&tab=sse")
    await page.route("**/sse/workitems", lambda route: route.abort())
    await page.click("text=Drop connection")
    await page.click("#tab-queue")
    await context.store.change(item_id, ItemChange(assignee="ben"), who="ben")
    await page.click("text=Assign to me")
    await expect(page.locator(".notice")).to_contain_text("ben took it just before you.")
    await expect(page.locator(".assigned")).to_have_text("With ben.")


async def test_the_scroll_position_stays_while_items_arrive(open_page: Open, context: Context) -> None:
    await publish(context, 40)
    page = await open_page()
    await expect(page.locator(".row")).to_have_count(40)
    await page.eval_on_selector("#scroller", "scroller => { scroller.scrollTop = 700; }")
    await page.evaluate(WATCH, 12)
    await publish(context, 20, prefix="Fresh", minute=5)
    await expect(page.locator("#pill")).to_have_text("↑ 20 new")
    await expect(page.locator(".row")).to_have_count(60)
    assert await page.evaluate("watched.drift") < 1
    await page.click("#pill")
    await expect(page.locator("#pill")).to_be_hidden()
    assert await page.eval_on_selector("#scroller", "scroller => scroller.scrollTop") == 0
    assert (await subjects(page))[0] == "Fresh 19"


async def test_a_short_list_does_not_move_under_the_pointer(open_page: Open, context: Context) -> None:
    await publish(context, 3)
    page = await open_page()
    await page.hover(".row >> nth=1")
    await page.evaluate(WATCH, 1)
    await page.mouse.down()
    await publish(context, 2, prefix="Fresh", minute=5)
    await expect(page.locator("#pill")).to_have_text("↑ 2 new")
    assert await page.evaluate("watched.drift") < 1
    await page.mouse.up()
    await expect(page.locator("#detail h2")).to_have_text("Mail 1")


#: Record how far a row moves on the screen, frame by frame.
WATCH = """(index) => {
  const row = document.querySelectorAll(".row")[index];
  const top = row.getBoundingClientRect().top;
  window.watched = { drift: 0 };
  const look = () => {
    watched.drift = Math.max(watched.drift, Math.abs(row.getBoundingClientRect().top - top));
    requestAnimationFrame(look);
  };
  look();
}"""


async def test_the_list_can_be_used_by_keyboard_alone(open_page: Open, context: Context) -> None:
    await publish(context, 5)
    page = await open_page()
    await expect(page.locator(".row")).to_have_count(5)
    assert await page.locator(".row[tabindex='0']").count() == 1
    await page.focus(".row[tabindex='0']")
    for key in ("ArrowDown", "j", "j", "k"):
        await page.keyboard.press(key)
    assert await page.evaluate("document.activeElement.querySelector('.subject').textContent") == "Mail 2"
    await page.keyboard.press("Enter")
    await expect(page.locator("#detail h2")).to_have_text("Mail 2")
    await expect(page.locator(".row[aria-current=true] .subject")).to_have_text("Mail 2")
    await page.keyboard.press("Escape")
    await expect(page.locator("#detail h2")).to_have_count(0)


async def test_a_row_whose_item_left_the_view_stays_and_says_why(open_page: Open, context: Context) -> None:
    ids = await publish(context, 3)
    page = await open_page()
    await page.hover(".row >> nth=2")
    await context.store.change(ids[1], ItemChange(status="done", assignee="ben"), who="ben")
    row = page.locator(".row >> nth=1")
    await expect(row).to_have_attribute("data-leaving", "")
    await expect(row).to_contain_text("Now done, with ben")
    assert await subjects(page) == ["Mail 2", "Mail 1", "Mail 0"]
    await page.click(".filter >> text=Done")
    await expect(page.locator(".row")).to_have_count(1)
    await page.click(".filter >> text=Open")
    assert await subjects(page) == ["Mail 2", "Mail 0"]


async def test_filters_and_older_pages_come_from_the_server(open_page: Open, context: Context) -> None:
    await publish(context, 60, mailbox="claims")
    await publish(context, 2, prefix="Other", minute=2, mailbox="orders")
    page = await open_page("/?view=all")
    await expect(page.locator(".row")).to_have_count(50)
    await page.click("text=Load older")
    await expect(page.locator(".row")).to_have_count(62)
    await expect(page.locator("#more")).to_be_hidden()
    await page.select_option("#filters select", "orders")
    await expect(page.locator(".row")).to_have_count(2)
    assert await subjects(page) == ["Other 1", "Other 0"]
    assert "mailbox=orders" in page.url


async def test_a_lost_connection_is_shown_and_missed_items_come_once(open_page: Open, context: Context) -> None:
    await publish(context, 1)
    page = await open_page()
    await page.route("**/sse/workitems", lambda route: route.abort())
    for stream in list(context.hub.joined_streams):
        stream.abort("test")
    await expect(page.locator("#connection")).to_contain_text("Reconnecting")
    await expect(page.locator("#stale")).to_contain_text("As of")
    await publish(context, 3, prefix="Missed", minute=5)
    await page.unroute("**/sse/workitems")
    await expect(page.locator(".row")).to_have_count(4, timeout=TIMEOUT)
    await expect(page.locator("#stale")).to_be_hidden()


async def test_an_unavailable_store_is_shown_while_the_stream_is_open(open_page: Open, context: Context) -> None:
    await publish(context, 1)
    page = await open_page()
    await context.hub.publish_state("store_status", {"available": False, "reason": "Redis cannot serve: LOADING"})
    await expect(page.locator("#stale")).to_contain_text("the server cannot reach its store")
    await expect(page.locator("#stale")).to_contain_text("Redis cannot serve: LOADING.")
    late = await open_page()
    await expect(late.locator("#stale")).to_contain_text("the server cannot reach its store")
    await late.set_viewport_size({"width": 380, "height": 700})
    await late.locator(".row").first.click()
    await expect(late.locator(".left")).to_be_hidden()
    await expect(late.locator("#stale"), "beside an item on a narrow screen").to_be_visible()
    await context.hub.publish_state("store_status", {"available": True}, is_default=True)
    await expect(page.locator("#stale")).to_be_hidden()
    await expect(late.locator("#stale")).to_be_hidden()


async def test_an_open_item_stays_when_the_server_does_not_answer(open_page: Open, context: Context) -> None:
    (item_id,) = await publish(context, 1)
    page = await open_page()
    await page.route("**/api/workitems/wi_*", lambda route: route.abort())
    await page.click(".row")
    await expect(page.locator("#detail")).to_contain_text("cannot be reached")
    await page.unroute("**/api/workitems/wi_*")
    await page.click("text=Try again")
    await expect(page.locator("#detail h2")).to_have_text("Mail 0")
    await page.route("**/api/workitems/wi_*", lambda route: route.abort())
    await context.store.change(item_id, ItemChange(status="waiting"), who="ben")
    await expect(page.locator(".segments [data-status=waiting]")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#detail h2")).to_have_text("Mail 0")


async def test_an_open_item_shows_a_new_reading_of_which_only_the_text_differs(
    open_page: Open, post: Post, context: Context
) -> None:
    """Version and preview stay the same: only the text beyond the preview differs."""
    start = "A long mail. " * 100
    item_id = await post(mail("First", f"{start}\nThe old end"))
    page = await open_page()
    await page.click(".row")
    await expect(page.locator(".text")).to_contain_text("The old end")
    item = await context.store.get(item_id)
    reading = await context.mailstore.get_reading(item_id)
    reading["text"] = f"{start}\nThe new end"
    await context.mailstore.store_reading(item_id, reading, [])
    await context.store.publish(item_id, item.mailbox, item.machine | {"reason": "read by newer rules"})
    await expect(page.locator(".text")).to_contain_text("The new end")
    assert (await context.store.get(item_id)).version == item.version


async def test_an_open_item_is_loaded_again_after_a_reset(open_page: Open, context: Context) -> None:
    (item_id,) = await publish(context, 1)
    page = await open_page(f"/?tab=sse&item={item_id}")
    await page.wait_for_selector("article", state="attached")
    await page.route("**/sse/workitems", lambda route: route.abort())
    await page.click("text=Drop connection")
    await context.store.change(item_id, ItemChange(status="waiting"), who="ben")
    await page.unroute("**/sse/workitems")
    await page.click("text=unknown cursor")
    await page.click("#tab-queue")
    await expect(page.locator(".segments [data-status=waiting]")).to_have_attribute("aria-pressed", "true")


async def test_an_ended_session_is_shown_and_the_list_stays(open_page: Open, context: Context) -> None:
    await publish(context, 2)
    page = await open_page()
    asked: list[str] = []
    await page.context.clear_cookies()
    for stream in list(context.hub.joined_streams):
        stream.abort("test")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "signed_out")
    page.on("request", lambda request: asked.append(request.url))
    await expect(page.locator("#alert")).to_contain_text("Signed out")
    await expect(page.locator(".row")).to_have_count(2)
    await page.wait_for_timeout(1_500)
    # The browser may fetch the icon of this state when we listen already.
    assert [url for url in asked if not url.endswith("/tubepost-off.svg")] == []
    await page.click("text=Sign in")
    await page.wait_for_url("**/login?next=**")


async def test_a_mail_is_shown_with_its_sender(open_page: Open, post: Post) -> None:
    await post(mail("First", "Hello"))
    page = await open_page()
    await page.click(".row")
    await expect(page.locator(".text")).to_have_text("Hello")
    await expect(page.locator(".letterhead")).to_contain_text("Jane Doe <jane@example.com> to in@example.com")


async def test_the_page_fits_320_pixels_and_goes_back_to_the_list(open_page: Open, context: Context) -> None:
    await publish(context, 3)
    page = await open_page(viewport={"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await page.click(".row")
    await expect(page.locator("#detail h2")).to_be_visible()
    await expect(page.locator(".row >> nth=0")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await page.go_back()
    await expect(page.locator(".row >> nth=0")).to_be_visible()
