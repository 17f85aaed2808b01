"""Run the examples of docs/stream.md, exactly as written, against a real server."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser

from demo.script import KINDS, parse
from server.access.cors import EXPOSED, REQUEST_HEADERS
from server.context import Context
from tests.browser.conftest import browser, chromium, io_loop
from tests.docs.conftest import PATIENCE
from tests.docs.examples import STREAM, block, section
from tests.docs.test_stream_schema import EVENTS
from tests.server.conftest import TOKEN
from tests.support.items import publish
from tests.support.waiting import eventually, eventually_in_page

__all__ = ["browser", "chromium", "io_loop"]

#: The server's address in the documents.
ADDRESS = "http://127.0.0.1:8888"


@asynccontextmanager
async def running(*command: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Run a program, and end it in any case."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **(environment or {})}, stdout=PIPE)
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


async def line_with(process: Process, words: str) -> str:
    """Return the next line that contains *words*."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return line
    raise EOFError(words)


async def test_the_curl_commands_show_new_and_missed_events(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    text = block("curl", "sh").replace("\\\n", "").replace(ADDRESS, f"http://127.0.0.1:{http_server_port[1]}")
    fresh, resumed = text.strip().splitlines()
    await publish(context, 1, mailbox="claims")
    await eventually(lambda: context.hub.replay_buffer.head.n == 1, PATIENCE)
    cursor = str(context.hub.replay_buffer.head)
    await publish(context, 2, mailbox="other")
    await publish(context, 3, mailbox="claims")
    await eventually(lambda: context.hub.replay_buffer.head.n == 3, PATIENCE)
    environment = {"TOKEN": TOKEN}
    async with running("sh", "-c", f"exec {fresh}", environment=environment) as curl:
        assert '"resumed":false' in await line_with(curl, "connected")
        await publish(context, 4)
        assert '"item 4"' in await line_with(curl, "new_workitem")
    resumed = resumed.replace("1763811111111-42", cursor)
    assert cursor in resumed
    async with running("sh", "-c", f"exec {resumed}", environment=environment) as curl:
        assert '"resumed":true' in await line_with(curl, "connected")
        assert '"item 3"' in await line_with(curl, "new_workitem")


async def test_the_python_program_continues_after_a_lost_connection(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    program = block("Python", "python").replace(ADDRESS, f"http://127.0.0.1:{http_server_port[1]}")
    async with running(sys.executable, "-c", program, environment={"TOKEN": TOKEN}) as reader:
        await eventually(lambda: len(context.hub.joined_streams) == 1, PATIENCE)
        await publish(context, 1)
        assert (await line_with(reader, "")).endswith(" item 1\n")
        for stream in context.hub.joined_streams:
            stream.abort("test")
        await publish(context, 2, 3)
        assert (await line_with(reader, "")).endswith(" item 2\n")
        assert (await line_with(reader, "")).endswith(" item 3\n")
        await context.hub.reset("trimmed", context.hub.replay_buffer.head)
        assert await line_with(reader, "") == "events were lost: load the list again\n"


async def test_a_plain_event_source_in_a_page_shows_items_and_reloads(
    context: Context, browser: Browser, http_server: Any, http_server_port: Any
) -> None:
    page = await browser.new_page(base_url=f"http://127.0.0.1:{http_server_port[1]}")
    await page.goto(f"/login?token={TOKEN}")
    await page.wait_for_selector("#connection[data-state=live]")
    assert len(context.hub.joined_streams) == 1, "our own page's"
    shown = "window.seen = []; window.show = (item) => seen.push(item.subject); window.reload = () => seen.push('!');"
    await page.evaluate(f"() => {{ {shown}\n{block('Plain `EventSource`', 'js')} }}")
    await eventually(lambda: len(context.hub.joined_streams) == 2, PATIENCE)
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1, PATIENCE)
    await context.hub.reset("trimmed", context.hub.replay_buffer.head)
    await eventually_in_page(page, "seen.length === 2", PATIENCE)
    assert await page.evaluate("seen") == ["item 1", "!"]


def test_the_table_of_events_has_exactly_the_existing_events() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", STREAM.partition("\n## ")[0], re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == EVENTS


def test_the_script_can_be_played_and_the_table_has_every_step_with_its_bounds() -> None:
    text = section("A server that does what your tests need")
    example = re.search(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert example
    assert len(parse(example[1])) == 11
    rows = dict(re.findall(r"^\| `([a-z]+)[ 0-9]*` \| (.*) \|$", text, re.MULTILINE))
    assert rows.keys() == KINDS.keys()
    for name in ("items", "burst", "update", "remove"):
        assert f"up to {KINDS[name].maximum:.0f}" in rows[name]
    assert "0.01 to 3600" in rows["wait"]


def test_the_headers_that_other_sites_may_use_are_those_of_the_server() -> None:
    text = " ".join(section("A page elsewhere, a dev server on another port").split())
    assert f"`{REQUEST_HEADERS}`" in text
    for name in EXPOSED.split(", "):
        assert f"`{name}`" in text
