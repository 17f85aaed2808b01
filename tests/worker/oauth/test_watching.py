"""A poller that signs in by OAuth at a scripted Microsoft 365, with tokens from a provider of our own."""

import asyncio
import base64
from collections.abc import Callable

import pytest

from tests.support.scripted_imap import ScriptedImap, Talk
from tests.support.token_endpoint import TokenEndpoint
from tests.worker.polled_mailbox import until
from worker.imap import TokenUnavailableError
from worker.mailboxes import poller
from worker.mailboxes.poller import MAX_TOKEN_WAIT_SECONDS, Poller
from worker.mailboxes.watched_folder import watched_folders
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.settings import MailboxSettings, Settings

MailboxOf = Callable[..., MailboxSettings]


class Watching:
    """A poller at *office*, and what its record says."""

    def __init__(self, office: ScriptedImap, mailbox: MailboxSettings, redis: RedisClient, intake: Intake) -> None:
        mailbox = mailbox.model_copy(update={"port": office.port, "tls": "none"})
        settings = Settings(mailboxes={"desk": mailbox})
        (watch,) = watched_folders("desk", mailbox, settings)
        self.poller = Poller(watch, FolderRecord(redis, "desk"), intake)
        self.told: list[dict[str, str]] = []
        self._redis = redis
        self._running = asyncio.create_task(self.poller.run())

    async def comes_to(self, state: str) -> dict[str, str]:
        async def there() -> bool:
            found = await self._redis.hgetall(keys.mailbox("desk"))
            record = {name.decode(): value.decode() for name, value in found.items()}
            if record and (not self.told or record["state"] != self.told[-1]["state"]):
                self.told.append(record)
            return bool(record) and record["state"] == state

        await until(there)
        return self.told[-1]

    async def end(self) -> None:
        await self.poller.stop(1)
        await asyncio.wait([self._running], timeout=20)
        assert self._running.done()


def response(token: str) -> str:
    return base64.b64encode(f"user=desk@example.com\1auth=Bearer {token}\1\1".encode()).decode()


async def greet(talk: Talk) -> None:
    await talk.say("* OK The Microsoft Exchange IMAP4 service is ready.")
    await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR IDLE")


async def empty_until_idle(talk: Talk, token: str) -> str:
    """Accept *token* and serve until IDLE. Returns its tag."""
    await greet(talk)
    await talk.answer(f"AUTHENTICATE XOAUTH2 {response(token).replace('+', '[+]')}")
    await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE")
    await talk.select(exists=0)
    await talk.answer("UID SEARCH .*", "* SEARCH")
    tag = await talk.expect("IDLE")
    await talk.say("+ idling")
    return tag


async def goodbye(talk: Talk, idling: str) -> None:
    assert await talk.line() == "DONE"
    await talk.say(f"{idling} OK done")
    await talk.answer("LOGOUT", "* BYE see you")


async def test_an_expired_token_is_replaced_at_once_without_a_warning(
    endpoint: TokenEndpoint,
    mailbox_of: MailboxOf,
    redis: RedisClient,
    intake: Intake,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poller, "delay", lambda failures, **_: 3600.0)
    again = asyncio.Event()
    idling = asyncio.Event()

    async def first(talk: Talk) -> None:
        await empty_until_idle(talk, "access-1")
        idling.set()
        await again.wait()
        await talk.say("* BYE Session invalidated - AccessTokenExpired")
        talk.hang_up()

    async def second(talk: Talk) -> None:
        idling.clear()
        tag = await empty_until_idle(talk, "access-2")
        idling.set()
        await goodbye(talk, tag)

    async with ScriptedImap(first, second) as office:
        watching = Watching(office, mailbox_of("application"), redis, intake)
        await watching.comes_to("watching")
        await idling.wait()
        idling.clear()
        again.set()
        async with asyncio.timeout(20):  # and not after the wait that follows a failure
            await idling.wait()
        await watching.comes_to("watching")
        await watching.end()
    assert [each["state"] for each in watching.told if each["state"] != "connecting"] == ["watching"]
    assert "warning" not in "".join(capsys.readouterr())
    assert len(endpoint.asked) == 2


async def test_a_mailbox_that_refuses_new_tokens_needs_a_sign_in_and_says_what_to_do(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, redis: RedisClient, intake: Intake
) -> None:
    async def script(talk: Talk) -> None:
        await greet(talk)
        for _ in range(2):
            await talk.answer("AUTHENTICATE .*", end="NO AUTHENTICATE failed.")
        await talk.gone()

    async with ScriptedImap(script) as office:
        watching = Watching(office, mailbox_of("person"), redis, intake)
        record = await watching.comes_to("needs_sign_in")
        assert "AUTHENTICATE failed" in record["error"]
        assert "run.py authorize desk" in record["error"]
        assert not [word for word in ("access-1", "access-2", "refresh-0") if word in record["error"]]
        await watching.end()
    assert len(endpoint.asked) == 2


async def test_a_provider_that_refuses_needs_a_sign_in_and_the_mailbox_is_not_called(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, redis: RedisClient, intake: Intake
) -> None:
    async def script(talk: Talk) -> None:
        pytest.fail("the mailbox was called")

    endpoint.say(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
    async with ScriptedImap(script) as office:
        watching = Watching(office, mailbox_of("google"), redis, intake)
        record = await watching.comes_to("needs_sign_in")
        assert 'invalid_grant: "Token has been expired or revoked."' in record["error"]
        await watching.end()


async def test_a_provider_that_is_away_is_an_ordinary_failure_that_passes(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, redis: RedisClient, intake: Intake
) -> None:
    async def script(talk: Talk) -> None:
        await goodbye(talk, await empty_until_idle(talk, "access-1"))

    endpoint.say(503, b"away")
    async with ScriptedImap(script) as office:
        watching = Watching(office, mailbox_of("application"), redis, intake)
        assert "status 503" in (await watching.comes_to("failing"))["error"]
        await watching.comes_to("watching")
        await watching.end()


async def test_the_poller_waits_as_long_as_a_provider_asks(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, redis: RedisClient, intake: Intake
) -> None:
    settings = Settings(mailboxes={"desk": mailbox_of("application")})
    (watch,) = watched_folders("desk", settings.mailboxes["desk"], settings)
    desk = Poller(watch, FolderRecord(redis, "desk"), intake)
    assert await desk._handle_error(TokenUnavailableError("not ready", 300.0), 0) == 300.0
    assert await desk._handle_error(TokenUnavailableError("not ready", 1e9), 0) == MAX_TOKEN_WAIT_SECONDS
    await desk.stop(1)
