"""Access tokens from a provider of our own by TLS, with the real msal and google-auth."""

import asyncio
import contextlib
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.token_endpoint import Answer, TokenEndpoint
from worker.imap import LoginRefusedError, TokenUnavailableError
from worker.oauth import TokenRefresher, make_token_refresher
from workitems.base.errors import SettingsError
from workitems.settings import MailboxSettings

MailboxOf = Callable[..., MailboxSettings]

#: The ways of signing in.
KINDS = ("application", "person", "google")


def tokens(mailbox: MailboxSettings) -> TokenRefresher:
    found = make_token_refresher("desk", mailbox)
    assert found
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_asked_for_once_and_given_until_it_nears_its_end(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str
) -> None:
    desk = tokens(mailbox_of(kind))
    assert [await desk.access_token() for _ in range(3)] == ["access-1"] * 3
    assert len(endpoint.asked) == 1


async def test_an_application_signs_in_with_its_secret_and_asks_for_all_allowed_scopes(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf
) -> None:
    await tokens(mailbox_of("application")).access_token()
    (form,) = endpoint.asked
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "https://outlook.office365.com/.default"
    assert (form["client_id"], form["client_secret"]) == ("app-1", "app-secret")
    assert endpoint.paths == [
        "/example.onmicrosoft.com/v2.0/.well-known/openid-configuration",
        "/example.onmicrosoft.com/oauth2/v2.0/token",
    ]


async def test_a_persons_refresh_token_is_shown_to_microsoft_with_the_scope_of_imap(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf
) -> None:
    await tokens(mailbox_of("person")).access_token()
    (form,) = endpoint.asked
    assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "refresh-0")
    assert {"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"} <= set(form["scope"].split())
    assert "client_secret" not in form


async def test_national_clouds_have_scopes_of_their_own(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    await tokens(mailbox_of("application", host="outlook.office365.us")).access_token()
    await tokens(mailbox_of("person", host="partner.outlook.cn")).access_token()
    assert endpoint.asked[0]["scope"] == "https://outlook.office365.us/.default"
    assert "https://partner.outlook.cn/IMAP.AccessAsUser.All" in endpoint.asked[1]["scope"].split()


async def test_google_is_shown_the_refresh_token_and_the_secret(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    await tokens(mailbox_of("google")).access_token()
    assert endpoint.asked == [
        {
            "grant_type": "refresh_token",
            "client_id": "app-1",
            "client_secret": "app-secret",
            "refresh_token": "refresh-0",
        }
    ]
    assert endpoint.paths == ["/token"]


@pytest.mark.parametrize(("life", "margin"), [(3600, 300.0), (600, 60.0), ("3600", 300.0), (None, 30.0), (1e99, 300.0)])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_renewed_five_minutes_or_a_tenth_of_its_life_before_its_end(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str, life: object, margin: float
) -> None:
    endpoint.life = life
    desk = tokens(mailbox_of(kind))
    with contextlib.suppress(TokenUnavailableError):  # a library that cannot reckon with 1e99
        await desk.access_token()
        assert desk._cached
        believed = {1e99: 86_400.0, None: 300.0}.get(life, float(str(life)) if life else 0)  # type: ignore[call-overload]
        assert desk._cached.usable_until - time.monotonic() == pytest.approx(believed - margin, abs=25)


async def test_a_token_near_its_end_is_renewed(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    desk = tokens(mailbox_of("google"))
    await desk.access_token()
    now = time.monotonic()
    desk._clock = lambda: now + 3290
    assert await desk.access_token() == "access-1"
    desk._clock = lambda: now + 3301
    assert await desk.access_token() == "access-2"


async def test_while_the_provider_is_away_a_token_is_given_as_long_as_it_is_good(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf
) -> None:
    desk = tokens(mailbox_of("application"))
    await desk.access_token()
    now = time.monotonic()
    for _ in range(2):
        endpoint.say(503, b"away")
    desk._clock = lambda: now + 3400
    assert await desk.access_token() == "access-1"
    desk._clock = lambda: now + 3590
    with pytest.raises(TokenUnavailableError):
        await desk.access_token()
    assert await desk.access_token() == "access-2"


async def test_simultaneous_callers_share_one_request(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    desk = tokens(mailbox_of("person"))
    assert await asyncio.gather(*(desk.access_token() for _ in range(20))) == ["access-1"] * 20
    assert len(endpoint.asked) == 1
    desk.invalidate("access-1")
    endpoint.say(400, {"error": "invalid_grant"})
    found = await asyncio.gather(*(desk.access_token() for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in found} == {LoginRefusedError}
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_token_is_not_given_again_and_an_older_refusal_takes_no_new_one(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str
) -> None:
    desk = tokens(mailbox_of(kind))
    await desk.access_token()
    desk.invalidate("access-1")
    assert await desk.access_token() == "access-2"
    desk.invalidate("access-1")  # of another connection, later
    assert await desk.access_token() == "access-2"


@pytest.mark.parametrize("kind", ["person", "google"])
async def test_a_replaced_refresh_token_is_stored_and_then_used(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path, kind: str
) -> None:
    endpoint.rotates = True
    desk, file = tokens(mailbox_of(kind)), tmp_path / "token"
    await desk.access_token()
    assert file.read_text() == "refresh-1\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    desk.invalidate("access-1")
    await desk.access_token()
    assert [form["refresh_token"] for form in endpoint.asked] == ["refresh-0", "refresh-1"]
    assert names_in(tmp_path) == ["token"], "a draft was left behind"


async def test_no_access_token_is_given_before_its_refresh_token_is_stored(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    """With a full disk the new refresh token is not lost, and no further one is requested."""
    store = tmp_path / "store.sh"
    full, kept = tmp_path / "full", tmp_path / "kept"
    store.write_text(f'#!/bin/sh\n[ "$1" = get ] && exec cat {kept}\n[ -e {full} ] && exit 1\ncat > {kept}\n')
    store.chmod(0o700)
    kept.write_text("refresh-0")
    endpoint.rotates = True
    desk = tokens(mailbox_of("person", token_file=None, token_command=[str(store)]))
    full.touch()
    for _ in range(2):
        with pytest.raises(TokenUnavailableError, match="failed with status 1"):
            await desk.access_token()
    assert len(endpoint.asked) == 1
    full.unlink()
    assert await desk.access_token() == "access-2"
    assert [form["refresh_token"] for form in endpoint.asked] == ["refresh-0", "refresh-1"]
    assert kept.read_text() == "refresh-2\n"


async def test_the_result_of_a_cancelled_renewal_is_stored(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    asked, go = threading.Event(), threading.Event()

    def slowly() -> Answer:
        asked.set()
        go.wait(60)
        return 200, {"access_token": "late", "refresh_token": "rotated", "expires_in": 3600}, {}

    endpoint.do(slowly)
    desk = tokens(mailbox_of("person"))
    waiting = asyncio.create_task(desk.access_token())
    await asyncio.to_thread(asked.wait, 60)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await desk.access_token() == "late"
    assert (tmp_path / "token").read_text() == "rotated\n"
    assert len(endpoint.asked) == 1


async def test_a_slow_provider_does_not_block_the_loop(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    go = threading.Event()

    def slowly() -> Answer:
        go.wait(60)
        return 200, {"access_token": "late", "expires_in": 3600}, {}

    endpoint.do(slowly)
    waiting = asyncio.create_task(tokens(mailbox_of("application")).access_token())
    while not endpoint.asked:
        await asyncio.sleep(0.005)
    assert not waiting.done()
    go.set()
    assert await waiting == "late"


async def test_a_missing_sign_in_is_an_error_with_advice(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    with pytest.raises(LoginRefusedError, match=r"nobody has signed in for desk yet.*run\.py authorize desk"):
        await tokens(mailbox_of("person", kept=None)).access_token()
    assert not endpoint.asked


async def test_a_later_sign_in_is_used_without_a_restart(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    desk = tokens(mailbox_of("google", kept=None))
    with pytest.raises(LoginRefusedError):
        await desk.access_token()
    mailbox_of("google", kept="fresh")
    await desk.access_token()
    assert endpoint.asked[0]["refresh_token"] == "fresh"


async def test_an_application_needs_a_tenant_of_one_directory(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    with pytest.raises(SettingsError, match=r"tenant.*example\.onmicrosoft\.com"):
        await tokens(mailbox_of("application", tenant="organizations")).access_token()
    assert not endpoint.paths


async def test_an_unknown_tenant_is_an_error(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    with pytest.raises(LoginRefusedError, match=r"nobody\.example is not known.*Check tenant"):
        await tokens(mailbox_of("application", tenant="nobody.example")).access_token()


def test_a_password_needs_no_tokens() -> None:
    assert make_token_refresher("desk", MailboxSettings(host="127.0.0.1", user="desk", password="secret")) is None
