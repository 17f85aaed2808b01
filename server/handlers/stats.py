"""`GET /api/stats`: what this process counts, and all living processes together."""

from server.handlers.base import Handler


class StatsHandler(Handler):
    """For people and dashboards; Prometheus reads `/metrics`."""

    async def get(self) -> None:
        self.answer(await self.context.stats.together())
