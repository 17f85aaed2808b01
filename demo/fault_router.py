"""Simulate faults of a server for a script: a router before the application of one process.

A server that plays no script has none of this: only `demo.script_server` uses it, no setting or route does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from server.access.authentication import Identity
from server.context import Context
from server.handlers.base import BaseHandler
from server.handlers.stream import StreamHandler
from workitems.base.tasks import not_cancelled

#: Paths that need a signed-in caller.
_GUARDED = ("/api/", "/sse/")

_STREAM = "/sse/workitems"

#: Seconds between two checks whether a heartbeat must be delayed.
_POLL_SECONDS = 0.02


class SignedOutHandler(BaseHandler):
    """Refuse all callers, as when a session has ended; answer preflight requests of other sites as usual."""

    scope: ClassVar[str | None] = "read"

    async def identify(self) -> Identity | None:
        return None


class NoSlotHandler(StreamHandler):
    """Refuse a stream for the *reason* that `StreamLimits.acquire` would give."""

    def initialize(self, context: Context, reason: str = "process") -> None:
        super().initialize(context)
        self._reason = reason

    def _acquire_slot(self) -> str:
        return self._reason


class FaultRouter(Router):
    """Routes to the application, except for faults that are simulated now. Times are those of the event loop."""

    def __init__(self, context: Context, application: Application) -> None:
        self.context = context
        self._application = application
        self.hub = context.hub
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        #: Items that the script made.
        self.items_made = 0
        #: Fault → the time until which it is simulated.
        self._until: dict[str, float] = {}

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if self._is("unauthorized") and request.path.startswith(_GUARDED):
            return self._answer(request, SignedOutHandler)
        if request.path == _STREAM and request.method == "GET":
            for fault, reason in (("busy", "process"), ("limited", "user")):
                if self._is(fault):
                    return self._answer(request, NoSlotHandler, reason=reason)
        return self._application.find_handler(request, **kwargs)

    def _answer(self, request: HTTPServerRequest, handler: type[BaseHandler], **more: str) -> HTTPMessageDelegate:
        arguments = {"context": self.context, **more}
        return self._application.get_handler_delegate(request, handler, target_kwargs=arguments)

    def _is(self, fault: str) -> bool:
        return self._until.get(fault, 0.0) > self._clock()

    def simulate(self, fault: str, seconds: float) -> None:
        """Simulate `unauthorized`, `busy`, `limited` or `silence` from now on for *seconds*."""
        self._until[fault] = self._clock() + seconds
        self._delay_heartbeats()

    async def hold_back_heartbeats(self) -> None:
        """Delay the heartbeats of streams that open during a `silence`, too. Never returns."""
        while not_cancelled():
            await asyncio.sleep(_POLL_SECONDS)
            self._delay_heartbeats()

    def _delay_heartbeats(self) -> None:
        until = self._until.get("silence", 0.0)
        if until > self._clock():
            for stream in self.hub.joined_streams:
                stream.heartbeat_at = max(stream.heartbeat_at, until)
