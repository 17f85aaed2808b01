"""Sign-in, sign-out, and the session of the caller."""

import math
import re
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from server.access.authentication import DEMO_USER, SESSION_COOKIE
from server.access.client_address import client_address
from server.access.devices import DEVICE_COOKIE, DEVICE_DAYS, Device, new_device
from server.access.rate_limit import Attempt, TooManyTriesError
from server.handlers.base import BaseHandler, RefusalError, as_refusal
from server.handlers.template_base import TemplateHandler
from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger

log = get_logger("server")

#: A path on this server: not `//host`, no backslash (browsers read it as a slash), no control character or space.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}", re.ASCII)


def local_path(path: str) -> str:
    """Return *path* if it stays on this server, else `/`."""
    return path if _LOCAL.fullmatch(path) else "/"


class LoginHandler(TemplateHandler):
    """`/login`: a form that works without scripts; the demo prints a link to it with a token."""

    scope = None

    def set_default_headers(self) -> None:
        super().set_default_headers()
        # The query can hold a token. Not no-referrer: browsers would send `Origin: null` with the form (Fetch §3.2).
        self.set_header("Referrer-Policy", "strict-origin")

    async def get(self) -> None:
        token = self.get_query_argument("token", "")
        if token:
            self._sign_in_by_token(token, self.get_query_argument("next", "/"))
        else:
            self._form(self.get_query_argument("next", "/"))

    @property
    def xsrf_token(self) -> bytes:
        """Return the token of the form, which is bound to the device: there is no session yet."""
        return self.context.auth.xsrf_token(self._device.id) if self._device else b""

    async def post(self) -> None:
        self.check_same_site()
        then = self.get_body_argument("next", "/")
        try:
            self.check_xsrf_cookie()
        except RefusalError:  # people see this, such as after cookies were deleted
            self._form(then, "This form was out of date. Please try again.", 403)
            return
        token = self.get_body_argument("token", "")
        if token:
            self._sign_in_by_token(token, then)
            return
        name = self.get_body_argument("user", "")
        password = self.get_body_argument("password", "", strip=False)
        if not name or not password:
            self._form(then, "Enter your name and your password.", 422, name=name[:64])
            return
        try:
            with self._trying(f"user:{name}") as attempt:
                cookie = await self.context.auth.sign_in(name, password, self._device)
                attempt.is_right = cookie is not None
        except TooManyTriesError as error:
            self._ask_to_wait(error.wait, then, name)
        else:
            refusal = "The name or the password is wrong."
            self._enter(cookie, then, f"user:{name}") if cookie else self._form(then, refusal, 401, name=name[:64])

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer 503 by the form with the reason, since people read it; other errors as everywhere."""
        refusal = as_refusal(kwargs.get("exc_info", (None, None, None))[1])
        if refusal is None or refusal.status_code != 503:
            super().write_error(status_code, **kwargs)
            return
        if refusal.retry_after is not None:
            self.set_header("Retry-After", str(max(1, math.ceil(refusal.retry_after))))
        then, name = self.get_body_argument("next", "/"), self.get_body_argument("user", "")
        reason = f"You cannot sign in now: {refusal.error['message']}. Please try again in a moment."
        self._form(then, reason, 503, name=name[:64])
        self.finish()

    def _sign_in_by_token(self, token: str, then: str) -> None:
        person = f"token:{DEMO_USER}"
        try:
            with self._trying(person) as attempt:
                cookie = self.context.auth.sign_in_by_token(token)
                attempt.is_right = cookie is not None
        except TooManyTriesError as error:
            self._ask_to_wait(error.wait, then)
        else:
            self._enter(cookie, then, person) if cookie else self._form(then, "This is not the access token.", 401)

    def _trying(self, person: str) -> AbstractContextManager[Attempt]:
        auth, address = self.context.auth, client_address(self.request, self.context.settings.server.trusted_proxies)
        return auth.sign_in_guard.trying(person, address, self._device)

    def _ask_to_wait(self, seconds: float, then: str, name: str = "") -> None:
        wait = math.ceil(seconds)
        self.set_header("Retry-After", str(wait))
        self._form(then, f"Too many tries. Try again in {wait} seconds.", 429, name=name[:64])

    def _enter(self, cookie: str, then: str, person: str) -> None:
        auth = self.context.auth
        self._set_device((self._device or new_device()).with_person(person))
        self.set_own_cookie(SESSION_COOKIE, cookie, auth.session_days)
        self.redirect(local_path(then), status=303)

    def _form(self, then: str, error: str = "", status: int = 200, *, name: str = "") -> None:
        self.is_refused_try = status in (401, 429)
        if self._device is None:
            self._set_device(new_device())
        values = {"next": local_path(then), "error": error, "name": name}
        self.render_template("login.html", status, has_token=self.context.auth.has_token, **values)

    def _set_device(self, device: Device) -> None:
        self._device = device
        self.set_own_cookie(DEVICE_COOKIE, self.context.auth.device_cookie(device), DEVICE_DAYS)

    @cached_property
    def _device(self) -> Device | None:
        return self.context.auth.device_of(self.request)


class LogoutHandler(BaseHandler):
    """`POST /logout`: removes the cookie, and ends the session for all servers."""

    scope = None

    async def post(self) -> None:
        self.check_same_site()
        if self.xsrf_token:  # else there is no session to end
            self.check_xsrf_cookie()
        self.set_own_cookie(SESSION_COOKIE, "", -1)
        try:
            await self.context.auth.sign_out(self.request)
        except StoreUnavailableError as error:  # this browser is signed out nevertheless
            log.warning("a session could not be ended for all servers", reason=str(error))
        self.redirect("/login", status=303)


class SessionHandler(BaseHandler):
    """`GET /api/session`: the caller, its scopes, and the XSRF token that changes need; for any scope."""

    scope = None

    async def get(self) -> None:
        caller = await self.identify()
        if caller is None:
            self.refuse_unauthenticated()
        test_items = self.context.settings.server.test_items and "test" in caller.scopes
        self.write_json(
            {
                "name": caller.name,
                "role": caller.role,
                "scopes": sorted(caller.scopes),
                "via": caller.via,
                "test_items": test_items,
                "xsrf": self.xsrf_token.decode(),
            }
        )
