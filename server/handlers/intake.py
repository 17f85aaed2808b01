"""`POST /api/email/intake`: mail that is posted, by the same corridor as mail that is fetched."""

import secrets
from datetime import UTC, datetime
from typing import Any

from server import query
from server.composing import Order, TooLargeError
from server.handlers.post import PostHandler
from server.posting import Mail
from workitems.intake import Origin


class IntakeHandler(PostHandler):
    """Answers 202 when the mail lies in the mail store and Redis knows that it waits."""

    scope = "intake"

    _mailbox = ""

    def admit(self) -> int:
        if self.request.method == "POST":
            if self.content_type not in ("application/json", "message/rfc822"):
                self.refuse(415, "unsupported_media_type", "application/json and message/rfc822 are accepted")
            self._mailbox = query.mailbox(self.get_query_argument("mailbox", self.context.settings.intake.mailbox))
        return self.context.settings.intake.largest

    async def post(self) -> None:
        if not self.received():
            return
        body = await self.body.whole()
        if self.content_type == "message/rfc822":
            await self._put(body, self._mailbox)
            return
        largest = self.context.settings.intake.largest
        order = Order("json", self.content_type, f"<{secrets.token_hex(16)}@tubepost.invalid>", largest)
        try:
            async with self.context.desk.composed(order, body) as (mail, found):
                mailbox = query.mailbox(found.mailbox) if found.mailbox else self._mailbox
                await self._put(mail, mailbox, fresh=found.fresh)
        except TooLargeError:
            self.refuse_large(largest)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As all errors, and counted."""
        super().write_error(status_code, **kwargs)
        self.context.sources.counts["intake", str(self.get_status())] += 1

    async def _put(self, mail: Mail, mailbox: str, *, fresh: bool = False) -> None:
        self.check_mail(mail.size)
        origin = Origin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=mail.size)
        receipt = await self.context.desk.put(mail, origin, fresh=fresh)
        known = receipt.outcome in ("duplicate", "gone")
        self.context.sources.counts["intake", receipt.outcome] += 1
        self.answer({"status": "success", "workitem_id": receipt.id, "duplicate": known}, 202)
