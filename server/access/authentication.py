"""Identify the caller: by a signed cookie of a browser, or by `Authorization: Bearer` (RFC 6750)."""

import hashlib
import hmac
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import NamedTuple

from tornado.httputil import HTTPServerRequest
from tornado.web import create_signed_value, decode_signed_value

from server.access.client_address import client_address as client_address
from server.access.cookies import read_cookie
from server.access.credential_guard import CredentialGuard
from server.access.devices import DEVICE_COOKIE, Device, read_device, sign_device
from server.access.refused_tries import RefusedTries
from server.access.sign_in_guard import SignInGuard
from workitems.people.accounts import ROLES, Accounts

SESSION_COOKIE = "tubepost_session"

#: The user of the settings' token.
DEMO_USER = "demo"

#: Characters of an Authorization header that are read.
_MAX_BEARER = 512


@dataclass(frozen=True, slots=True)
class Identity:
    """A known caller. `via` is `session` (a cookie), `key` or `token` (both by bearer)."""

    name: str
    role: str
    scopes: frozenset[str]
    via: str


class Credential(NamedTuple):
    """What a caller sent to prove who it is; `kind` is `bearer` or `cookie`. It can be checked again later."""

    kind: str
    value: str

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class Authenticator:
    """Identifies callers by cookie, token or key, and signs people in."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        secret: bytes,
        token: str | None,
        session_days: float,
        proxies: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.accounts = accounts
        self.session_days = session_days
        self.refused = RefusedTries(clock)
        self.guard = CredentialGuard(self.refused, clock)
        self.sign_in_guard = SignInGuard(self.refused, clock)
        self._proxies = proxies
        self._secret = secret
        self._token = token.encode() if token else None

    @property
    def has_token(self) -> bool:
        """Whether people can sign in by a token."""
        return self._token is not None

    def credential_of(self, request: HTTPServerRequest) -> Credential | None:
        """Return the credential of a request. Equal ones share one string, since each open stream keeps its own."""
        presented = bearer_token(request)
        if presented is not None:
            return Credential("bearer", sys.intern(presented))
        cookie = read_cookie(SESSION_COOKIE, request, self._proxies)
        return Credential("cookie", sys.intern(cookie)) if cookie else None

    def xsrf_token(self, bound_to: str) -> bytes:
        """Return the token that only pages of ours know: it is made of the cookie that *bound_to* is the value of."""
        signed = b"xsrf:" + bound_to.encode("utf-8", "replace")
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest().encode()

    async def identify(self, request: HTTPServerRequest) -> Identity | None:
        """Return the caller of *request*, or None if it is unknown. A bearer counts before a cookie.

        Raise StoreUnavailableError if that cannot be decided now: this is no reason to end a session. Raise
        TooManyTriesError for a wrong or short bearer from a network that has shown too many wrong ones. A cookie is
        signed, and nobody guesses its 256 bits.
        """
        presented = self.credential_of(request)
        if presented is None or presented.kind == "cookie":
            return await self.identify_credential(presented) if presented else None
        with self.guard.trying("bearer", presented.value, client_address(request, self._proxies)) as attempt:
            found = await self.identify_credential(presented)
            attempt.is_right = found is not None
        return found

    async def identify_credential(self, presented: Credential) -> Identity | None:
        """Return the caller whose credential *presented* is now; raise as `identify`."""
        return await (self._by_bearer if presented.kind == "bearer" else self._by_cookie)(presented.value)

    async def sign_in(self, name: str, password: str, device: Device | None = None) -> str | None:
        """Return the value of a session's cookie, or None if the password is not this user's."""
        is_known = device is not None and f"user:{name}" in device.people
        user = await self.accounts.verify_password(name, password, is_known_device=is_known)
        return self._signed(f"user:{user.name}:{user.stamp}") if user else None

    def sign_in_by_token(self, token: str) -> str | None:
        """Return the value of a session's cookie, or None if *token* is not the settings' token."""
        return self._signed(f"token:{DEMO_USER}:{self._token_stamp()}") if self._is_token(token) else None

    def device_of(self, request: HTTPServerRequest) -> Device | None:
        """Return the device of a request; None without its cookie, or if we did not sign it."""
        cookie = read_cookie(DEVICE_COOKIE, request, self._proxies)
        return read_device(self._secret, cookie) if cookie else None

    def device_cookie(self, device: Device) -> str:
        """Return the value of the cookie of *device*."""
        return sign_device(self._secret, device)

    async def sign_out(self, request: HTTPServerRequest) -> None:
        """End the session of *request*, also for copies of its cookie. Raise StoreUnavailableError."""
        presented = self.credential_of(request)
        if presented and presented.kind == "cookie" and await self.identify_credential(presented):
            await self.accounts.end_session(presented.value, self.session_days * 86_400)

    async def _by_bearer(self, presented: str) -> Identity | None:
        if self._is_token(presented):
            return Identity(DEMO_USER, "admin", ROLES["admin"], "token")
        key = await self.accounts.get_key(presented)
        return Identity(f"key:{key.name}", "key", key.scopes, "key") if key else None

    async def _by_cookie(self, cookie: str) -> Identity | None:
        value = decode_signed_value(self._secret, SESSION_COOKIE, cookie, max_age_days=self.session_days, min_version=2)
        found = await self._identity_of_session((value or b"").decode("latin-1"))
        return found if found and not await self.accounts.has_session_ended(cookie) else None

    async def _identity_of_session(self, value: str) -> Identity | None:
        """Return the user of a session's signed *value*: `user:<name>:<stamp>:…` or `token:<name>:<stamp>:…`."""
        kind, name, stamp = (value + "::").split(":")[:3]
        if kind == "token" and self._token and hmac.compare_digest(stamp, self._token_stamp()):
            return Identity(DEMO_USER, "admin", ROLES["admin"], "session")
        user = await self.accounts.get_user(name) if kind == "user" else None
        if user and user.role in ROLES and hmac.compare_digest(stamp, user.stamp):
            return Identity(user.name, user.role, ROLES[user.role], "session")
        return None

    def _is_token(self, presented: str) -> bool:
        return self._token is not None and hmac.compare_digest(
            _digest(presented.encode("utf-8", "replace")), _digest(self._token)
        )

    def _token_stamp(self) -> str:
        """Return a value that changes with the token, to end old sessions, and does not reveal it."""
        return hmac.new(self._secret, b"token:" + (self._token or b""), hashlib.sha256).hexdigest()[:16]

    def _signed(self, value: str) -> str:
        # Random, so that two sessions of one second differ: signing out of one must not end the other.
        return create_signed_value(self._secret, SESSION_COOKIE, f"{value}:{token_hex(4)}").decode()


def bearer_token(request: HTTPServerRequest) -> str | None:
    """Return the credentials of `Authorization: Bearer`. Other schemes are not for us, such as a proxy's password."""
    scheme, _, credentials = request.headers.get("Authorization", "")[:_MAX_BEARER].partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _digest(value: bytes) -> bytes:
    # All have one length, so that comparing does not reveal the token's.
    return hashlib.sha256(value).digest()
