"""`GET /metrics` for Prometheus: open to this machine; other callers need a key."""

import asyncio
from ipaddress import ip_address
from typing import ClassVar

from server.access.authentication import Identity, client_address
from server.handlers.base import BaseHandler
from workitems.base.errors import StoreUnavailableError

#: Seconds to find out who asks; more than a known key needs while Redis or the disk hangs.
IDENTIFY_SECONDS = 0.5


class MetricsHandler(BaseHandler):
    """Answers the metrics of all processes of this host, whichever of them is asked."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        if not self._is_local() and await self._identify_in_time() is None:
            self.refuse(401, "unauthorized", "metrics need a key, except for callers on this machine")
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(await self.context.metrics.render())

    async def _identify_in_time(self) -> Identity | None:
        try:
            async with asyncio.timeout(IDENTIFY_SECONDS):
                return await self.identify()
        except TimeoutError:
            raise StoreUnavailableError("whose key this is could not be found out in time") from None

    def _is_local(self) -> bool:
        """Return whether the caller is on this machine, and is not a proxy that the settings do not name."""
        address = client_address(self.request, self.context.settings.server.trusted_proxies)
        forwarded = "X-Forwarded-For" in self.request.headers or "Forwarded" in self.request.headers
        return ip_address(address).is_loopback and not (forwarded and address == self.request.remote_ip)
