"""Opening a connection: greeting, TLS, capabilities, login. Nothing stays open when it fails."""

import asyncio
import base64
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot, free_port, make_certificate
from tests.support.scripted_imap import ScriptedImap, Talk
from worker.imap import (
    Account,
    AccountError,
    CertificateRefusedError,
    CommandRefusedError,
    ConnectionLostError,
    ImapError,
    LoginRefusedError,
    ProtocolError,
    TimedOutError,
    Timeouts,
    connect,
)
from worker.imap.client import GuardedProtocol
from worker.imap.errors import printable_text
from worker.imap.login import authenticate


def server_context(place: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "server.pem", place / "server.key")
    return context


def account_of(server: Dovecot, user: str, tls: str) -> Account:
    port = server.tls_port if tls == "implicit" else server.port
    return Account("127.0.0.1", port, tls, user, server.users.get(user, "secret"), str(server.ca_file))


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("user", ["desk", "dom ain", "bücher"])
async def test_dovecot_lets_us_in_whatever_the_name_is_made_of(
    dovecot_server: Dovecot, desk: str, tls: str, user: str
) -> None:
    connection = await connect(account_of(dovecot_server, desk if user == "desk" else user, tls))
    assert {"IDLE", "MOVE", "UIDPLUS"} <= connection.capabilities  # told only to those who are signed in
    assert (connection._protocol.transport.get_extra_info("ssl_object") is not None) == (tls != "none")
    await connection.logout_and_close()


async def test_a_wrong_password_shows_the_server_s_text_without_our_password(
    dovecot_server: Dovecot, desk: str
) -> None:
    account = replace(account_of(dovecot_server, desk, "none"), password="wrong-one")
    with pytest.raises(LoginRefusedError, match=r"refuses the login.*Authentication failed") as caught:
        await connect(account)
    assert caught.value.permanent
    assert "AUTHENTICATIONFAILED" in caught.value.server_text
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_unknown_certificate_is_refused(dovecot_server: Dovecot, desk: str, tls: str) -> None:
    with pytest.raises(CertificateRefusedError, match="self-signed certificate"):
        await connect(replace(account_of(dovecot_server, desk, tls), ca_file=None))


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.gone()

    make_certificate(tmp_path, "DNS:mail.example.com")
    async with ScriptedImap(script, tls=server_context(tmp_path)) as server:
        account = replace(server.account, tls="implicit", ca_file=str(tmp_path / "server.pem"))
        with pytest.raises(CertificateRefusedError, match=r"not valid for '127\.0\.0\.1'"):
            await connect(account)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tls": "none", "host": "mail.example.com"}, "loopback interface only, not for mail.example.com"),
        ({"tls": "none", "host": "10.0.0.1"}, "loopback"),
        ({"tls": "ssl"}, '"implicit", "starttls" and "none"'),
        ({"ca_file": "/no/such/file.pem"}, "/no/such/file.pem cannot be used: No such file"),
        ({"ca_file": __file__}, "cannot be used"),
    ],
)
async def test_an_account_that_cannot_work_is_refused_before_anything_is_sent(
    change: dict[str, str], match: str
) -> None:
    account = replace(Account("127.0.0.1", 1, "implicit", "desk", "secret"), **change)  # type: ignore[arg-type]
    with pytest.raises(AccountError, match=match) as caught:
        await connect(account)
    assert caught.value.permanent


async def test_a_closed_port_is_an_error() -> None:
    with pytest.raises(ConnectionLostError, match=r"no connection to 127\.0\.0\.1") as caught:
        await connect(Account("127.0.0.1", free_port(), "none", "desk", "secret"))
    assert not caught.value.permanent


@pytest.mark.parametrize("tls", ["none", "implicit", "starttls"])
async def test_a_silent_server_times_out(tls: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        account = Account("127.0.0.1", silent.getsockname()[1], tls, "desk", "secret")
        started = time.monotonic()
        with pytest.raises(TimedOutError, match="does not answer in time"):
            await connect(account, timeouts=Timeouts(connect=0.2))
        assert time.monotonic() - started < 20


async def test_the_wrong_port_is_an_error_soon(dovecot_server: Dovecot, desk: str) -> None:
    account = account_of(dovecot_server, desk, "implicit")
    with pytest.raises(ConnectionLostError):
        await connect(replace(account, port=dovecot_server.port))
    with pytest.raises(TimedOutError):
        await connect(replace(account, tls="none"), timeouts=Timeouts(connect=0.3))


@pytest.mark.parametrize(
    ("greeting", "error", "match"),
    [
        ("* BYE Too many connections from your address", ConnectionLostError, "Too many connections"),
        ("220 smtp.example.com ESMTP", ProtocolError, 'no IMAP server: the first line is "220 smtp'),
        ("+OK POP3 ready", ProtocolError, "no IMAP server"),
        ("* OK\x07\x1b[2J" + "x" * 100_000, ProtocolError, "line of more than"),
    ],
)
async def test_a_greeting_that_refuses_us_is_an_error(greeting: str, error: type[ImapError], match: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.say(greeting)
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(error, match=match):
            await connect(server.account)


async def test_capabilities_are_asked_again_after_the_login_and_not_read_from_its_answer() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        await talk.answer('LOGIN "desk" "secret"', end="OK [CAPABILITY IMAP4rev1 MULTIAPPEND] Login successful.")
        await talk.answer("CAPABILITY", "* 9 EXISTS", "* capability imap4rev1 Idle", "* CAPABILITY MOVE")

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        assert connection.capabilities == {"IMAP4REV1", "IDLE", "MOVE"}
        await connection.close()


async def test_a_server_without_imap4rev1_is_refused() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP2")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(ProtocolError, match="IMAP4rev1"):
            await connect(server.account)


async def test_a_name_beyond_ascii_goes_as_a_literal_when_the_server_asks_for_it() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        tag = await talk.expect(r"LOGIN \{7\}")
        await talk.say("+ go on")
        assert await talk.octets(12) == "bücher {7}".encode() + b"\r"
        assert await talk.octets(1) == b"\n"
        await talk.say("+ ")
        assert await talk.octets(9) == "größe".encode() + b"\r\n"
        await talk.say(f"{tag} OK in")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")

    async with ScriptedImap(script) as server:
        connection = await connect(replace(server.account, user="bücher", password="größe"))
        await connection.close()


@pytest.mark.parametrize("initial", [True, False])
async def test_where_login_is_disabled_we_authenticate_plain(initial: bool) -> None:
    capabilities = "* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN" + (" SASL-IR" if initial else "")
    secret = base64.b64encode(b"\0desk\0secret").decode()

    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", capabilities)
        if initial:
            await talk.answer(f"AUTHENTICATE PLAIN {secret}")
        else:
            tag = await talk.expect("AUTHENTICATE PLAIN")
            await talk.say("+ ")
            assert await talk.line() == secret
            await talk.say(f"{tag} OK in")
        await talk.answer("CAPABILITY", capabilities)

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        await connection.close()


async def test_where_no_password_is_taken_none_is_sent() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="LOGINDISABLED"):
            await connect(server.account)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ("NO [AUTHENTICATIONFAILED] Invalid credentials", LoginRefusedError),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", CommandRefusedError),
        ("NO [UNAVAILABLE] Temporary authentication failure", CommandRefusedError),
        ("NO [LIMIT] Rate limit hit", CommandRefusedError),
        ('BAD no such thing as LOGIN "desk" "secret"', CommandRefusedError),
        ("BAD Error in LOGIN " + "x" * 190 + " secret", CommandRefusedError),
    ],
)
async def test_a_refusal_says_whether_a_person_must_act(end: str, error: type[ImapError]) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        await talk.answer("LOGIN .*", end=end)
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(ImapError) as caught:
            await connect(server.account)
        assert type(caught.value) is error
        assert caught.value.permanent == (error is LoginRefusedError)
        assert "secret" not in str(caught.value)


async def test_the_reason_of_a_sasl_refusal_is_heard_out() -> None:
    """XOAUTH2 refuses with a challenge that holds the reason, then expects an empty line, then sends NO."""
    reason = b'{"status":"400","schemes":"Bearer"}'

    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        tag = await talk.expect("AUTHENTICATE XOAUTH2 dG9rZW4=")
        await talk.say(b"+ " + base64.b64encode(reason))
        assert await talk.line() == ""
        await talk.say(f"{tag} NO SASL failed")
        await talk.gone()

    async with ScriptedImap(script) as server:
        loop = asyncio.get_running_loop()
        protocol = GuardedProtocol(loop)
        await loop.create_connection(lambda: protocol, "127.0.0.1", server.port)
        await protocol.wait_for_greeting()
        protocol.capabilities = frozenset({"SASL-IR"})
        with pytest.raises(LoginRefusedError, match='"status":"400"'):
            await authenticate(protocol, server.account, "XOAUTH2", b"token", total=5)
        await protocol.aclose()


async def test_preauth_needs_no_login() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* PREAUTH at your service")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        await talk.select()

    async with ScriptedImap(script) as server:
        connection = await connect(server.account)
        await connection.select("INBOX")
        await connection.close()


@pytest.mark.parametrize("end", ["NO not here", "BAD what?"])
async def test_without_starttls_no_password_is_sent(end: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("STARTTLS", end=end)
        await talk.gone()
        assert talk.heard == ["STARTTLS"]

    async with ScriptedImap(script) as server:
        with pytest.raises(CommandRefusedError, match="refuses STARTTLS"):
            await connect(replace(server.account, tls="starttls"))


async def test_preauth_before_starttls_is_taken_for_somebody_in_between() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* PREAUTH come in")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(ProtocolError, match="PREAUTH"):
            await connect(replace(server.account, tls="starttls"))


@pytest.mark.parametrize("injected", ["* CAPABILITY IMAP4rev1\r\n", "* CAPA"])
async def test_text_put_in_before_tls_is_not_believed(injected: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        tag = await talk.expect("STARTTLS")
        await talk.send(f"{tag} OK go\r\n{injected}".encode())
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(ProtocolError, match="after STARTTLS and before TLS"):
            await connect(replace(server.account, tls="starttls"))


async def test_capabilities_from_before_tls_are_forgotten(dovecot_server: Dovecot) -> None:
    context = server_context(dovecot_server.folder)

    async def script(talk: Talk) -> None:
        await talk.say("* OK [CAPABILITY IMAP4rev1 AUTH=EVIL] ready")
        await talk.answer("STARTTLS", "* CAPABILITY IMAP4rev1 AUTH=EVIL")
        await talk.writer.start_tls(context)
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
        await talk.answer('LOGIN "desk" "secret"')
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE")
        await talk.answer("NOOP")

    async with ScriptedImap(script) as server:
        account = replace(server.account, tls="starttls", ca_file=str(dovecot_server.ca_file))
        connection = await connect(account)
        assert connection.capabilities == {"IMAP4REV1", "IDLE"}
        await connection.noop()
        await connection.close()


async def test_a_cancelled_connect_leaves_nothing_open() -> None:
    closed = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.expect("CAPABILITY")
        await talk.gone()
        closed.set()

    async with ScriptedImap(script) as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connect(server.account), 0.2)
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_server_that_repeats_our_base64_does_not_get_it_into_an_error() -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK ready")
        await talk.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR")
        tag = await talk.expect("AUTHENTICATE PLAIN .*")
        await talk.say(f"{tag} NO unknown: {talk.heard[-1]}")
        await talk.gone()

    async with ScriptedImap(script) as server:
        with pytest.raises(LoginRefusedError, match="unknown: AUTHENTICATE PLAIN …"):
            await connect(server.account)


@pytest.mark.parametrize("said", ["no: {0}", "no: {0} {0}", "no: {0} {1} {0}"])
def test_a_long_token_that_a_server_repeats_is_shown_in_no_part(said: str) -> None:
    """A secret in text that is cut first would not be found."""
    token = "".join(f"{n:04d}" for n in range(700))
    assert "00" not in printable_text(said.format(token, "x" * 900).encode(), [token])
