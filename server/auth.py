"""Who is asking: a signed cookie for browsers, `Authorization: Bearer` for programs (RFC 6750)."""

import hashlib
import hmac
import sys
from dataclasses import dataclass
from secrets import token_hex
from typing import NamedTuple

from tornado.httputil import HTTPServerRequest
from tornado.web import create_signed_value, decode_signed_value

from server.address import client_address as client_address
from server.throttle import SignInThrottle
from workitems.people import ROLES, People

COOKIE = "tubepost_session"

#: Whom the settings' token stands for.
DEMO_USER = "demo"

#: Bytes of an Authorization header that are looked at.
_LONGEST_BEARER = 512


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `via` is `session` (cookie), `key` or `token` (both bearer)."""

    name: str
    role: str
    scopes: frozenset[str]
    via: str

    @property
    def person(self) -> bool:
        """Whether a named person stands behind it, not a program's key."""
        return self.via != "key"


class Credential(NamedTuple):
    """What a caller presents, to be looked at again later: a `bearer`'s credentials or a session's `cookie`."""

    kind: str
    value: str

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class Auth:
    """Knows people by cookie, token or key, and signs people in."""

    def __init__(self, people: People, *, secret: bytes, token: str | None, session_days: float) -> None:
        self.people = people
        self.session_days = session_days
        self.throttle = SignInThrottle()
        self._secret = secret
        self._token = token.encode() if token else None

    @property
    def has_token(self) -> bool:
        """Whether a token is good for signing in."""
        return self._token is not None

    async def identify(self, request: HTTPServerRequest) -> Identity | None:
        """None when nobody known asks. A request with both cookie and bearer is a bearer one.

        Raises StoreUnavailableError when it cannot be known: that is no reason to sign anybody out.
        """
        presented = credential(request)
        return await self.recognise(presented) if presented else None

    async def recognise(self, presented: Credential) -> Identity | None:
        """Whose *presented* is now; raises as `identify`."""
        return await (self._by_bearer if presented.kind == "bearer" else self._by_cookie)(presented.value)

    async def sign_in(self, name: str, password: str) -> str | None:
        """The value of a session's cookie, or None when the password is not this user's."""
        user = await self.people.verify(name, password)
        return self._signed(f"user:{user.name}:{user.stamp}") if user else None

    def sign_in_by_token(self, token: str) -> str | None:
        """The value of a session's cookie, or None when it is not the token."""
        return self._signed(f"token:{DEMO_USER}:{self._token_stamp()}") if self._is_token(token) else None

    async def sign_out(self, request: HTTPServerRequest) -> None:
        """End the session of *request*, wherever else its cookie is kept. Raises StoreUnavailableError."""
        presented = credential(request)
        if presented and presented.kind == "cookie" and await self.recognise(presented):
            await self.people.end_session(presented.value, self.session_days * 86_400)

    async def _by_bearer(self, presented: str) -> Identity | None:
        if self._is_token(presented):
            return Identity(DEMO_USER, "admin", ROLES["admin"], "token")
        key = await self.people.key(presented)
        return Identity(f"key:{key.name}", "key", key.scopes, "key") if key else None

    async def _by_cookie(self, cookie: str) -> Identity | None:
        value = decode_signed_value(self._secret, COOKIE, cookie, max_age_days=self.session_days, min_version=2)
        found = await self._named((value or b"").decode("latin-1"))
        return found if found and not await self.people.has_ended(cookie) else None

    async def _named(self, value: str) -> Identity | None:
        """Whom a session's signed *value* names: `user:<name>:<stamp>:…` or `token:<name>:<stamp>:…`."""
        kind, name, stamp = (value + "::").split(":")[:3]
        if kind == "token" and self._token and hmac.compare_digest(stamp, self._token_stamp()):
            return Identity(DEMO_USER, "admin", ROLES["admin"], "session")
        user = await self.people.user(name) if kind == "user" else None
        if user and user.role in ROLES and hmac.compare_digest(stamp, user.stamp):
            return Identity(user.name, user.role, ROLES[user.role], "session")
        return None

    def _is_token(self, presented: str) -> bool:
        return self._token is not None and hmac.compare_digest(
            _digest(presented.encode("utf-8", "replace")), _digest(self._token)
        )

    def _token_stamp(self) -> str:
        """Ends the sessions of an older token; says nothing about the token."""
        return hmac.new(self._secret, b"token:" + (self._token or b""), hashlib.sha256).hexdigest()[:16]

    def _signed(self, value: str) -> str:
        # Two sessions that begin in one second are two: signing out of one leaves the other.
        return create_signed_value(self._secret, COOKIE, f"{value}:{token_hex(4)}").decode()


def credential(request: HTTPServerRequest) -> Credential | None:
    """What a request presents; equal ones share their text, since a stream remembers its own."""
    presented = bearer(request)
    if presented is not None:
        return Credential("bearer", sys.intern(presented))
    cookie = request.cookies.get(COOKIE)
    return Credential("cookie", sys.intern(cookie.value)) if cookie and cookie.value else None


def bearer(request: HTTPServerRequest) -> str | None:
    """The credentials of `Authorization: Bearer`; another scheme is somebody else's (a proxy's password)."""
    scheme, _, credentials = request.headers.get("Authorization", "")[:_LONGEST_BEARER].partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _digest(value: bytes) -> bytes:
    # Of equal length, so that comparing tells nothing about the token's.
    return hashlib.sha256(value).digest()
