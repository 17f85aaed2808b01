"""Proves to the server who we are: by password, or by an access token. One function a way of doing it."""

import base64
from collections.abc import Iterable
from functools import partial

from worker.imap.account import AccessTokens, Account
from worker.imap.client import GuardedProtocol
from worker.imap.errors import CommandRefusedError, ConnectionLostError, LoginRefusedError
from worker.imap.order import Order
from worker.imap.quoting import quoted, strings

#: Response codes that say "not now" rather than "not you" (RFC 5530 §3).
NOT_NOW = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})


async def login(protocol: GuardedProtocol, account: Account, *, total: float) -> None:
    """Sign in with the account's password or access token, in *total* seconds beside the wait for a token.

    Raises LoginRefusedError (a person must act), CommandRefusedError (the server has no room for us now), or what
    `AccessTokens.access_token` raises.
    """
    if protocol.signed_in:  # PREAUTH
        return
    if account.tokens:
        await _login_by_token(protocol, account, account.tokens, total)
    elif "LOGINDISABLED" not in protocol.capabilities:
        args, replies = _strings(account)
        secrets = [account.password, quoted(account.password) or ""]
        order = protocol.order("LOGIN", args, replies=replies, secrets=secrets)
        await _sign_in(protocol, order, account, total)
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
    """Sign in by SASL with one *response*, sent at once where the server can take it so (SASL-IR, RFC 4959).

    *closing* is what a further challenge gets, in Base64; *secrets* are what an error must not repeat.
    """
    encoded = base64.b64encode(response).decode("ascii") or "="
    hidden = [account.password, encoded, *secrets]
    if "SASL-IR" in protocol.capabilities:
        order = protocol.order("AUTHENTICATE", mechanism, encoded, closing=closing, secrets=hidden)
    else:
        replies = [encoded.encode("ascii")]
        order = protocol.order("AUTHENTICATE", mechanism, replies=replies, closing=closing, secrets=hidden)
    await _sign_in(protocol, order, account, total)


async def _login_by_token(protocol: GuardedProtocol, account: Account, tokens: AccessTokens, total: float) -> None:
    """A token may be taken back before its time: one that is refused is tried a second time as a new one."""
    token = await tokens.access_token()
    try:
        await _show_token(protocol, account, token, total)
    except LoginRefusedError as refusal:
        tokens.refused(token)
        token, old = await tokens.access_token(), token
        if token == old:
            raise
        try:
            await _show_token(protocol, account, token, total)
        except LoginRefusedError:
            tokens.refused(token)
            raise
        except ConnectionLostError:  # a server that hangs up on whom it refuses
            raise refusal from None
    protocol.token_ended = partial(tokens.refused, token)


async def _show_token(protocol: GuardedProtocol, account: Account, token: str, total: float) -> None:
    if "AUTH=XOAUTH2" in protocol.capabilities:
        response, closing = xoauth2(account.user, token), b""
        await authenticate(protocol, account, "XOAUTH2", response, total=total, secrets=[token], closing=closing)
    elif "AUTH=OAUTHBEARER" in protocol.capabilities:
        response, closing = oauthbearer(account, token), base64.b64encode(b"\1")
        await authenticate(protocol, account, "OAUTHBEARER", response, total=total, secrets=[token], closing=closing)
    else:
        raise LoginRefusedError(f"{account} takes no access token: it names neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER")


def xoauth2(user: str, token: str) -> bytes:
    """The response of Google's and Microsoft's own mechanism."""
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(account: Account, token: str) -> bytes:
    """The response of OAUTHBEARER (RFC 7628 §3.1); the user as a `saslname` (RFC 5801 §4)."""
    user = account.user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={user},\1host={account.host}\1port={account.port}\1auth=Bearer {token}\1\1".encode()


def _strings(account: Account) -> tuple[str, list[bytes]]:
    try:
        return strings(account.user, account.password)
    except ValueError as error:
        raise LoginRefusedError(f"user or password of {account}: {error}") from None


async def _sign_in(protocol: GuardedProtocol, order: Order, account: Account, total: float) -> None:
    try:
        await protocol.run(order, total=total, quiet=total)
    except CommandRefusedError as error:
        said = " ".join([error.said, *order.challenges])
        if error.status == "BAD" or error.code in NOT_NOW or "too many" in said.lower():
            message = f'{account} cannot let {account.user} in now: {error.status} "{said}"'
            raise CommandRefusedError(message, error.status, said, error.code) from None
        advice = account.tokens.advice if account.tokens else ""
        raise LoginRefusedError(f'{account} refuses the login of {account.user}: "{said}"', said, advice) from None
    protocol.enter(folder=False)
