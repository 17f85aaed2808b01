"""What every handler does the same: who asks and may they, other sites, errors in one shape, headers that protect."""

import math
import random
from types import TracebackType
from typing import Any, ClassVar, NoReturn

from tornado.web import HTTPError, RequestHandler

from server.address import is_https
from server.auth import Identity, bearer
from server.context import Context
from server.cors import cors_headers
from workitems.errors import (
    ConflictError,
    IntakeFullError,
    InvalidChangeError,
    NoLongerKeptError,
    NotFoundError,
    StoreUnavailableError,
)
from workitems.event import dumps
from workitems.log import get_logger

log = get_logger("server")

#: On every answer; what shows something of its own sets another policy.
PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

#: Seconds after which a refused caller may come again: spread, so that they do not come back together.
RETRY_AFTER = (2.0, 10.0)

_SAFE = ("GET", "HEAD", "OPTIONS")

#: Codes of refusals that Tornado or the route table makes.
_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
          413: "too_large", 416: "range_not_satisfiable"}  # fmt: skip


class RefusalError(HTTPError):
    """An answer that says what was wrong and what is accepted; *more* stands beside `error` in the body."""

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
        self.more = more or {}


class Handler(RequestHandler):
    """Answers JSON; `scope` is what a caller must have, None = open to all."""

    scope: ClassVar[str | None] = "read"
    context: Context
    #: Who asks; None until somebody known does, so only where `scope` is None.
    caller: Identity | None = None

    def initialize(self, context: Context) -> None:
        self.context = context
        self._let_other_sites_in()

    @property
    def identity(self) -> Identity:
        """Who asks, where the scope made sure that somebody does."""
        assert self.caller is not None, "handlers that are open to all look at `caller`"
        return self.caller

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in PROTECTION.items():
            self.set_header(name, value)
        if hasattr(self, "context"):  # errors start from empty headers, and other sites must read them too
            self._let_other_sites_in()

    async def prepare(self) -> None:
        """Let the caller in or refuse with 401 or 403; answer other sites' preflights."""
        if self.request.method == "OPTIONS":
            self.set_status(204)
            self.clear_header("Content-Type")
            self.finish()
            return
        needed = self.needs()
        if needed is None:
            return
        caller = await self.identify()
        if caller is None:
            self.refuse_stranger()
        if needed not in caller.scopes:
            self.refuse(403, "forbidden", f"this needs the scope '{needed}', which {caller.name} does not have")
        if caller.via == "session" and self.request.method not in _SAFE:
            self.check_xsrf_cookie()

    def needs(self) -> str | None:
        """The scope that this request needs."""
        return self.scope

    async def identify(self) -> Identity | None:
        """Find out who asks, for handlers that are open to all too."""
        self.caller = await self.context.auth.identify(self.request)
        return self.caller

    def check_xsrf_cookie(self) -> None:
        """Refuse what another site made a browser send."""
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            message = "send the value of the cookie _xsrf (also in /api/session) in the header X-XSRFToken"
            raise RefusalError(403, "xsrf", message) from None

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """As Tornado's; other sites' forms never carry it, and it stays on TLS where it came by TLS."""
        kwargs.setdefault("samesite", "Lax")
        if is_https(self.request, self.context.settings.server.proxies):
            kwargs["secure"] = True
        super().set_cookie(*args, **kwargs)

    def refuse_stranger(self) -> NoReturn:
        """401: nobody known asks."""
        self.refuse(401, "unauthorized", "sign in, or send 'Authorization: Bearer' with a token or key")

    def refuse(
        self, status: int, code: str, message: str, field: str | None = None, *, retry_after: float | None = None
    ) -> NoReturn:
        """End the request. *field* names the part of it that is wrong; *retry_after* is in seconds."""
        raise RefusalError(status, code, message, field, retry_after=retry_after)

    def answer(self, value: Any, status: int = 200) -> None:
        """JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(dumps(value))

    def compute_etag(self) -> str | None:
        return None  # an item's ETag is its version; hashing every answer would cost more than it saves

    def check_etag_header(self) -> bool:
        return False  # the version counts people's changes alone, so an equal one does not mean an equal answer

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        exception = kwargs.get("exc_info", (None, None, None))[1]
        refusal = as_refusal(exception) or RefusalError(status_code, *_told(status_code))
        self.set_status(refusal.status_code)
        if refusal.status_code == 401:
            wrong = ' error="invalid_token"' if bearer(self.request) is not None else ""
            self.set_header("WWW-Authenticate", "Bearer" + wrong)
        if refusal.status_code == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        if refusal.retry_after is not None:
            self.set_header("Retry-After", str(max(1, math.ceil(refusal.retry_after))))
        self.answer({"error": refusal.error} | refusal.more, refusal.status_code)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """What we refuse is the caller's affair; what we cannot do is ours. Never the query: a token may be in it."""
        if isinstance(value, StoreUnavailableError):
            log.warning("cannot serve", method=self.request.method, path=self.request.path, reason=str(value))
        elif as_refusal(value) is None and not isinstance(value, HTTPError):
            exc_info = (typ, value, tb)
            log.error("request failed", method=self.request.method, path=self.request.path, exc_info=exc_info)

    def _methods(self) -> list[str]:
        return [
            m
            for m in self.SUPPORTED_METHODS
            if getattr(type(self), m.lower()) is not RequestHandler._unimplemented_method
        ]

    def _let_other_sites_in(self) -> None:
        origin, allowed = self.request.headers.get("Origin"), self.context.settings.server.origins
        for name, value in cors_headers(origin, allowed, preflight=self.request.method == "OPTIONS").items():
            self.set_header(name, value)


class MissingHandler(Handler):
    """Whatever no route names."""

    scope = None

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            self.refuse(404, "not_found", "there is nothing at this address")


def as_refusal(error: BaseException | None) -> RefusalError | None:
    """What to answer to an error that we raise on purpose; None for all others."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, StoreUnavailableError):
        return RefusalError(503, "store_unavailable", "the store cannot serve just now", retry_after=_soon())
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
    return random.uniform(*RETRY_AFTER)  # spreads callers, guards nothing


def _told(status: int) -> tuple[str, str]:
    messages = {404: "there is nothing at this address", 405: "this address does not accept the method"}
    return _CODES.get(status, "error"), messages.get(status, "the request cannot be answered")
