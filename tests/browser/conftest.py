"""Pages in Chromium that use the real server. A test fails when a page has a script error or breaks its policy."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from tornado.ioloop import IOLoop

from server.context import Context
from tests.server.conftest import TOKEN, app, context, make_settings
from worker.reading.mail import read
from workitems.intake import identity
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.settings import Settings

__all__ = ["app", "context"]

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

#: Milliseconds that anything expected in a page may take; only a test that fails waits so long.
TIMEOUT = 30_000

expect.set_options(timeout=TIMEOUT)

Open = Callable[..., Awaitable[Page]]
Post = Callable[..., Awaitable[str]]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings with quick heartbeats, so that a test can wait for one."""
    return make_settings(redis_url, tmp_path, stream={"heartbeat_seconds": 0.5})


@pytest.fixture(scope="session")
def io_loop() -> Iterator[IOLoop]:
    """One loop for all tests, since Chromium's driver belongs to the loop on which it was started."""
    loop = IOLoop()
    loop.make_current()
    yield loop
    loop.clear_current()
    loop.close(all_fds=True)


@pytest.fixture(scope="session")
def chromium(io_loop: IOLoop) -> Iterator[Browser]:
    """Debian's Chromium, on the loop of the server under test; one for all tests of a process."""
    stack = AsyncExitStack()

    async def start() -> Browser:
        playwright = await stack.enter_async_context(async_playwright())
        arguments = ["--no-sandbox", "--disable-background-networking"]
        return await stack.enter_async_context(
            await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        )

    yield io_loop.run_sync(start)
    io_loop.run_sync(stack.aclose)


@pytest.fixture
def browser(chromium: Browser, io_loop: IOLoop) -> Iterator[Browser]:
    """The shared Chromium. At the end of a test all its windows are closed; none sees cookies or storage of another."""
    yield chromium

    async def close_windows() -> None:
        for window in chromium.contexts:
            await window.close()

    io_loop.run_sync(close_windows)


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """Collect script errors and policy violations of pages. The list is empty at the end of every test."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser: Browser, http_server: Any, http_server_port: Any, context: Context, faults: list[str]) -> Open:
    """Return `open_page`: it signs the demo user in (another with `name=`) and waits until the queue is live."""

    async def opened(path: str = "/", *, name: str = "demo", wait: str = "live", **how: Any) -> Page:
        window = await browser.new_context(base_url=f"http://127.0.0.1:{http_server_port[1]}", **how)
        window.set_default_timeout(TIMEOUT)
        page = await window.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_breach(message.text) else None)
        if name == "demo":
            await page.goto(f"/login?token={TOKEN}")
        else:
            await context.auth.accounts.add_user(name, "a long password", "agent")
            await page.goto("/login")
            await page.fill("[name=user]", name)
            await page.fill("[name=password]", "a long password")
            await page.click("button")
        await page.wait_for_selector("#connection")
        if path != "/":
            await page.goto(path)
        await page.wait_for_selector(f"#connection[data-state={wait}]")
        return page

    return opened


@pytest.fixture
def post(context: Context) -> Post:
    """Return `post`: it reads and publishes a mail, as the worker does, and returns the item's id."""

    async def posted(raw: bytes, mailbox: str = "submissions") -> str:
        reading = asdict(await asyncio.to_thread(read, raw))
        item_id = identity.item_id(mailbox, raw)
        files = [file.pop("content") for file in reading["attachments"]]
        reading["attachments"] = [
            file | {"size": len(content)} for file, content in zip(reading["attachments"], files, strict=True)
        ]
        machine = MACHINE_DEFAULTS | {name: reading[name] for name in MACHINE_DEFAULTS.keys() & reading.keys()}
        machine |= {"extracted_fields": reading["fields"], "created_at": "2026-11-22T17:00:00Z"}
        await context.mailstore.store_reading(item_id, reading, files)
        await context.store.publish(item_id, mailbox, machine)
        return item_id

    return posted


def mail(subject: str, text: str, *, html: str = "", sender: str = "Jane Doe <jane@example.com>") -> bytes:
    """Return a small mail; with *html* as text and HTML."""
    head = f"From: {sender}\r\nTo: in@example.com\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    plain = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    if not html:
        return (head + plain).encode()
    page = f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n"
    both = 'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    return f"{head}{both}--b\r\n{plain}--b\r\n{page}--b--\r\n".encode()


def _is_breach(text: str) -> bool:
    return any(word in text for word in ("Content Security Policy", "Trusted", "Refused to"))
