"""`GET /healthz` (alive) and `GET /readyz` (started): for supervisors and load balancers, without sign-in."""

from typing import ClassVar

from server.handlers.base import Handler


class AliveHandler(Handler):
    """200 as long as the event loop turns."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        self.answer({"status": "alive"})


class ReadyHandler(Handler):
    """200 once the feed was reached; an absent Redis later is degraded, not unready: open streams are kept."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        hub = self.context.hub
        if hub.draining:
            self.answer({"status": "draining"}, 503)
        elif not hub.ready.is_set():
            self.answer({"status": "starting", "message": "waiting for Redis"}, 503)
        else:
            available = self.context.stats.own()["store_available"]
            self.answer({"status": "ready" if available else "degraded"})
