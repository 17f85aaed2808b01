"""Signs in to an IMAP server by password or by access token. Each mechanism has its own function."""

import base64
from collections.abc import Iterable
from functools import partial

from worker.imap.account import AccessTokenSource, Account
from worker.imap.client import GuardedProtocol
from worker.imap.command import ImapCommand
from worker.imap.errors import CommandRefusedError, ConnectionLostError, LoginRefusedError
from worker.imap.quoting import encode_strings, quote

#: Response codes of a refusal that does not concern the user: the server is not ready now (RFC 5530 §3).
TRANSIENT_LOGIN_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})


async def login(protocol: GuardedProtocol, account: Account, *, total: float) -> None:
    """Sign in with the account's password or access token, in *total* seconds besides the wait for a token.

    Raises LoginRefusedError (a person must act), CommandRefusedError (the server is not ready), or what
    `AccessTokenSource.access_token` raises.
    """
    if protocol.is_signed_in:  # PREAUTH
        return
    if account.tokens:
        await _login_by_token(protocol, account, account.tokens, total)
    elif "LOGINDISABLED" not in protocol.capabilities:
        args, replies = _strings(account)
        secrets = [account.password, quote(account.password) or ""]
        command = protocol.command("LOGIN", args, replies=replies, secrets=secrets)
        await _sign_in(protocol, command, account, total)
    elif "AUTH=PLAIN" in protocol.capabilities:
        await authenticate(protocol, account, "PLAIN", f"\0{account.user}\0{account.password}".encode(), total=total)
    else:
        raise LoginRefusedError(f"{account} takes no password: it names LOGINDISABLED and no AUTH=PLAIN")


async def authenticate(
    protocol: GuardedProtocol,
    account: Account,
    mechanism: str,
    response: bytes,
    *,
    total: float,
    secrets: Iterable[str] = (),
    closing: bytes = b"",
) -> None:
    """Sign in by SASL with one *response*, sent with the command where the server allows it (SASL-IR, RFC 4959).

    *closing* answers a further challenge, in Base64. *secrets* are what an error must not show.
    """
    encoded = base64.b64encode(response).decode("ascii") or "="
    hidden = [account.password, encoded, *secrets]
    if "SASL-IR" in protocol.capabilities:
        command = protocol.command("AUTHENTICATE", mechanism, encoded, closing=closing, secrets=hidden)
    else:
        replies = [encoded.encode("ascii")]
        command = protocol.command("AUTHENTICATE", mechanism, replies=replies, closing=closing, secrets=hidden)
    await _sign_in(protocol, command, account, total)


async def _login_by_token(protocol: GuardedProtocol, account: Account, tokens: AccessTokenSource, total: float) -> None:
    """Sign in by token. After a refusal try once with a new token, since a provider may revoke one before its end."""
    token = await tokens.access_token()
    try:
        await _send_token(protocol, account, token, total)
    except LoginRefusedError as refusal:
        tokens.invalidate(token)
        token, old = await tokens.access_token(), token
        if token == old:
            raise
        try:
            await _send_token(protocol, account, token, total)
        except LoginRefusedError:
            tokens.invalidate(token)
            raise
        except ConnectionLostError:  # some servers close the connection after a refusal
            raise refusal from None
    protocol.on_token_expired = partial(tokens.invalidate, token)


async def _send_token(protocol: GuardedProtocol, account: Account, token: str, total: float) -> None:
    if "AUTH=XOAUTH2" in protocol.capabilities:
        response, closing = xoauth2(account.user, token), b""
        await authenticate(protocol, account, "XOAUTH2", response, total=total, secrets=[token], closing=closing)
    elif "AUTH=OAUTHBEARER" in protocol.capabilities:
        response, closing = oauthbearer(account, token), base64.b64encode(b"\1")
        await authenticate(protocol, account, "OAUTHBEARER", response, total=total, secrets=[token], closing=closing)
    else:
        raise LoginRefusedError(f"{account} takes no access token: it names neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER")


def xoauth2(user: str, token: str) -> bytes:
    """Return the response of XOAUTH2, Google's and Microsoft's own mechanism."""
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(account: Account, token: str) -> bytes:
    """Return the response of OAUTHBEARER (RFC 7628 §3.1), with the user as a `saslname` (RFC 5801 §4)."""
    user = account.user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={user},\1host={account.host}\1port={account.port}\1auth=Bearer {token}\1\1".encode()


def _strings(account: Account) -> tuple[str, list[bytes]]:
    try:
        return encode_strings(account.user, account.password)
    except ValueError as error:
        raise LoginRefusedError(f"user or password of {account}: {error}") from None


async def _sign_in(protocol: GuardedProtocol, command: ImapCommand, account: Account, total: float) -> None:
    try:
        await protocol.run(command, total_seconds=total, read_seconds=total)
    except CommandRefusedError as error:
        text = " ".join([error.server_text, *command.challenges])
        if error.status == "BAD" or error.code in TRANSIENT_LOGIN_CODES or "too many" in text.lower():
            message = f'{account} cannot let {account.user} in now: {error.status} "{text}"'
            raise CommandRefusedError(message, error.status, text, error.code) from None
        advice = account.tokens.advice if account.tokens else ""
        raise LoginRefusedError(f'{account} refuses the login of {account.user}: "{text}"', text, advice) from None
    protocol.set_state(folder=False)
