"""`POST /api/email/intake`: uploads; they take the same way through the intake as fetched mail."""

import secrets
from datetime import UTC, datetime
from typing import Any

from server.handlers.upload_base import UploadHandler
from server.http import query_params
from server.intake.compose_child import ComposeRequest, ComposeResult, MailTooLargeError
from server.intake.uploads import UploadedMail
from workitems.intake.origin import MailOrigin


class IntakeHandler(UploadHandler):
    """Answers 202 when the mail is in the mail store and in the intake."""

    scope = "intake"

    _mailbox = ""

    def check_request(self) -> int:
        if self.request.method == "POST":
            if self.content_type not in ("application/json", "message/rfc822"):
                self.refuse(415, "unsupported_media_type", "application/json and message/rfc822 are accepted")
            self._mailbox = query_params.parse_mailbox(
                self.get_query_argument("mailbox", self.context.settings.intake.default_mailbox)
            )
        return self.context.settings.intake.max_mail_bytes

    async def post(self) -> None:
        if not self.begin_post():
            return
        body = await self.body.to_mail()
        if self.content_type == "message/rfc822":
            await self._put(body, self._mailbox)
            return
        largest = self.context.settings.intake.max_mail_bytes
        request = ComposeRequest("json", self.content_type, f"<{secrets.token_hex(16)}@tubepost.invalid>", largest)
        try:
            async with self.context.uploads.compose(request, body) as (mail, found):
                mailbox = query_params.parse_mailbox(found.mailbox) if found.mailbox else self._mailbox
                await self._put(mail, mailbox, found)
        except MailTooLargeError:
            self.refuse_too_large(largest)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer the error, and count it."""
        super().write_error(status_code, **kwargs)
        self.context.sources.counts["intake", str(self.get_status())] += 1

    async def _put(self, mail: UploadedMail, mailbox: str, found: ComposeResult | None = None) -> None:
        self.check_mail_size(mail.size)
        origin = MailOrigin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=mail.size)
        receipt = await self.context.uploads.put(mail, origin, fresh=found is not None and found.has_generated_id)
        known = receipt.outcome in ("duplicate", "gone")
        self.context.sources.counts["intake", receipt.outcome] += 1
        answer: dict[str, Any] = {"status": "success", "workitem_id": receipt.id, "duplicate": known}
        if found is not None and found.warnings:
            answer["warnings"] = found.warnings
        self.write_json(answer, 202)
