"""What all handlers share: authentication and scopes, CORS, errors of one shape, and security headers."""

import hmac
import math
import random
from types import TracebackType
from typing import Any, ClassVar, NoReturn

from tornado.web import HTTPError, RequestHandler

from server.access.authentication import Identity, bearer_token
from server.access.client_address import is_https
from server.access.cookies import cookie_name
from server.access.cors import cors_headers, is_cross_site
from server.access.rate_limit import TooManyTriesError
from server.access.served_hosts import host_name, is_served
from server.context import Context
from server.http.security_headers import SECURITY_HEADERS, STRICT_TRANSPORT
from workitems.base.errors import (
    ConflictError,
    IntakeFullError,
    InvalidChangeError,
    MailStoreUnavailableError,
    NoLongerKeptError,
    NotFoundError,
    StoreUnavailableError,
    StoreUnsafeError,
)
from workitems.base.json_codec import encode_json_str
from workitems.base.log import get_logger

log = get_logger("server")

#: Seconds after which a refused caller may try again: random, so that callers do not come back together.
RETRY_AFTER = (2.0, 10.0)

#: Error codes of tries to prove who one is.
REFUSED_TRIES = ("unauthorized", "too_many_tries")

_SAFE = ("GET", "HEAD", "OPTIONS")

#: Error codes by status, for errors that come from Tornado or the route table.
_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
          413: "too_large", 416: "range_not_satisfiable"}  # fmt: skip


class RefusalError(HTTPError):
    """An error answer that says what was wrong and what is accepted; *more* is added to the body beside `error`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        *,
        retry_after: float | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(status)
        self.error = {"code": code, "message": message, "field": field}
        self.retry_after = retry_after
        self.extra = more or {}


class BaseHandler(RequestHandler):
    """Answers JSON. `scope` is what a caller needs; None: open to all."""

    scope: ClassVar[str | None] = "read"
    context: Context
    #: The known caller; it can be None in a handler only if its `scope` is None.
    caller: Identity | None = None
    #: Whether the answer needs no line of the log of its own: refused tries have one line a minute for all.
    is_refused_try = False

    def initialize(self, context: Context) -> None:
        self.context = context
        self._set_cors_headers()
        self._set_strict_transport()

    @property
    def identity(self) -> Identity:
        """Return the caller, in handlers whose scope requires one."""
        assert self.caller is not None, "handlers that are open to all must use `caller`"
        return self.caller

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)
        if hasattr(self, "context"):  # an error starts from empty headers, and other sites must be able to read it
            self._set_cors_headers()
            self._set_strict_transport()

    async def prepare(self) -> None:
        """Check the host (421) and the caller's scope (401, 403); answer CORS preflights."""
        if not is_served(self.request.host, self.context.settings.server):
            name = host_name(self.request.host)
            message = (
                f"{name!r:.100} is not a name of this server; if it should be, add it to server.hosts in the settings"
            )
            self.refuse(421, "misdirected", message)
        if self.request.method == "OPTIONS":
            self.set_status(204)
            self.clear_header("Content-Type")
            self.finish()
            return
        needed = self.required_scope()
        if needed is None:
            return
        caller = await self.identify()
        if caller is None:
            self.refuse_unauthenticated()
        if needed not in caller.scopes:
            self.refuse(403, "forbidden", f"this needs the scope '{needed}', which {caller.name} does not have")
        if caller.via == "session" and self.request.method not in _SAFE:
            self.check_same_site()
            self.check_xsrf_cookie()

    def required_scope(self) -> str | None:
        """Return the scope that this request needs."""
        return self.scope

    async def identify(self) -> Identity | None:
        """Set and return `caller`; handlers that are open to all may call it too."""
        self.caller = await self.context.auth.identify(self.request)
        return self.caller

    def check_same_site(self) -> None:
        """Refuse a request that a page of another site made a browser send."""
        if is_cross_site(self.request, self.context.settings.server.allowed_origins):
            origin, host = self.request.headers.get("Origin", "unknown"), self.request.host
            message = (
                f"a page of another site sent this (origin {origin:.100}, but this is {host:.100}); use our own page"
            )
            self.refuse(403, "cross_site", message)

    @property
    def xsrf_token(self) -> bytes:
        """Return the token that changes of this session must show; b"" for a caller without a session."""
        presented = self.context.auth.credential_of(self.request)
        is_session = presented is not None and presented.kind == "cookie"
        return self.context.auth.xsrf_token(presented.value) if presented and is_session else b""

    def check_xsrf_cookie(self) -> None:
        """Refuse a change that does not show `xsrf_token`."""
        shown = self.request.headers.get("X-XSRFToken") or self.get_body_argument("_xsrf", "")
        expected = self.xsrf_token
        if not expected or not hmac.compare_digest(shown.encode("utf-8", "replace"), expected):
            self.refuse(
                403, "xsrf", "send `xsrf` of /api/session in the header X-XSRFToken; it changes with every sign-in"
            )

    def set_own_cookie(self, base: str, value: str, days: float) -> None:
        """Set a cookie that scripts and other sites' forms do not get, and that needs TLS if this request has it."""
        proxies = self.context.settings.server.trusted_proxies
        name, secure = cookie_name(base, self.request, proxies), is_https(self.request, proxies)
        self.set_cookie(name, value, expires_days=days, httponly=True, samesite="Lax", secure=secure)

    def refuse_unauthenticated(self) -> NoReturn:
        """Refuse an unknown caller with 401."""
        self.refuse(401, "unauthorized", "sign in, or send 'Authorization: Bearer' with a token or key")

    def refuse(
        self, status: int, code: str, message: str, field: str | None = None, *, retry_after: float | None = None
    ) -> NoReturn:
        """End the request with an error. *field* names the wrong part; *retry_after* is in seconds."""
        raise RefusalError(status, code, message, field, retry_after=retry_after)

    def write_json(self, value: Any, status: int = 200) -> None:
        """Answer *value* as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(encode_json_str(value))

    def compute_etag(self) -> str | None:
        return None  # an item's ETag is its version; a hash of every answer would cost more than it saves

    def check_etag_header(self) -> bool:
        return False  # the version counts only people's changes, so an equal one does not mean an equal answer

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exception = kwargs.get("exc_info", (None, None, None))[1]
        refusal = as_refusal(exception) or RefusalError(status_code, *_code_and_message(status_code))
        self.set_status(refusal.status_code)
        self.is_refused_try = refusal.error["code"] in REFUSED_TRIES
        if refusal.status_code == 401:
            invalid = ' error="invalid_token"' if bearer_token(self.request) is not None else ""
            self.set_header("WWW-Authenticate", "Bearer" + invalid)
        if refusal.status_code == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        if refusal.retry_after is not None:
            self.set_header("Retry-After", str(max(1, math.ceil(refusal.retry_after))))
        self.write_json({"error": refusal.error} | refusal.extra, refusal.status_code)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log what we could not do, not what we refused. The query is never logged: a token may be in it."""
        if isinstance(value, StoreUnavailableError):
            log.warning("cannot serve", method=self.request.method, path=self.request.path, reason=str(value))
        elif as_refusal(value) is None and not isinstance(value, HTTPError):
            exc_info = (typ, value, tb)
            log.error("request failed", method=self.request.method, path=self.request.path, exc_info=exc_info)

    def _methods(self) -> list[str]:
        methods = self.SUPPORTED_METHODS
        return [m for m in methods if getattr(type(self), m.lower()) is not getattr(RequestHandler, m.lower())]

    def _set_cors_headers(self) -> None:
        origin, allowed = self.request.headers.get("Origin"), self.context.settings.server.allowed_origins
        for name, value in cors_headers(origin, allowed, preflight=self.request.method == "OPTIONS").items():
            self.set_header(name, value)

    def _set_strict_transport(self) -> None:
        if is_https(self.request, self.context.settings.server.trusted_proxies):
            for name, value in STRICT_TRANSPORT.items():
                self.set_header(name, value)


class NotFoundHandler(BaseHandler):
    """Answers 404 for every path without a route."""

    scope = None

    async def prepare(self) -> None:
        await super().prepare()
        if self.request.method != "OPTIONS":
            self.refuse(404, "not_found", "there is nothing at this address")


def _store_refusal(error: StoreUnavailableError) -> RefusalError:
    if isinstance(error, StoreUnsafeError):
        return RefusalError(503, "store_unsafe", error.reason, retry_after=_soon())
    message = "the store is not available now"
    if isinstance(error, MailStoreUnavailableError):
        message = f"the mail store is not available now: {error.reason}"
    return RefusalError(503, "store_unavailable", message, retry_after=_soon())


def as_refusal(error: BaseException | None) -> RefusalError | None:
    """Return the answer to an error that we raise on purpose; None for all others."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, TooManyTriesError):
        message = "too many wrong credentials came from this network"
        return RefusalError(429, "too_many_tries", message, retry_after=error.wait)
    if isinstance(error, StoreUnavailableError):
        return _store_refusal(error)
    if isinstance(error, IntakeFullError):
        return RefusalError(503, "intake_full", str(error), retry_after=_soon())
    if isinstance(error, NoLongerKeptError):
        return RefusalError(410, "no_longer_kept", str(error))
    if isinstance(error, NotFoundError):
        return RefusalError(404, "not_found", str(error))
    if isinstance(error, ConflictError):
        return RefusalError(409, "conflict", str(error))
    if isinstance(error, InvalidChangeError):
        return RefusalError(422, "invalid", str(error), error.field)
    return None


def _soon() -> float:
    return random.uniform(*RETRY_AFTER)  # spreads callers; nothing secret


def _code_and_message(status: int) -> tuple[str, str]:
    messages = {404: "there is nothing at this address", 405: "this address does not accept this method"}
    return _CODES.get(status, "error"), messages.get(status, "the server could not answer the request")
