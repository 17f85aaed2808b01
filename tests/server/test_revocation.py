"""A stream ends soon after its owner may no longer read."""

from collections.abc import Callable

import pytest

from server import revocation
from server.auth import COOKIE, Auth
from server.context import Context
from server.revocation import Revocation
from tests.server.conftest import TOKEN
from tests.support.sse_client import EventStream
from workitems import remembered
from workitems.people import People
from workitems.redis import connect

Open = Callable[..., EventStream]


@pytest.fixture
def look(context: Context) -> Revocation:
    return Revocation(context.hub, context.auth, scope="read")


async def session(context: Context, name: str) -> dict[str, str]:
    await context.auth.people.add(name, "correct horse", "agent")
    return {"Cookie": f"{COOKIE}={await context.auth.sign_in(name, 'correct horse')}"}


def open_users(context: Context) -> list[str]:
    return sorted(stream.slot.name for stream in context.hub.streams)


def test_a_look_and_what_is_remembered_of_people_take_less_than_30_seconds() -> None:
    assert revocation.LOOK + remembered.FRESH < 30


async def test_a_removed_user_s_streams_end_whole_and_nobody_else_s(
    context: Context, open_stream: Open, look: Revocation
) -> None:
    ann = await session(context, "ann")
    async with (
        open_stream(token="", headers=ann) as first,
        open_stream(token="", headers=ann) as second,
        open_stream(token="", headers=await session(context, "bob")) as other,
    ):
        for stream in (first, second, other):
            await stream.next("connected")
        await look.step()
        assert open_users(context) == ["ann", "ann", "bob"]
        await context.auth.people.remove("ann")
        await look.step()
        assert open_users(context) == ["bob"]
        for stream in (first, second):
            with pytest.raises(EOFError):
                await stream.next()
            assert stream.whole
    assert context.hub.counts["closed_revoked"] == 2


async def test_another_password_ends_the_streams_of_older_sessions(
    context: Context, open_stream: Open, look: Revocation
) -> None:
    async with open_stream(token="", headers=await session(context, "ann")):
        await session(context, "ann")
        await look.step()
        assert open_users(context) == []


async def test_a_session_that_was_signed_out_has_no_stream_any_more(
    context: Context, open_stream: Open, look: Revocation
) -> None:
    ann, elsewhere = await session(context, "ann"), {"Cookie": ""}
    elsewhere["Cookie"] = f"{COOKIE}={await context.auth.sign_in('ann', 'correct horse')}"
    async with open_stream(token="", headers=ann) as stream, open_stream(token="", headers=elsewhere):
        await stream.next("connected")
        await context.auth.people.end_session(ann["Cookie"].partition("=")[2], 60)
        await look.step()
        assert open_users(context) == ["ann"]
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_removed_key_s_stream_ends_and_one_of_the_settings_token_stays(
    context: Context, open_stream: Open, look: Revocation
) -> None:
    key = await context.auth.people.add_key("board", ["read"])
    async with open_stream(token=key), open_stream(token=TOKEN):
        assert open_users(context) == ["demo", "key:board"]
        await context.auth.people.remove_key("board")
        await look.step()
        assert open_users(context) == ["demo"]


async def test_a_session_that_has_come_to_its_age_ends(context: Context, open_stream: Open, look: Revocation) -> None:
    async with open_stream(token="", headers=await session(context, "ann")):
        context.auth.session_days = -1.0
        await look.step()
        assert open_users(context) == []


async def test_while_the_store_is_away_nobody_is_taken_for_revoked(context: Context, open_stream: Open) -> None:
    key = await context.auth.people.add_key("board", ["read"])
    away = People(connect("redis://127.0.0.1:1/0", timeout=0.5))
    auth = Auth(away, secret=b"a secret of sixteen and more", token=None, session_days=14)
    async with open_stream(token=key):
        await Revocation(context.hub, auth, scope="read").step()
        assert open_users(context) == ["key:board"]
    away.close()
