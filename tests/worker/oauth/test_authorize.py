"""`run.py authorize`: the whole sign-in of a person, at both providers."""

import asyncio
import hashlib
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.program import PROJECT
from tests.support.token_endpoint import TokenEndpoint
from worker.imap import ImapError, LoginRefusedError, TokenUnavailableError
from worker.oauth.authorize import authorize
from workitems.base.errors import SettingsError
from workitems.settings import MailboxSettings, Settings

MailboxOf = Callable[..., MailboxSettings]

PENDING = (400, {"error": "authorization_pending"})
SLOW_DOWN = (400, {"error": "slow_down"})


class Clock:
    """Pauses that take no time; `pauses` are their seconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


def settings_of(mailbox: MailboxSettings) -> Settings:
    return Settings(mailboxes={"desk": mailbox})


# --- Microsoft --------------------------------------------------------------------------------------------------------


async def test_a_person_enters_a_code_and_the_refresh_token_is_stored(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    said, clock = list[str](), Clock()
    endpoint.rotates = True
    for answer in (PENDING, SLOW_DOWN, PENDING):
        endpoint.say(*answer)
    await authorize(settings_of(mailbox_of("person", kept=None)), "desk", said.append, clock)
    assert "https://microsoft.com/devicelogin" in said[0]
    assert "ABCD-1234" in said[0]
    assert "desk@example.com" in said[0]
    assert clock.pauses == [1.0, 1.0, 6.0, 6.0], "five seconds more after slow_down (RFC 8628 §3.5)"
    assert {form["grant_type"] for form in endpoint.asked} == {"urn:ietf:params:oauth:grant-type:device_code"}
    assert (tmp_path / "token").read_text() == "refresh-1\n"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert not [each for each in said if "refresh-1" in each or "access-1" in each or "device-secret" in each]


async def test_a_network_that_fails_while_a_person_signs_in_does_not_end_the_sign_in(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    endpoint.rotates, clock = True, Clock()
    endpoint.say(503, b"away")
    await authorize(settings_of(mailbox_of("person", kept=None)), "desk", str, clock)
    assert clock.pauses == [1.0, 6.0]
    assert (tmp_path / "token").exists()


@pytest.mark.parametrize("code", ["expired_token", "authorization_declined", "access_denied", "code_expired"])
async def test_a_sign_in_that_is_denied_or_too_late_keeps_the_stored_token(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path, code: str
) -> None:
    endpoint.say(400, {"error": code})
    with pytest.raises(LoginRefusedError, match=rf"{code}.*run\.py authorize desk"):
        await authorize(settings_of(mailbox_of("person")), "desk", str, Clock())
    assert (tmp_path / "token").read_text() == "refresh-0\n"


async def test_a_code_is_polled_for_as_long_as_it_is_valid(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    endpoint.device["expires_in"], endpoint.device["interval"] = 30, 10
    for _ in range(10):
        endpoint.say(*PENDING)
    clock = Clock()
    with pytest.raises(LoginRefusedError, match="nobody entered the code in time"):
        await authorize(settings_of(mailbox_of("person")), "desk", str, clock)
    assert clock.pauses == [10.0, 10.0, 10.0]


@pytest.mark.parametrize(
    "change",
    [{"verification_uri": "javascript:alert(1)"}, {"user_code": "\x1b[2J"}, {"interval": "soon"}, {"expires_in": None}],
)
async def test_an_answer_that_makes_no_sense_is_not_shown(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, change: dict[str, object]
) -> None:
    endpoint.device |= change
    said = list[str]()
    with pytest.raises(TokenUnavailableError):
        await authorize(settings_of(mailbox_of("person")), "desk", said.append, Clock())
    assert not said


async def test_an_application_without_the_device_flow_is_an_error(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf
) -> None:
    endpoint.device = {"error": "unauthorized_client", "error_description": "AADSTS700016: no such application"}
    with pytest.raises(LoginRefusedError, match=r"unauthorized_client.*AADSTS700016"):
        await authorize(settings_of(mailbox_of("person")), "desk", str, Clock())


async def test_a_sign_in_without_the_scope_for_mail_is_not_stored(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    endpoint.scope, endpoint.rotates = "openid profile", True
    with pytest.raises(LoginRefusedError, match=r"IMAP\.AccessAsUser\.All"):
        await authorize(settings_of(mailbox_of("person", kept=None)), "desk", str, Clock())
    endpoint.scope, endpoint.rotates = "https://outlook.office.com/IMAP.AccessAsUser.All", False
    with pytest.raises(LoginRefusedError, match="no refresh token"):
        await authorize(settings_of(mailbox_of("person", kept=None)), "desk", str, Clock())
    assert not (tmp_path / "token").exists()


def test_the_verb_tells_keeps_and_ends(endpoint: TokenEndpoint, tmp_path: Path) -> None:
    endpoint.rotates = True
    (tmp_path / "tubepost.toml").write_text(
        f'[mailboxes.desk]\nhost = "127.0.0.1"\nuser = "desk@example.com"\nauth = "microsoft"\nclient_id = "app-1"\n'
        f'token_file = "{tmp_path}/token"\nauthority = "{endpoint.address}"\n'
    )
    environment = {
        "TUBEPOST_CONFIG": str(tmp_path / "tubepost.toml"), "REQUESTS_CA_BUNDLE": endpoint.ca_file,
        "PATH": os.environ["PATH"],
    }  # fmt: skip
    command = [sys.executable, str(PROJECT / "run.py"), "authorize"]
    done = subprocess.run([*command, "desk"], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ABCD-1234" in done.stdout
    assert "is stored" in done.stdout
    assert (tmp_path / "token").read_text() == "refresh-1\n"
    done = subprocess.run([*command, "claims"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no mailbox is named 'claims'; there are: desk" in done.stderr


# --- Google -----------------------------------------------------------------------------------------------------------


class Browser:
    """A person with a browser: takes the printed link, and follows the redirect with an answer."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.link: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(self, words: str) -> None:
        self.said.append(words)
        if found := re.search(r"https://\S+/o/oauth2/v2/auth\S+", words):
            self.link.set_result(found[0])

    async def asked(self) -> dict[str, str]:
        """Return the query of the link."""
        return {name: values[0] for name, values in parse_qs(urlsplit(await self.link).query).items()}

    async def back(self, path: str = "/", **said: str) -> int:
        """Follow the redirect and return the status of the page."""
        address = (await self.asked())["redirect_uri"].rstrip("/") + path + "?" + urlencode(said)
        return await asyncio.to_thread(self._open, address)

    @staticmethod
    def _open(address: str) -> int:
        try:
            with urllib.request.urlopen(address, timeout=10) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


async def test_a_person_consents_and_the_refresh_token_is_stored(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    browser = Browser()
    endpoint.rotates, endpoint.scope = True, "https://mail.google.com/"
    signing_in = asyncio.create_task(authorize(settings_of(mailbox_of("google", kept=None)), "desk", browser.hear))
    asked = await browser.asked()
    assert asked["scope"] == "https://mail.google.com/"
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent"), "otherwise there is no refresh token"
    assert (asked["client_id"], asked["login_hint"]) == ("app-1", "desk@example.com")
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert await browser.back("/favicon.ico") == 404
    assert await browser.back(code="stolen", state="guessed") == 400
    assert await browser.back(code="stolen") == 400
    assert await browser.back(code="the-code", state=asked["state"]) == 200
    await signing_in
    (form,) = endpoint.asked
    assert (form["grant_type"], form["code"]) == ("authorization_code", "the-code")
    assert form["redirect_uri"] == asked["redirect_uri"]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
    assert 43 <= len(form["code_verifier"]) <= 128
    assert (tmp_path / "token").read_text() == "refresh-1\n"
    assert not [each for each in browser.said if "refresh-1" in each or "app-secret" in each]


async def test_a_denied_consent_is_an_error_with_advice(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    browser = Browser()
    signing_in = asyncio.create_task(authorize(settings_of(mailbox_of("google")), "desk", browser.hear))
    assert await browser.back(error="access_denied", state=(await browser.asked())["state"]) == 200
    with pytest.raises(LoginRefusedError, match=r"access_denied.*run\.py authorize desk"):
        await signing_in
    assert not endpoint.asked


async def test_a_consent_without_mail_is_no_sign_in(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    browser = Browser()
    endpoint.scope, endpoint.rotates = "openid", True
    signing_in = asyncio.create_task(authorize(settings_of(mailbox_of("google")), "desk", browser.hear))
    await browser.back(code="c", state=(await browser.asked())["state"])
    with pytest.raises(LoginRefusedError, match=r"mail\.google\.com"):
        await signing_in


async def test_the_wait_for_a_consent_has_a_limit(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.oauth.loopback.LONGEST_WAIT", 0.05)
    with pytest.raises(LoginRefusedError, match="nobody consented in time"):
        await authorize(settings_of(mailbox_of("google")), "desk", str)


async def test_a_sign_in_can_be_ended_and_its_port_is_closed(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    browser = Browser()
    signing_in = asyncio.create_task(authorize(settings_of(mailbox_of("google")), "desk", browser.hear))
    asked = await browser.asked()
    signing_in.cancel()
    with pytest.raises(asyncio.CancelledError):
        await signing_in
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", urlsplit(asked["redirect_uri"]).port)


@pytest.mark.parametrize("line", [b"", b"GET", b"POST /?state=x HTTP/1.1", b"GET //[ HTTP/1.1", b"GET /?" + b"a&" * 99])
async def test_requests_of_strangers_have_no_effect(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser()
    signing_in = asyncio.create_task(authorize(settings_of(mailbox_of("google")), "desk", browser.hear))
    asked = await browser.asked()
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(asked["redirect_uri"]).port)
    writer.write(line + b"\r\n\r\n")
    assert not (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await browser.back(code="c", state=asked["state"])
    with pytest.raises(ImapError):  # no refresh token in this answer
        await signing_in
    assert not caplog.records


# --- what cannot be authorized ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "match"),
    [
        ("application", {}, "application signs in by itself"),
        ("person", {"client_secret": "app-secret"}, r"client_secret: leave it out"),
        ("person", {"token_file": Path("/no/such/folder/token")}, "nothing can be written in"),
    ],
)
async def test_settings_that_cannot_work_are_reported_before_the_sign_in(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str, changes: dict[str, object], match: str
) -> None:
    with pytest.raises(SettingsError, match=match):
        await authorize(settings_of(mailbox_of(kind, **changes)), "desk", str)
    assert not endpoint.paths


async def test_a_mailbox_with_a_password_needs_no_sign_in() -> None:
    mailbox = MailboxSettings(host="127.0.0.1", user="desk", password="secret")
    with pytest.raises(SettingsError, match="signs in by password"):
        await authorize(settings_of(mailbox), "desk", str)


async def test_a_command_that_has_nothing_yet_and_fails_is_filled(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, tmp_path: Path
) -> None:
    endpoint.rotates, store, kept = True, tmp_path / "store", tmp_path / "kept"
    store.write_text(f'#!/bin/sh\n[ "$1" = get ] && exec cat {kept}\ncat > {kept}\n')
    store.chmod(0o700)
    mailbox = mailbox_of("person", token_file=None, token_command=[str(store)], kept=None)
    await authorize(settings_of(mailbox), "desk", str, Clock())
    assert kept.read_text() == "refresh-1\n"
