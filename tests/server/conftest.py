"""A whole server process's parts inside the test's own loop, on a real Redis."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application

from server.app import application
from server.context import Context
from server.main import assemble
from tests.support.sse_client import EventStream
from tests.support.stream_pair import Open, stream_pairs
from workitems.settings import Settings
from workitems.tasks import end

TOKEN = "a-token-for-tests"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """What the server under test runs with; a test module may override it."""
    return make_settings(redis_url, tmp_path)


def make_settings(redis_url: str, folder: Path, **tables: Any) -> Settings:
    return Settings.model_validate(
        {
            "data": folder / "var",
            "token": TOKEN,
            "redis": {"url": redis_url, "timeout": 2},
            "server": {"test_items": True, **tables.pop("server", {})},
            **tables,
        }
    )


@pytest.fixture
def opened() -> Iterator[Open]:
    """Makes streams without a request."""
    with stream_pairs() as opened:
        yield opened


@pytest.fixture
def context(io_loop: IOLoop, settings: Settings) -> Iterator[Context]:
    """The process's parts with their loops running."""
    stack = AsyncExitStack()

    async def up() -> Context:
        context, subscriber = await assemble(settings, stack)
        loops = (context.hub.run, subscriber.run, context.stats.run, context.monitor.run)
        tasks = [asyncio.create_task(loop()) for loop in loops]

        async def down() -> None:
            for stream in context.hub.streams:
                stream.abort("test")
            await end(*tasks)

        stack.push_async_callback(down)
        async with asyncio.timeout(10):
            await context.hub.ready.wait()
        return context

    yield io_loop.run_sync(up)
    io_loop.run_sync(stack.aclose)


@pytest.fixture
def app(context: Context) -> Application:
    return application(context)


@pytest.fixture
def open_stream(http_server: Any, http_server_port: tuple[Any, int]) -> Iterator[Callable[..., EventStream]]:
    """Makes plain clients of the server under test, and has them all leave."""
    made: list[EventStream] = []

    def make(**how: Any) -> EventStream:
        made.append(EventStream(http_server_port[1], token=how.pop("token", TOKEN), **how))
        return made[-1]

    yield make
    for stream in made:
        stream.close()
