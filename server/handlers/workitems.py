"""`GET /api/workitems`: a page of the queue, newest first."""

from server import query
from server.handlers.base import Handler

#: Items of a page: unless asked otherwise, and at most.
LIMIT = 50
MOST = 200

#: The largest score that a sorted set tells apart.
_LARGEST = 2**53


class WorkitemsHandler(Handler):
    """`{items, next, head}`: `head` opens the event stream without a gap, `next` is the `before` of the next page."""

    async def get(self) -> None:
        status, mailbox = self._wanted("status"), self._wanted("mailbox")
        submission, before = self._wanted("submission"), self._wanted("before")
        page = await self.context.store.page(
            status=query.status(status) if status else None,
            mailbox=query.mailbox(mailbox) if mailbox else None,
            submission=query.submission(submission) if submission else None,
            before=query.number(before, "before", least=1, most=_LARGEST) if before else None,
            limit=query.number(self._wanted("limit") or str(LIMIT), "limit", least=1, most=MOST),
        )
        self.answer({"items": [item.view() for item in page.items], "next": page.next, "head": page.head})

    def _wanted(self, name: str) -> str | None:
        return self.get_query_argument(name, None)
