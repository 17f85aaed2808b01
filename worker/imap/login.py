"""Proves to the server who we are. One function a way of doing it; XOAUTH2 would be one more call of `authenticate`."""

import base64

from worker.imap.account import Account
from worker.imap.client import GuardedProtocol
from worker.imap.errors import CommandRefusedError, LoginRefusedError
from worker.imap.order import Order
from worker.imap.quoting import quoted, strings

#: Response codes that say "not now" rather than "not you" (RFC 5530 §3).
NOT_NOW = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})


async def login(protocol: GuardedProtocol, account: Account, *, total: float) -> None:
    """Sign in with the account's password, in *total* seconds.

    Raises LoginRefusedError (a person must act) or CommandRefusedError (the server has no room for us now).
    """
    if protocol.signed_in:  # PREAUTH
        return
    if "LOGINDISABLED" not in protocol.capabilities:
        args, replies = _strings(account)
        secrets = [account.password, quoted(account.password) or ""]
        order = protocol.order("LOGIN", args, replies=replies, secrets=secrets)
        await _sign_in(protocol, order, account, total)
    elif "AUTH=PLAIN" in protocol.capabilities:
        await authenticate(protocol, account, "PLAIN", f"\0{account.user}\0{account.password}".encode(), total=total)
    else:
        raise LoginRefusedError(f"{account} takes no password: it names LOGINDISABLED and no AUTH=PLAIN")


async def authenticate(
    protocol: GuardedProtocol, account: Account, mechanism: str, response: bytes, *, total: float
) -> None:
    """Sign in by SASL with one *response*, sent at once where the server can take it so (SASL-IR, RFC 4959)."""
    encoded = base64.b64encode(response).decode("ascii") or "="
    secrets = [account.password, encoded]
    if "SASL-IR" in protocol.capabilities:
        order = protocol.order("AUTHENTICATE", mechanism, encoded, secrets=secrets)
    else:
        order = protocol.order("AUTHENTICATE", mechanism, replies=[encoded.encode("ascii")], secrets=secrets)
    await _sign_in(protocol, order, account, total)


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
        raise LoginRefusedError(f'{account} refuses the login of {account.user}: "{said}"', said) from None
    protocol.enter(folder=False)
