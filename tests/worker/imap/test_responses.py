"""SEARCH and ESEARCH responses of hostile servers."""

import asyncio

import pytest

from worker.imap.errors import ProtocolError
from worker.imap.responses import UIDS_AT_ONCE, parse_search


async def test_one_run_of_very_many_uids_leaves_others_their_turn() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    assert await parse_search([(b"ESEARCH UID ALL 1:200000",)], 1) == list(range(1, 200_001))
    other.cancel()
    assert turns >= 200_000 / UIDS_AT_ONCE


async def test_repeated_uids_count_towards_the_limit() -> None:
    with pytest.raises(ProtocolError, match="more than 2,000,000 UIDs"):
        await parse_search([(b"ESEARCH UID ALL " + b",".join([b"1:10000"] * 100_000),)], 1)
