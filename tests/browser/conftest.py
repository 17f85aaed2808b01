"""People with browsers before the real server: every page keeps a record of what must never happen in it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright
from tornado.ioloop import IOLoop

from server.context import Context
from tests.server.conftest import TOKEN, app, context, make_settings
from worker.reading.mail import read
from workitems import identity
from workitems.item import MACHINE
from workitems.settings import Settings

__all__ = ["app", "context"]

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

#: Milliseconds that anything expected in a page may take.
PATIENCE = 10_000

Open = Callable[..., Awaitable[Page]]
Post = Callable[..., Awaitable[str]]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Quick heartbeats, so that a test can wait for one."""
    return make_settings(redis_url, tmp_path, stream={"heartbeat": 0.5})


@pytest.fixture
def browser(io_loop: IOLoop) -> Iterator[Browser]:
    """Debian's Chromium, on the loop that the server under test runs on."""
    stack = AsyncExitStack()

    async def up() -> Browser:
        playwright = await stack.enter_async_context(async_playwright())
        arguments = ["--no-sandbox", "--disable-background-networking"]
        return await stack.enter_async_context(
            await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        )

    yield io_loop.run_sync(up)
    io_loop.run_sync(stack.aclose)


@pytest.fixture
def faults(io_loop: IOLoop) -> Iterator[list[str]]:
    """What pages complained about: script errors and breaches of their policy. Empty at the end of every test."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser: Browser, http_server: Any, http_server_port: Any, context: Context, faults: list[str]) -> Open:
    """`await open_page()` signs the demo user in and waits until the queue is live; `name=` is somebody else."""

    async def opened(path: str = "/", *, name: str = "demo", wait: str = "live", **how: Any) -> Page:
        window = await browser.new_context(base_url=f"http://127.0.0.1:{http_server_port[1]}", **how)
        window.set_default_timeout(PATIENCE)
        page = await window.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_breach(message.text) else None)
        if name == "demo":
            await page.goto(f"/login?token={TOKEN}")
        else:
            await context.auth.people.add(name, "a long password", "agent")
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
    """`await post(raw)` has a letter read and published, as the worker does. Answers its id."""

    async def posted(raw: bytes, mailbox: str = "submissions") -> str:
        reading = asdict(await asyncio.to_thread(read, raw))
        item_id = identity.item_id(mailbox, raw)
        files = [file.pop("content") for file in reading["attachments"]]
        reading["attachments"] = [
            file | {"size": len(content)} for file, content in zip(reading["attachments"], files, strict=True)
        ]
        machine = MACHINE | {name: reading[name] for name in MACHINE.keys() & reading.keys()}
        machine |= {"extracted_fields": reading["fields"], "created_at": "2026-11-22T17:00:00Z"}
        await context.mailstore.put_reading(item_id, reading, files)
        await context.store.publish(item_id, mailbox, machine)
        return item_id

    return posted


def letter(subject: str, text: str, *, html: str = "", sender: str = "Jane Doe <jane@example.com>") -> bytes:
    """A small mail; with *html* in both forms."""
    head = f"From: {sender}\r\nTo: in@example.com\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    plain = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    if not html:
        return (head + plain).encode()
    page = f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n"
    both = 'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    return f"{head}{both}--b\r\n{plain}--b\r\n{page}--b--\r\n".encode()


def _is_breach(text: str) -> bool:
    return any(word in text for word in ("Content Security Policy", "Trusted", "Refused to"))
