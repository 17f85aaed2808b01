"""The quarantine: items whose mail could not be read properly, and the retry of an item."""

from dataclasses import asdict

from server.handlers.base import BaseHandler
from server.http import query_params
from workitems.queue.quarantine import list_quarantined, quarantine_size, retry_item

#: Items on a page: by default, and at most.
LIMIT = 50
MAX_LIMIT = 200


class QuarantineHandler(BaseHandler):
    """`GET /api/quarantine`: `{count, oldest, items}`; `oldest` is an age in seconds, or null."""

    async def get(self) -> None:
        start = query_params.parse_number(self.get_query_argument("start", "0"), "start", least=0, most=10_000_000)
        limit = query_params.parse_number(
            self.get_query_argument("limit", str(LIMIT)), "limit", least=1, most=MAX_LIMIT
        )
        size = await quarantine_size(self.context.redis)
        items = await list_quarantined(self.context.redis, start=start, limit=limit)
        self.write_json(
            {"count": size.count, "oldest": size.oldest_age_seconds, "items": [asdict(each) for each in items]}
        )


class RetryHandler(BaseHandler):
    """`POST …/retry`: lets the mail be read again; a second request changes nothing."""

    scope = "write"

    async def post(self, item_id: str) -> None:
        max_waiting = self.context.settings.intake.max_waiting
        await retry_item(self.context.redis, self.context.mailstore, item_id, max_waiting=max_waiting)
        self.write_json({"status": "pending"}, 202)
