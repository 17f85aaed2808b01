"""Answers of a provider without a token: temporary errors, and those that need a person."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest
import requests

from tests.support.token_endpoint import Answer, TokenEndpoint
from worker.imap import ImapError, LoginRefusedError, TokenUnavailableError
from worker.oauth import TokenRefresher, make_token_refresher
from worker.oauth.provider_client import _read_body
from workitems.settings import MailboxSettings

MailboxOf = Callable[..., MailboxSettings]

#: The ways of signing in.
KINDS = ("application", "person", "google")


def tokens(mailbox: MailboxSettings) -> TokenRefresher:
    found = make_token_refresher("desk", mailbox)
    assert found
    return found


PASSING = [
    (503, {"error": "temporarily_unavailable"}),
    (500, b"<html>Our services aren't available right now</html>"),
    (429, {"error": "rate_limited"}),
    (400, {"error": "temporarily_unavailable"}),
    (200, b"not JSON at all"),
    (200, b"[1]"),
    (200, b"[" * 100_000),
    (200, {"hello": "there"}),
    (200, {"access_token": "two words", "expires_in": 3600}),
    (200, {"access_token": "line\r\nend", "expires_in": 3600}),
    (200, {"access_token": "x" * 20_000, "expires_in": 3600}),
    (200, {"access_token": ["x"], "expires_in": 3600}),
    (200, {"access_token": "x", "refresh_token": "a\nb"}),
    (200, b" " * 300_000),
    (302, {}),
]


@pytest.mark.parametrize(("status", "content"), PASSING, ids=[f"{n}" for n in range(len(PASSING))])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_temporary_error_is_no_refusal(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str, status: int, content: dict[str, object] | bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    for _ in range(3):  # google-auth asks three times
        endpoint.say(status, content, Location="https://evil.example/token")
    desk = tokens(mailbox_of(kind))
    with pytest.raises(TokenUnavailableError) as caught:
        await desk.access_token()
    assert not caught.value.permanent
    endpoint._next.clear()
    assert await desk.access_token() == "access-1"


async def test_the_retry_after_of_a_provider_is_kept(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    endpoint.say(429, {"error": "busy"}, Retry_After="120")
    desk = tokens(mailbox_of("application"))
    with pytest.raises(TokenUnavailableError, match="status 429"):
        await desk.access_token()
    with pytest.raises(TokenUnavailableError, match=r"stay away for 1\d\d s more"):
        await desk.access_token()
    assert len(endpoint.asked) == 1


async def test_an_unreachable_provider_is_a_temporary_error(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in KINDS:
        with pytest.raises(TokenUnavailableError, match=r"127\.0\.0\.1:1 cannot be reached"):
            await tokens(mailbox_of(kind, authority="https://127.0.0.1:1")).access_token()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    for kind in KINDS:
        with pytest.raises(TokenUnavailableError, match=r"cannot be asked: .*/no/such/bundle\.pem"):
            await tokens(mailbox_of(kind)).access_token()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    for kind in KINDS:
        with pytest.raises(TokenUnavailableError, match="not trusted; REQUESTS_CA_BUNDLE"):
            await tokens(mailbox_of(kind)).access_token()
    assert not endpoint.asked


@pytest.mark.parametrize("drips", [False, True])
async def test_a_provider_that_does_not_answer_times_out(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    go = threading.Event()

    def never() -> Answer:
        go.wait(60)
        return 200, {}, {}

    monkeypatch.setattr("worker.oauth.provider_client.READ_TIMEOUT", 0.2)
    monkeypatch.setattr("worker.oauth.provider_client.TOTAL", 0.0 if drips else 15.0)
    if not drips:
        endpoint.do(never)
    with pytest.raises(TokenUnavailableError, match="does not answer in time"):
        await tokens(mailbox_of("google")).access_token()
    go.set()


def test_an_answer_that_comes_byte_by_byte_times_out() -> None:
    """The read time-out does not help here: a byte comes from time to time, for hours."""

    def drip(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as line:
            line.recv(64 * 1024)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
            while not gone.wait(0.05):
                line.sendall(b" ")

    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, requests.Session() as session:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        try:
            with (
                session.get(url, stream=True, timeout=5) as response,
                pytest.raises(TokenUnavailableError, match="does not answer in time"),
            ):
                _read_body("it", response, time.monotonic() + 0.2)
        finally:
            gone.set()
            thread.join()


REFUSED = ["invalid_grant", "invalid_client", "interaction_required", "unauthorized_client", "something_new"]


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_needs_a_person_and_says_what_to_do(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str, code: str
) -> None:
    endpoint.say(400, {"error": code, "error_description": "AADSTS700082: too old.\r\nTrace ID: 1"})
    with pytest.raises(LoginRefusedError) as caught:
        await tokens(mailbox_of(kind)).access_token()
    message = str(caught.value)
    assert code in message
    assert "AADSTS700082" in message
    assert "Trace ID" not in message
    assert caught.value.permanent
    assert ("docs/sign-in.md" if kind == "application" else "run.py authorize desk") in message


async def test_a_session_that_google_ended_needs_a_person(endpoint: TokenEndpoint, mailbox_of: MailboxOf) -> None:
    """google-auth replaces this answer by advice about another program."""
    endpoint.say(400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"})
    with pytest.raises(LoginRefusedError, match=r"invalid_grant.*run\.py authorize desk"):
        await tokens(mailbox_of("google")).access_token()


@pytest.mark.parametrize("kind", KINDS)
async def test_neither_token_nor_secret_gets_into_an_error_or_a_log(
    endpoint: TokenEndpoint, mailbox_of: MailboxOf, kind: str,
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    secrets = {"access-1", "stray-access"} | {
        "application": {"app-secret"}, "person": {"refresh-0"}, "google": {"app-secret", "refresh-0"},
    }[kind]  # fmt: skip
    desk = tokens(mailbox_of(kind))
    said = repr(desk) + repr(desk._cached)
    await desk.access_token()
    said += repr(desk) + repr(desk._cached)
    desk.invalidate("access-1")
    endpoint.say(200, b'{"access_token": "stray-access", ')
    endpoint.say(400, {"error": "refresh-0 app-secret", "error_description": "you sent refresh-0 with app-secret"})
    for _ in range(2):
        with pytest.raises(ImapError) as caught:
            await desk.access_token()
        said += str(caught.value) + repr(caught.value)
        assert caught.value.__cause__ is None
    said += caplog.text + "".join(capsys.readouterr())
    assert not [secret for secret in secrets if secret in said]
