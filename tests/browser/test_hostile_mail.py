"""Hostile mail in Chromium: the page only shows it."""

import json

from playwright.async_api import Page, expect

from tests.browser.conftest import Open, Post, mail
from tests.support.waiting import eventually_in_page

MARKUP = '<img src=x onerror="top.hit=1"><script>top.hit=1</script><b>bold</b>'
HOSTILE_PAGE = f"""<html><head><title>t</title><base href="https://trap.example/">
<meta http-equiv="refresh" content="0;url=/login">
</head><body onload="top.hit=1">{MARKUP}<form action="https://trap.example/"><button>go</button></form>
<a href="javascript:top.hit=1" id="trap">click</a><p>The words of the mail</p>
<img src="https://trap.example/pixel.png"><div style="position:fixed;inset:0;background:url(https://trap.example/)">x</div>
<svg onload="top.hit=1"></svg><iframe src="/"></iframe></body></html>"""


async def opened(page: Page) -> None:
    await page.click(".row")
    await page.wait_for_selector("article")


async def test_markup_in_a_mail_is_shown_as_text(open_page: Open, post: Post) -> None:
    await post(
        mail(MARKUP, f"Policy Number: {MARKUP}\n{MARKUP}", sender=f'"{MARKUP.replace(chr(34), "")}" <a@example.com>')
    )
    page = await open_page()
    await opened(page)
    await expect(page.locator("#detail h2")).to_contain_text("<script>top.hit=1</script>")
    await expect(page.locator(".text")).to_contain_text("<b>bold</b>")
    assert await page.evaluate("window.hit") is None
    assert await page.locator("#detail img, #detail script, .row img, .row script").count() == 0


async def test_hostile_html_stays_in_its_frame_and_makes_no_requests(
    open_page: Open, post: Post, faults: list[str]
) -> None:
    await post(mail("Offer", "The words", html=HOSTILE_PAGE))
    page = await open_page()
    asked: list[str] = []
    page.context.on("response", lambda response: asked.append(response.url))
    await page.context.route("https://trap.example/**", lambda route: route.fulfill(status=200))
    await opened(page)
    await page.click("text=HTML")
    frame = page.frame_locator(".html iframe")
    await expect(frame.locator("body")).to_contain_text("The words of the mail")
    sandbox = await page.get_attribute(".html iframe", "sandbox") or ""
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox
    inner = next(each for each in page.frames if each.parent_frame)
    assert await page.evaluate("window.hit") is None
    assert await page.evaluate("document.querySelector('.html iframe').contentDocument") is None
    assert inner.url.endswith("/message")
    assert [url for url in asked if "trap.example" in url] == []
    # The frame's own policy reports the image that it blocked; the page's never does.
    faults[:] = [fault for fault in faults if "trap.example/pixel.png" not in fault]


async def test_characters_that_reverse_text_are_shown_as_signs(open_page: Open, post: Post) -> None:
    await post(mail("Invoice \u202egpj.exe", "Pay to \u202dhidden\u202c \u2066here\u2069"))
    page = await open_page()
    await opened(page)
    await expect(page.locator("#detail h2")).to_have_text("Invoice \u2423gpj.exe")
    await expect(page.locator(".text")).to_have_text("Pay to \u2423hidden here")


async def test_a_line_of_20000_emoji_opens_at_once(open_page: Open, post: Post) -> None:
    await post(mail("Party", "🎉" * 20_000))
    page = await open_page()
    await page.evaluate(
        """() => {
          window.longest = 0;
          const watch = (list) => { for (const task of list.getEntries()) longest = Math.max(longest, task.duration); };
          new PerformanceObserver(watch).observe({ type: "longtask", buffered: false });
        }"""
    )
    await opened(page)
    await expect(page.locator(".text")).to_contain_text("🎉")
    assert await page.locator(".block").count() == 20
    assert await page.evaluate("longest") < 2_000


async def test_the_highlight_is_the_raw_value_also_after_emoji(open_page: Open, post: Post) -> None:
    item_id = await post(
        mail("Claim 😀", "Dear team 🎉🎉\n" * 30 + "Policy Number: AB-1234567\nAmount: USD 1,250.00\n")
    )
    page = await open_page()
    whole = json.loads(await page.evaluate(f"fetch('/api/workitems/{item_id}').then((answer) => answer.text())"))
    assert whole["evidence"], "the mail has fields"
    await opened(page)
    for name, evidence in whole["evidence"].items():
        assert evidence["source"] == "text"
        await page.click(f"[data-field='{name}'] .found")
        shown = "[...CSS.highlights.get('evidence-shown')][0].toString()"
        assert await page.evaluate(shown) == evidence["raw"]
        await eventually_in_page(page, IN_VIEW)
    assert await page.evaluate("CSS.highlights.get('evidence').size") == len(whole["evidence"])


IN_VIEW = """() => {
  const place = [...CSS.highlights.get('evidence-shown')][0].getBoundingClientRect();
  const pane = document.querySelector('.text').getBoundingClientRect();
  return place.height > 0 && place.top >= pane.top && place.bottom <= pane.bottom;
}"""


async def test_the_policy_forbids_what_the_page_never_does(open_page: Open, faults: list[str]) -> None:
    page = await open_page()
    tries = [
        "document.body.innerHTML = '<b>x</b>'",
        "document.createElement('iframe').srcdoc = 'x'",
        "document.body.setAttribute('onclick', 'hit()')",
        "document.createElement('script').textContent = 'hit()'",
    ]
    for attempt in tries:
        script = f"() => {{ try {{ {attempt}; return 'done'; }} catch (error) {{ return error.name; }} }}"
        assert await page.evaluate(script) == "TypeError", attempt
    faults.clear()
