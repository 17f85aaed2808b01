"""The parts of a server process inside the loop of the test, on a real Redis."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application

from server.app import make_application
from server.context import Context
from server.main import build_context
from tests.support.sse_client import EventStream
from tests.support.stream_pair import Open, stream_pairs
from workitems.base.tasks import cancel_and_wait
from workitems.settings import Settings

TOKEN = "a-token-for-tests"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """The settings of the server under test; a test module may override them."""
    return make_settings(redis_url, tmp_path)


def make_settings(redis_url: str, folder: Path, **tables: Any) -> Settings:
    return Settings.model_validate(
        {
            "data": folder / "var",
            "token": TOKEN,
            "redis": {"url": redis_url, "timeout_seconds": 2},
            "server": {"test_items": True, **tables.pop("server", {})},
            **tables,
        }
    )


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open streams without a request."""
    with stream_pairs() as opened:
        yield opened


@pytest.fixture
def context(io_loop: IOLoop, settings: Settings) -> Iterator[Context]:
    """Make the parts of the process, with their loops running."""
    stack = AsyncExitStack()

    async def up() -> Context:
        context, feed_reader = await build_context(settings, stack)
        loops = (context.hub.run, feed_reader.run, context.stats.run, context.monitor.run)
        tasks = [asyncio.create_task(loop()) for loop in loops]

        async def down() -> None:
            for stream in context.hub.joined_streams:
                stream.abort("test")
            await cancel_and_wait(*tasks)

        stack.push_async_callback(down)
        async with asyncio.timeout(10):
            await context.hub.ready.wait()
            await context.intake.reconcile()
        return context

    yield io_loop.run_sync(up)
    io_loop.run_sync(stack.aclose)


@pytest.fixture
def app(context: Context) -> Application:
    return make_application(context)


@pytest.fixture
def open_stream(http_server: Any, http_server_port: tuple[Any, int]) -> Iterator[Callable[..., EventStream]]:
    """Make plain clients of the server under test; all are closed in the end."""
    made: list[EventStream] = []

    def make(**how: Any) -> EventStream:
        made.append(EventStream(http_server_port[1], token=how.pop("token", TOKEN), **how))
        return made[-1]

    yield make
    for stream in made:
        stream.close()
