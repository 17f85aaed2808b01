"""`POST /api/email/intake/<name>`: services that post mail in a form of their own, each known in its own way."""

import asyncio
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NoReturn

from server.composing import Order, TooLargeError
from server.handlers.base import RefusalError, as_refusal
from server.handlers.post import PostHandler
from server.posting import Mail
from server.sources import ses, sns
from server.sources.form import is_form
from server.sources.known import Source
from server.sources.posted import Posted
from workitems.intake import Origin
from workitems.log import get_logger

log = get_logger("sources")

#: Bytes of an SNS message: 256 KiB, and what JSON makes of them twice.
LARGEST_MESSAGE = 1024 * 1024

#: By kind, the status that ends its tries where trying again cannot help; others end them at any 4xx.
STOP = {"mailgun": 406, "postmark": 403}

#: What trying again cannot help.
_PERMANENT = (403, 413, 415, 422)


class SourceHandler(PostHandler):
    """Answers 200 when the mail lies in the mail store and Redis knows that it waits."""

    scope = None
    source: Source

    def find(self) -> None:
        source = self.context.sources.get(self.path_args[0])
        if source is None:
            self.refuse(404, "not_found", "the settings name no such source")
        self.source = source
        self.trusted = source.kind in ("sendgrid", "postmark")
        if source.kind == "ses":
            self.body.small = LARGEST_MESSAGE

    def admit(self) -> int:
        if self.request.method != "POST":
            return 0
        if self.trusted:
            self._check_password()
        kind, largest = self.source.kind, self.context.settings.intake.largest
        if kind in ("mailgun", "sendgrid"):
            if not is_form(self.request.headers.get("Content-Type", "")):
                self.refuse(415, "unsupported_media_type", "a form, multipart or URL-encoded, is accepted")
            return 3 * largest if "urlencoded" in self.content_type else largest + 1024 * 1024
        if self.content_type not in ("application/json", "text/plain"):
            self.refuse(415, "unsupported_media_type", "JSON is accepted")
        # Postmark posts the raw mail beside its parts where it is asked to.
        return LARGEST_MESSAGE if kind == "ses" else largest * 5 // 2 + 1024 * 1024

    async def post(self, _name: str) -> None:
        if not self.received():
            return
        body = await self.body.whole()
        if self.source.kind == "ses":
            await self._notification(body)
            return
        largest = self.context.settings.intake.largest
        order = Order(self.source.kind, self.request.headers.get("Content-Type", ""), most=largest)
        try:
            async with self.context.desk.composed(order, body, trusted=self.trusted) as (mail, found):
                if self.source.kind == "mailgun":
                    await self._check_signature(found.posted.proof, mail)
                await self._put(mail, found.posted)
        except TooLargeError:
            self.refuse_large(largest)

    async def _notification(self, body: Mail) -> None:
        """A message of SNS: a mail, or one that asks to be confirmed."""
        sources = self.context.sources
        assert isinstance(body.raw, bytes), "messages are kept in memory"
        assert sources.verify is not None, "loaded where a source is of this kind"
        try:
            message = await asyncio.to_thread(sns.read, body.raw)
            if message.topic not in self.source.settings.topics:
                self._forged("its topic is none of those in the settings")
            self._check_age(message.at.timestamp())
            certificate = await sources.pinned.certificate(message.certificate_url)
            await asyncio.to_thread(sources.verify, message, certificate)
            if message.type == sns.SUBSCRIPTION:
                await sources.pinned.confirm(sns.confirmation(message))
        except sns.ForgedError as error:
            self._forged(str(error))
        if message.type != sns.NOTIFICATION:
            log.warning("SNS says", source=self.source.name, type=message.type, topic=message.topic)
            self._told()
            return
        out = BytesIO()
        posted = await asyncio.to_thread(ses.write, message.text, out.write)
        if posted is None:
            self._told()
        else:
            await self._put(Mail(out.getvalue()), posted)

    async def _put(self, mail: Mail, posted: Posted) -> None:
        self.check_mail(mail.size)
        origin = Origin(
            mailbox=self.source.settings.mailbox,
            arrived=datetime.now(UTC),
            source=self.source.kind,
            size=mail.size,
            oversized=posted.headers_only,
            sender=posted.sender,
            recipients=posted.recipients,
        )
        receipt = await self.context.desk.put(mail, origin)
        self._count(receipt.outcome)
        known = receipt.outcome in ("duplicate", "gone")
        self.answer({"status": "success", "workitem_id": receipt.id, "duplicate": known})

    def _told(self) -> None:
        self._count("told")
        self.answer({"status": "success"})

    def _check_password(self) -> None:
        authorization = self.request.headers.get("Authorization")
        if authorization is None:
            self.refuse(401, "unauthorized", "the address has a user and a password: https://user:password@…")
        if not self.source.knows(authorization):
            # Postmark goes on after 401 and stops at 403, SendGrid stops at both.
            self.refuse(403 if self.source.kind in STOP else 401, "unauthorized", "the user or the password is wrong")

    async def _check_signature(self, proof: dict[str, str], mail: Mail) -> None:
        at = self.source.signed_at(proof)
        if at is None:
            self._forged("its signature is wrong, or missing")
        self._check_age(at)
        if not await self.context.sources.claim(self.source, proof["token"], mail.fingerprint):
            self._forged("its token came with another mail before")

    def _check_age(self, at: float) -> None:
        age = self.source.age(at)
        if age == "stale":
            self._forged("it was signed too long ago")
        if age == "ahead":  # our clock may be wrong, and then trying again helps
            self.refuse(503, "ahead", "it was signed at a time that is not yet here", retry_after=60.0)

    def _forged(self, reason: str) -> NoReturn:
        self.refuse(403, "forged", f"the post cannot be believed: {reason}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As all errors, with the status that this service understands."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        refusal = as_refusal(error)
        if refusal is None:
            super().write_error(status_code, **kwargs)
        else:
            if refusal.status_code in _PERMANENT:
                refusal.status_code = STOP.get(self._kind, refusal.status_code)
            super().write_error(refusal.status_code, exc_info=(RefusalError, refusal, None))
        if self.get_status() == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="tubepost", charset="UTF-8"')
        if self._kind:
            self._count(str(self.get_status()))
            reason = refusal.error if refusal else {"code": "error", "message": ""}
            log.warning("post refused", source=self.source.name, status=self.get_status(), code=reason["code"],
                        reason=reason["message"])  # fmt: skip

    @property
    def _kind(self) -> str:
        return self.source.kind if hasattr(self, "source") else ""

    def _count(self, outcome: str) -> None:
        self.context.sources.counts[self.source.name, outcome] += 1
