"""Links of a mail in Chromium: what its own parser takes them for, and which host a person is shown."""

import re
from html import escape

import pytest
from playwright.async_api import FrameLocator, Page, Response, expect

from tests.browser.conftest import Open, Post, mail
from worker.reading.text.links import SCHEMES

#: Addresses that a browser reads otherwise than they look.
DISGUISED = [
    "da\tta:text/html,<b>trap",
    "\x01data:text/html,<b>trap",
    "\x1f \x0cDaTa:text/html,<b>trap",
    "java\nscript:top.hit=1",
    "java\rscript\t:top.hit=1",
    "vb\tscript:x",
    "file:///etc/passwd",
    "fi\tle:///etc/passwd",
    "view-source:https://bank.example",
    "blob:https://bank.example/x",
    "https:login",
    "http:/login",
    "//login",
    "/login",
    "?images=1",
]

#: Addresses of one host each, in forms that only the browser's parser takes apart.
HOSTS = [
    "https://bank.example@evil.example/",
    "https://bank.example:443@evil.example:8443/",
    "https://evil.example\\@bank.example/",
    "ht\ntps:\\\\ev\til.example",
    "https:/evil.example/https://bank.example",
    "https:///evil.example?bank.example",
    "https://EV%49L.Example./",
    "https://evil。example#bank.example",
    "https://ｅｖｉｌ.example",
    "https://ev\u00adil.example",
    "https://b\u0430nk.example",
    "https://büch\u0065\u0308r.example",
    "https://faß.example",
    "https://xn--bcher-kva.example",
]


async def html_view(page: Page) -> FrameLocator:
    await page.click(".row")
    await page.wait_for_selector("article")
    await page.click("text=HTML")
    return page.frame_locator(".html iframe")


async def test_no_link_of_a_mail_opens_with_another_protocol(open_page: Open, post: Post) -> None:
    links = [f'<p><a href="{escape(address)}">link {n}</a></p>' for n, address in enumerate(DISGUISED + HOSTS)]
    await post(mail("Links", "The words", html="".join(links)))
    page = await open_page()
    opened: list[str] = []

    def remember(response: Response) -> None:
        if response.request.is_navigation_request():
            opened.append(response.url)

    page.context.on("response", remember)
    await page.context.route(
        re.compile(r"https?://(?!127\.0\.0\.1)"), lambda route: route.fulfill(status=200, body="there")
    )
    frame = await html_view(page)
    await expect(frame.locator("a")).to_have_count(len(links))

    protocols = await frame.locator("a[href]").evaluate_all("links => links.map((link) => link.protocol)")
    assert {each.rstrip(":") for each in protocols} <= SCHEMES
    own = await frame.locator("a[href]").evaluate_all("links => links.filter((a) => a.host === location.host).length")
    assert own == 0

    opened.clear()
    before = len(page.context.pages)
    for n in range(len(DISGUISED)):
        await frame.get_by_text(f"link {n}", exact=True).click()
    # The last of these has an address of the web: when it has opened, those before it would have opened too.
    async with page.context.expect_page():
        await frame.get_by_text(f"link {len(DISGUISED)}", exact=True).click()
    clicked = [window.url for window in page.context.pages[before:]] + opened
    assert [url for url in clicked if not url.startswith(("https://", "http://", "about:blank"))] == []
    assert await page.evaluate("window.hit") is None


async def test_the_mark_names_the_host_that_the_browser_opens(open_page: Open, post: Post) -> None:
    links = [f'<p><a href="{escape(address)}">https://shown.example/</a></p>' for address in HOSTS]
    await post(mail("Hosts", "The words", html="".join(links)))
    page = await open_page()
    frame = await html_view(page)
    await expect(frame.locator(".real-host")).to_have_count(len(links))

    found = await frame.locator("a").evaluate_all(
        "links => links.map((link) => [link.hostname, link.querySelector('.real-host').textContent])"
    )
    for host, mark in found:
        assert mark == f"⚠ goes to {host.strip('.')}"
    await expect(page.locator(".chips")).to_contain_text("misleading link")


#: Texts of links that show another host than they open, one for each way to write it.
SHOWN = [
    "https://bank.example/login",
    "bank.example ✓",
    "Login: bank.example",
    "Login\u2800bank.example",
    "Login: ba&#173;nk.exa&#8203;mple",
    "Login: bank。example",
    "ｂａｎｋ．ｅｘａｍｐｌｅ",
    "b\u0430nk.example",
    "xn--bcher-kva.example ✓",
    "Please sign in at https://bank.example/login today",
    "user@bank.example",
    '<img alt="bank.example">',
    '<span dir="rtl">bank.example</span>',
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_mark_stands_before_the_text_of_its_link(open_page: Open, post: Post, scheme: str) -> None:
    links = [f'<p>Dear customer, <a href="https://evil.example/">{shown}</a> is safe.</p>' for shown in SHOWN]
    await post(mail("Marks", "The words", html="".join(links)))
    page = await open_page(color_scheme=scheme)
    frame = await html_view(page)
    await expect(frame.locator(".real-host")).to_have_count(len(links))

    found = await frame.locator("a").evaluate_all(
        """(links) => links.map((link) => {
          const mark = link.firstElementChild, rest = document.createRange();
          rest.setStartAfter(mark);
          rest.setEndAfter(link.lastChild);
          mark.scrollIntoView({ block: "center" });
          const box = mark.getBoundingClientRect();
          const text = [...rest.getClientRects()].find((part) => part.width > 0);  // the text may take two lines
          const style = getComputedStyle(mark);
          return {
            first: mark === link.firstChild && mark.className === "real-host",
            before: box.right <= text.left + 1 || box.bottom <= text.top + 1,
            visible: document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2) === mark,
            colours: [style.color, style.backgroundColor], round: style.borderTopLeftRadius !== "0px",
          };
        })"""
    )
    colours = ["rgb(92, 37, 0)", "rgb(255, 243, 214)"]
    as_it_should = {"first": True, "before": True, "visible": True, "colours": colours, "round": True}
    assert found == [as_it_should] * len(links)


#: What a mail can put between a mark and the text of its link.
FAR = [
    "<br>" * 200 + "{}",
    "&nbsp;" * 9_000 + "{}",
    f"<div style='height:0'>{'<br>' * 200}{{}}</div>",
    "<div style='height:3000px!important'></div>{}",
    "<span style='line-height:3000px'>{}</span>",
    "<span style='vertical-align:-3000px'>{}</span>",
    "<table height=9><tr><td height=3000 style='padding-top:3000px'>{}</td></tr></table>",
]


async def test_a_mark_stays_in_view_however_far_the_text_of_its_link_is_away(open_page: Open, post: Post) -> None:
    style = "width:0;height:0!important;max-width:1px ! important;white-space:nowrap"
    link = f'<div style="white-space:nowrap;width:0"><a style="{style}" href="https://evil.example/">{{}}</a></div>'
    links = [link.format(far.format("bank.example")) for far in FAR]
    await post(mail("Far", "The words", html="".join(links)))
    page = await open_page()
    frame = await html_view(page)
    await expect(frame.locator(".real-host")).to_have_count(len(links))

    found = await frame.locator("a:has(.real-host)").evaluate_all(
        """(links) => links.map((link) => {
          const walker = document.createTreeWalker(link, NodeFilter.SHOW_TEXT);
          let text = null;
          while (walker.nextNode()) if (walker.currentNode.data.endsWith("bank.example")) text = walker.currentNode;
          const end = document.createElement("i");
          text.after(end);
          end.scrollIntoView({ block: "center", inline: "end" });
          const mark = link.querySelector(".real-host"), box = mark.getBoundingClientRect();
          return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2) === mark;
        })"""
    )
    assert found == [True] * len(links)


async def test_the_style_of_a_mail_cannot_hide_a_mark(open_page: Open, post: Post) -> None:
    hiding = (
        "color:#fff;background-color:#fff;font-size:1px;line-height:0;width:0;max-width:0;height:0;padding:0;"
        "margin-top:-50px;white-space:nowrap;text-decoration:line-through;text-align:right"
    )
    link = f'<a style="{hiding}" href="https://evil.example">{"&nbsp;" * 400}https://bank.example</a>'
    cover = '<p style="margin-top:-5em;height:9em;background-color:#fff;color:#fff">over</p>'
    await post(mail("Style", "The words", html=f'<div style="{hiding}"><b style="{hiding}">{link}</b></div>{cover}'))
    page = await open_page()
    frame = await html_view(page)
    mark = frame.locator(".real-host")
    await expect(mark).to_be_visible()

    seen = await mark.evaluate(
        """(mark) => {
          const box = mark.getBoundingClientRect();
          const style = getComputedStyle(mark);
          const at = (x, y) => document.elementFromPoint(x, y) === mark;
          return {
            top: at(box.left + box.width / 2, box.top + box.height / 2) && at(box.left + 3, box.bottom - 3),
            inside: box.left >= 0 && box.right <= innerWidth, size: parseFloat(style.fontSize),
            colours: [style.color, style.backgroundColor], lines: style.textDecorationLine,
          };
        }"""
    )
    assert seen == {
        "top": True, "inside": True, "size": 16, "colours": ["rgb(92, 37, 0)", "rgb(255, 243, 214)"], "lines": "none",
    }  # fmt: skip
    assert await mark.text_content() == "⚠ goes to evil.example"
