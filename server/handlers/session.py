"""Signing in and out, and who one is."""

import math
import re

from server.address import client_address
from server.auth import COOKIE
from server.handlers.base import Handler
from server.handlers.document import DocumentHandler
from workitems.errors import StoreUnavailableError
from workitems.log import get_logger

log = get_logger("server")

#: A path of our own: not `//host`, no backslash (browsers read it as a slash), no control character, no blank.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}", re.ASCII)


def local_path(wanted: str) -> str:
    """*wanted* when it leads nowhere else, else the front page."""
    return wanted if _LOCAL.fullmatch(wanted) else "/"


class LoginHandler(DocumentHandler):
    """`/login`: a form that works without scripts, and the link with a token that the demo prints."""

    scope = None

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")

    async def get(self) -> None:
        token = self.get_query_argument("token", "")
        if token:
            self._sign_in_by_token(token, self.get_query_argument("next", "/"))
        else:
            self._form(self.get_query_argument("next", "/"))

    async def post(self) -> None:
        self.check_xsrf_cookie()
        then = self.get_body_argument("next", "/")
        token = self.get_body_argument("token", "")
        if token:
            self._sign_in_by_token(token, then)
            return
        name = self.get_body_argument("user", "")
        if self._must_wait(name, then):
            return
        cookie = await self.context.auth.sign_in(name, self.get_body_argument("password", "", strip=False))
        if cookie is None:
            log.info("sign-in refused", address=self._address)
            self._form(then, "This name and this password do not belong together.", 401, name=name[:64])
        else:
            self._enter(cookie, then, name)

    def _sign_in_by_token(self, token: str, then: str) -> None:
        if self._must_wait("", then):
            return
        cookie = self.context.auth.sign_in_by_token(token)
        if cookie is None:
            log.info("sign-in refused", address=self._address)
            self._form(then, "This is not the access token.", 401)
        else:
            self._enter(cookie, then, "")

    def _must_wait(self, name: str, then: str) -> bool:
        wait = math.ceil(self.context.auth.throttle.take(self._address, name))
        if wait:
            self.set_header("Retry-After", str(wait))
            self._form(then, f"Too many tries. Try again in {wait} seconds.", 429, name=name[:64])
        return bool(wait)

    def _enter(self, cookie: str, then: str, name: str) -> None:
        auth = self.context.auth
        auth.throttle.give_back(self._address, name)
        self.set_cookie(COOKIE, cookie, expires_days=auth.session_days, httponly=True)
        self.redirect(local_path(then), status=303)

    def _form(self, then: str, error: str = "", status: int = 200, *, name: str = "") -> None:
        values = {"next": local_path(then), "error": error, "name": name}
        self.show("login.html", status, has_token=self.context.auth.has_token, **values)

    @property
    def _address(self) -> str:
        return client_address(self.request, self.context.settings.server.proxies)


class LogoutHandler(Handler):
    """`POST /logout`: this browser forgets the session, and no server takes it any more."""

    scope = None

    async def post(self) -> None:
        self.check_xsrf_cookie()
        self.clear_cookie(COOKIE, httponly=True)
        try:
            await self.context.auth.sign_out(self.request)
        except StoreUnavailableError as error:  # this browser is signed out all the same
            log.warning("a session could not be ended for good", reason=str(error))
        self.redirect("/login", status=303)


class SessionHandler(Handler):
    """`GET /api/session`: who one is and may do, with the XSRF token that changes need; for any scope."""

    scope = None

    async def get(self) -> None:
        caller = await self.identify()
        if caller is None:
            self.refuse_stranger()
        test_items = self.context.settings.server.test_items and "test" in caller.scopes
        self.answer(
            {
                "name": caller.name,
                "role": caller.role,
                "scopes": sorted(caller.scopes),
                "via": caller.via,
                "test_items": test_items,
                "xsrf": self.xsrf_token.decode(),
            }
        )
