"""The examples of docs/stream.md, run as they stand there, against a real server."""

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
from server.context import Context
from server.cors import EXPOSED, REQUEST_HEADERS
from tests.browser.conftest import browser
from tests.docs.examples import STREAM, block, section
from tests.docs.test_stream_schema import EVENTS
from tests.server.conftest import TOKEN
from tests.server.test_stream import eventually, publish

__all__ = ["browser"]

#: Where the documents have their server.
ADDRESS = "http://127.0.0.1:8888"


@asynccontextmanager
async def running(*command: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """A program, ended for certain."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **(environment or {})}, stdout=PIPE)
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


async def line_with(process: Process, words: str) -> str:
    """The next line that holds *words*."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return line
    raise EOFError(words)


async def test_the_curl_commands_show_what_comes_and_what_was_missed(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    text = block("curl", "sh").replace("\\\n", "").replace(ADDRESS, f"http://127.0.0.1:{http_server_port[1]}")
    fresh, resumed = text.strip().splitlines()
    await publish(context, 1, mailbox="claims")
    await eventually(lambda: context.hub.ring.head.n == 1)
    cursor = str(context.hub.ring.head)
    await publish(context, 2, mailbox="other")
    await publish(context, 3, mailbox="claims")
    await eventually(lambda: context.hub.ring.head.n == 3)
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


async def test_the_python_program_goes_on_where_it_was_cut(
    context: Context, http_server: Any, http_server_port: Any
) -> None:
    program = block("Python", "python").replace(ADDRESS, f"http://127.0.0.1:{http_server_port[1]}")
    async with running(sys.executable, "-c", program, environment={"TOKEN": TOKEN}) as reader:
        await eventually(lambda: len(context.hub.streams) == 1, within=20)
        await publish(context, 1)
        assert (await line_with(reader, "")).endswith(" item 1\n")
        for stream in context.hub.streams:
            stream.abort("test")
        await publish(context, 2, 3)
        assert (await line_with(reader, "")).endswith(" item 2\n")
        assert (await line_with(reader, "")).endswith(" item 3\n")
        await context.hub.reset("trimmed", context.hub.ring.head)
        assert await line_with(reader, "") == "events were lost: load the list again\n"


async def test_a_plain_event_source_in_a_page_shows_items_and_loads_anew(
    context: Context, browser: Browser, http_server: Any, http_server_port: Any
) -> None:
    page = await browser.new_page(base_url=f"http://127.0.0.1:{http_server_port[1]}")
    await page.goto(f"/login?token={TOKEN}")
    await page.wait_for_selector("#connection[data-state=live]")
    assert len(context.hub.streams) == 1, "our own page's"
    shown = "window.told = []; window.show = (item) => told.push(item.subject); window.reload = () => told.push('!');"
    await page.evaluate(f"() => {{ {shown}\n{block('Plain `EventSource`', 'js')} }}")
    await eventually(lambda: len(context.hub.streams) == 2, within=20)
    await publish(context, 1)
    await eventually(lambda: context.hub.ring.head.n == 1)
    await context.hub.reset("trimmed", context.hub.ring.head)
    await page.wait_for_function("told.length === 2", timeout=20_000)
    assert await page.evaluate("told") == ["item 1", "!"]


def test_the_table_of_events_has_every_event_and_no_other() -> None:
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
        assert f"up to {KINDS[name].most:.0f}" in rows[name]
    assert "0.01 to 3600" in rows["wait"]


def test_the_headers_that_other_sites_may_use_are_those_of_the_server() -> None:
    text = " ".join(section("A page elsewhere, a dev server on another port").split())
    assert f"`{REQUEST_HEADERS}`" in text
    for name in EXPOSED.split(", "):
        assert f"`{name}`" in text
