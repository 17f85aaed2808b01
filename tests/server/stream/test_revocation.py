"""A stream ends soon after its user or key may no longer read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.access.authentication import SESSION_COOKIE, Authenticator
from server.context import Context
from server.stream import revocation
from server.stream.revocation import RevocationChecker
from tests.server.conftest import TOKEN
from tests.support.accounts import opened_accounts
from tests.support.sse_client import EventStream
from workitems.base import ttl_cache
from workitems.base.redis import connect

Open = Callable[..., EventStream]


@pytest.fixture
def checker(context: Context) -> RevocationChecker:
    return RevocationChecker(context.hub, context.auth, scope="read")


async def session(context: Context, name: str) -> dict[str, str]:
    await context.auth.accounts.add_user(name, "correct horse", "agent")
    return {"Cookie": f"{SESSION_COOKIE}={await context.auth.sign_in(name, 'correct horse')}"}


def open_users(context: Context) -> list[str]:
    return sorted(stream.slot.user for stream in context.hub.joined_streams)


def test_a_check_and_the_ttl_cache_together_take_less_than_30_seconds() -> None:
    assert revocation.CHECK_SECONDS + ttl_cache.FRESH_SECONDS < 30


async def test_the_streams_of_a_removed_user_end_properly_and_no_others(
    context: Context, open_stream: Open, checker: RevocationChecker
) -> None:
    ann = await session(context, "ann")
    async with (
        open_stream(token="", headers=ann) as first,
        open_stream(token="", headers=ann) as second,
        open_stream(token="", headers=await session(context, "bob")) as other,
    ):
        for stream in (first, second, other):
            await stream.next("connected")
        await checker.check_once()
        assert open_users(context) == ["ann", "ann", "bob"]
        await context.auth.accounts.remove_user("ann")
        await checker.check_once()
        assert open_users(context) == ["bob"]
        for stream in (first, second):
            with pytest.raises(EOFError):
                await stream.next()
            assert stream.whole
    assert context.hub.counts["closed_revoked"] == 2


async def test_a_new_password_ends_the_streams_of_older_sessions(
    context: Context, open_stream: Open, checker: RevocationChecker
) -> None:
    async with open_stream(token="", headers=await session(context, "ann")):
        await session(context, "ann")
        await checker.check_once()
        assert open_users(context) == []


async def test_a_sign_out_ends_the_streams_of_its_session(
    context: Context, open_stream: Open, checker: RevocationChecker
) -> None:
    ann, elsewhere = await session(context, "ann"), {"Cookie": ""}
    elsewhere["Cookie"] = f"{SESSION_COOKIE}={await context.auth.sign_in('ann', 'correct horse')}"
    async with open_stream(token="", headers=ann) as stream, open_stream(token="", headers=elsewhere):
        await stream.next("connected")
        await context.auth.accounts.end_session(ann["Cookie"].partition("=")[2], 60)
        await checker.check_once()
        assert open_users(context) == ["ann"]
        with pytest.raises(EOFError):
            await stream.next()


async def test_the_stream_of_a_removed_key_ends_and_one_of_the_settings_token_stays(
    context: Context, open_stream: Open, checker: RevocationChecker
) -> None:
    key = await context.auth.accounts.add_key("board", ["read"])
    async with open_stream(token=key), open_stream(token=TOKEN):
        assert open_users(context) == ["demo", "key:board"]
        await context.auth.accounts.remove_key("board")
        await checker.check_once()
        assert open_users(context) == ["demo"]


async def test_the_stream_of_an_expired_session_ends(
    context: Context, open_stream: Open, checker: RevocationChecker
) -> None:
    async with open_stream(token="", headers=await session(context, "ann")):
        context.auth.session_days = -1.0
        await checker.check_once()
        assert open_users(context) == []


async def test_while_redis_is_unavailable_no_stream_counts_as_revoked(
    context: Context, open_stream: Open, tmp_path: Path
) -> None:
    key = await context.auth.accounts.add_key("board", ["read"])
    with opened_accounts(connect("redis://127.0.0.1:1/0", timeout=0.5), tmp_path) as away:
        auth = Authenticator(away, secret=b"a secret of sixteen and more", token=None, session_days=14)
        async with open_stream(token=key):
            await RevocationChecker(context.hub, auth, scope="read").check_once()
            assert open_users(context) == ["key:board"]
