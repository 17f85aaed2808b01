"""`GET /api/stats`: what this process counts, all living processes together, and how mail comes in."""

from server.handlers.base import Handler


class StatsHandler(Handler):
    """For people and dashboards; Prometheus reads `/metrics`."""

    async def get(self) -> None:
        seen = self.context.monitor.overview
        intake = {"intake": seen.told()} if seen else {}
        self.answer(await self.context.stats.together() | intake)
