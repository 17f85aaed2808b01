"""The login by access token: as at Microsoft 365 and Gmail, and by the standard."""

import asyncio
import base64
import re
from dataclasses import replace

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import (
    Account,
    CommandRefusedError,
    ConnectionLostError,
    LoginRefusedError,
    TokenUnavailableError,
    connect,
)


class Tokens:
    """Gives a new token only when the last one was refused."""

    advice = "run.py authorize desk"

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)

    async def access_token(self) -> str:
        return self.left[0]

    def invalidate(self, token: str) -> None:
        if len(self.left) > 1 and token == self.left[0]:
            del self.left[0]


def by_token(server: ScriptedImap, *tokens: str) -> Account:
    return replace(server.account, user="desk@example.com", password="", tokens=Tokens(*tokens))


def told(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


async def ask_for_a_token(talk: Talk, capabilities: str = "AUTH=PLAIN AUTH=XOAUTH2 SASL-IR") -> None:
    await talk.say("* OK The Microsoft Exchange IMAP4 service is ready.")
    await talk.answer("CAPABILITY", f"* CAPABILITY IMAP4rev1 {capabilities}")


@pytest.mark.parametrize("initial", [True, False])
async def test_an_access_token_is_shown_by_xoauth2(initial: bool) -> None:
    response = told(b"user=desk@example.com\x01auth=Bearer tok-1\x01\x01")

    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk, "AUTH=XOAUTH2" + (" SASL-IR" if initial else ""))
        if initial:
            await talk.answer(re.escape(f"AUTHENTICATE XOAUTH2 {response}"))
        else:
            tag = await talk.expect("AUTHENTICATE XOAUTH2")
            await talk.say("+ ")
            assert await talk.line() == response
            await talk.say(f"{tag} OK in")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE MOVE")

    async with ScriptedImap(script) as server:
        connection = await connect(by_token(server, "tok-1"))
        assert "MOVE" in connection.capabilities
        await connection.close()


async def test_where_a_server_knows_the_standard_alone_the_token_is_shown_by_oauthbearer() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk, "AUTH=OAUTHBEARER SASL-IR")
        (host, port) = talk.writer.get_extra_info("sockname")
        sent = f"n,a=a=2Cb=3Dc@example.com,\1host={host}\1port={port}\1auth=Bearer tok-1\1\1"
        tag = await talk.expect(re.escape(f"AUTHENTICATE OAUTHBEARER {told(sent.encode())}"))
        await talk.say(f"{tag} OK in")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")

    async with ScriptedImap(script) as server:
        connection = await connect(replace(by_token(server, "tok-1"), user="a,b=c@example.com"))
        await connection.close()


async def test_oauthbearer_hears_the_reason_out_with_the_line_that_the_standard_wants() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk, "AUTH=OAUTHBEARER")
        tag = await talk.expect("AUTHENTICATE OAUTHBEARER")
        await talk.say("+ ")
        await talk.line()
        await talk.say("+ " + told(b'{"status":"invalid_token"}'))
        assert await talk.line() == "AQ=="
        await talk.say(f"{tag} NO SASL authentication failed")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="invalid_token"):
            await connect(by_token(server, "tok-1"))


async def test_a_server_that_takes_no_token_is_sent_none() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk, "AUTH=PLAIN")
        await talk.gone()
        assert talk.heard == ["CAPABILITY"]

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER"):
            await connect(by_token(server, "tok-1"))


async def test_a_token_that_was_taken_back_is_replaced_and_tried_again_at_once() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        await talk.answer("AUTHENTICATE .*", end="NO AUTHENTICATE failed.")
        response = told(b"user=desk@example.com\x01auth=Bearer new\x01\x01")
        await talk.answer(re.escape(f"AUTHENTICATE XOAUTH2 {response}"))
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")

    async with ScriptedImap(script) as server:
        connection = await connect(by_token(server, "old", "new"))
        await connection.close()


async def test_a_new_token_that_is_refused_too_needs_a_person_and_the_error_says_what_to_do() -> None:
    """Refuses as Gmail does: the reason in a challenge, and NO after an empty line."""
    reason = b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'

    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        for _ in range(2):
            tag = await talk.expect("AUTHENTICATE XOAUTH2 .*")
            await talk.say("+ " + told(reason))
            assert await talk.line() == ""
            await talk.say(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")
        await talk.gone()

    async with ScriptedImap(script) as server:
        account = by_token(server, "secret-1", "secret-2", "secret-3")
        with pytest.raises(
            LoginRefusedError, match=r'Invalid credentials.*"status":"400".*run\.py authorize desk'
        ) as caught:
            await connect(account)
        assert "secret" not in str(caught.value) + repr(account)
        assert caught.value.advice == "run.py authorize desk"
        assert account.tokens
        assert await account.tokens.access_token() == "secret-3", "a refused token was kept"


async def test_a_server_that_hangs_up_on_a_refused_token_has_refused_it() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        await talk.answer("AUTHENTICATE .*", end="NO AUTHENTICATE failed.")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="AUTHENTICATE failed"):
            await connect(by_token(server, "old", "new"))


async def test_a_server_without_room_for_us_does_not_cost_a_good_token() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        await talk.answer("AUTHENTICATE .*", end="NO [UNAVAILABLE] Server Busy")
        await talk.gone()

    async with ScriptedImap(script) as server:
        account = by_token(server, "good", "other")
        with pytest.raises(CommandRefusedError, match="Server Busy"):
            await connect(account)
        assert account.tokens
        assert await account.tokens.access_token() == "good"


async def test_a_server_that_repeats_our_token_does_not_get_it_into_an_error() -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        tag = await talk.expect("AUTHENTICATE XOAUTH2 .*")
        await talk.say("+ " + told(b"no such token: top-secret"))
        await talk.line()
        await talk.say(f"{tag} NO {talk.heard[-1]} and Bearer top-secret")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="no such token: …") as caught:
            await connect(by_token(server, "top-secret"))
        assert "top-secret" not in str(caught.value)
        assert told(b"top-secret")[:12] not in str(caught.value)


@pytest.mark.parametrize(
    ("bye", "expired"),
    [
        ("* BYE Session invalidated - AccessTokenExpired", True),
        ("* BYE Session expired, please login again.", True),
        ("* BYE Server is shutting down", False),
    ],
)
@pytest.mark.parametrize("waiting", [True, False])
async def test_a_connection_that_outlived_its_token_says_so_and_the_token_is_not_used_again(
    bye: str, expired: bool, waiting: bool
) -> None:
    async def script(talk: Talk) -> None:
        await ask_for_a_token(talk)
        await talk.answer("AUTHENTICATE .*")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE")
        await talk.select()
        await talk.expect("IDLE" if waiting else "NOOP")
        await talk.say(bye)
        talk.hang_up()

    async with ScriptedImap(script) as server:
        account = by_token(server, "old", "new")
        connection = await connect(account)
        await connection.select("INBOX")
        with pytest.raises(ConnectionLostError, match="ended the connection") as caught:
            await (connection.idle(20, asyncio.Event()) if waiting else connection.noop())
        assert caught.value.is_token_expired is expired
        with pytest.raises(ConnectionLostError) as caught:
            await connection.noop()
        assert caught.value.is_token_expired is expired
        await connection.close()
        assert account.tokens
        assert await account.tokens.access_token() == ("new" if expired else "old")


async def test_a_session_of_a_password_that_ends_is_an_ordinary_loss() -> None:
    async def script(talk: Talk) -> None:
        await talk.sign_in()
        await talk.expect("NOOP")
        await talk.say("* BYE Session expired, please login again.")
        talk.hang_up()

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        with pytest.raises(ConnectionLostError, match="Session expired") as caught:
            await connection.noop()
        assert not caught.value.is_token_expired
        await connection.close()


async def test_without_a_token_no_server_is_connected() -> None:
    class Nothing(Tokens):
        async def access_token(self) -> str:
            raise TokenUnavailableError("the provider is not ready")

    async def script(talk: Talk) -> None:
        pytest.fail("the server was called")

    async with ScriptedImap(script) as server:
        with pytest.raises(TokenUnavailableError) as caught:
            await connect(replace(server.account, tokens=Nothing()))
        assert not caught.value.permanent
