"""What a script can make happen to a real server: it stands before the assembled application of one process.

Nothing of it is in a server that plays no script: no setting and no route leads here (`demo.play` alone does).
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from server.auth import Identity
from server.context import Context
from server.handlers.base import Handler
from server.handlers.stream import StreamHandler
from workitems.tasks import not_cancelled

#: What a signed-out caller is refused.
_GUARDED = ("/api/", "/sse/")

_STREAM = "/sse/workitems"

#: Seconds between two looks at whether a heartbeat must wait.
_LOOK = 0.02


class StrangerHandler(Handler):
    """Knows nobody, as when a session has ended; other sites' preflights are answered as ever."""

    scope: ClassVar[str | None] = "read"

    async def identify(self) -> Identity | None:
        return None


class FullHandler(StreamHandler):
    """Has no place for a stream, for the *reason* that `Limits.take` would give."""

    def initialize(self, context: Context, reason: str = "process") -> None:
        super().initialize(context)
        self._reason = reason

    def _slot(self) -> str:
        return self._reason


class Stage(Router):
    """Answers as the application does, but for what the script wants meanwhile. Times are the loop's."""

    def __init__(self, context: Context, application: Application) -> None:
        self.context = context
        self._application = application
        self.hub = context.hub
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        #: Items that the script made.
        self.made = 0
        #: What is wished → until when.
        self._until: dict[str, float] = {}

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if self._is("unauthorized") and request.path.startswith(_GUARDED):
            return self._answer(request, StrangerHandler)
        if request.path == _STREAM and request.method == "GET":
            for wish, reason in (("busy", "process"), ("limited", "user")):
                if self._is(wish):
                    return self._answer(request, FullHandler, reason=reason)
        return self._application.find_handler(request, **kwargs)

    def _answer(self, request: HTTPServerRequest, handler: type[Handler], **more: str) -> HTTPMessageDelegate:
        handed = {"context": self.context, **more}
        return self._application.get_handler_delegate(request, handler, target_kwargs=handed)

    def _is(self, wish: str) -> bool:
        return self._until.get(wish, 0.0) > self._clock()

    def wish(self, wish: str, seconds: float) -> None:
        """From now on and for so long `unauthorized`, `busy`, `limited` or `silence`."""
        self._until[wish] = self._clock() + seconds
        self._hush()

    async def keep_silent(self) -> None:
        """For ever: while it is wished, the heartbeats of streams that come meanwhile wait, too."""
        while not_cancelled():
            await asyncio.sleep(_LOOK)
            self._hush()

    def _hush(self) -> None:
        until = self._until.get("silence", 0.0)
        if until > self._clock():
            for stream in self.hub.streams:
                stream.beat_at = max(stream.beat_at, until)
