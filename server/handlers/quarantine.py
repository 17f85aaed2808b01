"""Mail that could not be read as it should: a list of it, and reading one again."""

from dataclasses import asdict

from server import query
from server.handlers.base import Handler
from workitems.quarantine import quarantine, quarantined, retry

#: Items of a page: unless asked otherwise, and at most.
LIMIT = 50
MOST = 200


class QuarantineHandler(Handler):
    """`GET /api/quarantine`: `{count, oldest, items}`; `oldest` is an age in seconds, or null."""

    async def get(self) -> None:
        start = query.number(self.get_query_argument("start", "0"), "start", least=0, most=10_000_000)
        limit = query.number(self.get_query_argument("limit", str(LIMIT)), "limit", least=1, most=MOST)
        size = await quarantine(self.context.redis)
        items = await quarantined(self.context.redis, start=start, limit=limit)
        self.answer({"count": size.count, "oldest": size.oldest, "items": [asdict(each) for each in items]})


class RetryHandler(Handler):
    """`POST …/retry`: the mail waits to be read again; asking twice does nothing more."""

    scope = "write"

    async def post(self, item_id: str) -> None:
        most = self.context.settings.intake.most
        await retry(self.context.redis, self.context.mailstore, item_id, most=most)
        self.answer({"status": "pending"}, 202)
