"""A stream is asked to rotate in time, however rare its heartbeats are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.conftest import make_settings
from tests.support.sse_client import EventStream
from workitems.settings import Settings

Open = Callable[..., EventStream]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, stream={"heartbeat_seconds": 60, "max_age_seconds": 0.5})


async def test_a_greatest_age_below_the_heartbeat_is_respected(open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("rotate")
