"""Signing in and out in Chromium: what the cookies of one installation are good for, and what other sites cannot do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from server.context import Context
from tests.browser.conftest import TIMEOUT, Open, Post, mail
from tests.server.conftest import TOKEN


class Evil(RequestHandler):
    """A page on another port that posts a form to the address in its query."""

    def get(self) -> None:
        target = self.get_query_argument("to")
        self.write(f'<!doctype html><link rel=icon href=data:,><form method=post action="{target}"><button>Win</form>')


@pytest.fixture
def other_port(io_loop: IOLoop, app: Application) -> Iterator[int]:
    """Serve the same host at another port: a second installation, and a page of somebody else at `/evil`."""
    listening, port = bind_unused_port()
    app.add_handlers(".*", [(r"/evil", Evil)])
    server = HTTPServer(app)
    server.add_sockets([listening])
    yield port
    server.stop()
    io_loop.run_sync(server.close_all_connections)


async def test_two_installations_of_one_host_keep_their_sessions(
    open_page: Open, context: Context, other_port: int
) -> None:
    page = await open_page(name="ada")
    second = await page.context.new_page()
    await second.goto(f"http://127.0.0.1:{other_port}/login?token={TOKEN}")
    await expect(second.locator("#person")).to_have_text("demo")
    await page.reload()
    await expect(page.locator("#person")).to_have_text("ada")
    names = {cookie["name"] for cookie in await page.context.cookies()}
    assert len(names) == 4
    assert all(re.fullmatch(r"tubepost_(session|device)_\d+", name) for name in names)


async def test_a_page_that_was_open_when_its_person_signed_in_anew_still_changes_items(
    open_page: Open, post: Post
) -> None:
    await post(mail("First", "Hello"))
    page = await open_page(name="ada")
    await page.click(".row")
    second = await page.context.new_page()
    await second.goto("/login")
    await second.fill("[name=user]", "ada")
    await second.fill("[name=password]", "a long password")
    await second.click("button")
    await second.wait_for_selector("#connection[data-state=live]")
    await page.click("button[data-status=waiting]")
    await expect(page.locator(".row")).to_have_attribute("data-status", "waiting")


async def test_a_change_is_not_made_in_the_name_of_another_person_who_signed_in_meanwhile(
    open_page: Open, post: Post, context: Context
) -> None:
    item_id = await post(mail("First", "Hello"))
    page = await open_page(name="ada")
    await page.click(".row")
    second = await page.context.new_page()
    await second.goto(f"/login?token={TOKEN}")
    await page.click("button[data-status=waiting]")
    await expect(page.locator(".notice")).to_contain_text("This browser is signed in as demo now")
    assert (await context.store.get(item_id)).status == "new"


async def test_a_page_of_another_port_signs_nobody_out(
    open_page: Open, other_port: int, http_server_port: tuple[Any, int]
) -> None:
    page = await open_page()
    evil = await page.context.new_page()
    evil.set_default_timeout(TIMEOUT)
    await evil.goto(f"http://127.0.0.1:{other_port}/evil?to=http://127.0.0.1:{http_server_port[1]}/logout")
    await evil.click("button")
    await expect(evil.locator("body")).to_contain_text("cross_site")
    await page.reload()
    await expect(page.locator("#person")).to_have_text("demo")
    await page.click("#sign-out")
    await page.wait_for_url("**/login**")
