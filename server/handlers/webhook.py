"""`POST /api/email/intake/<name>`: webhooks of mail services; each has its own format and its own proof."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NoReturn

from server.access.rate_limit import TooManyTriesError
from server.handlers.base import RefusalError, as_refusal
from server.handlers.upload_base import UploadHandler
from server.intake.compose_child import ComposeRequest, MailTooLargeError
from server.intake.sources import ses, sns
from server.intake.sources.envelope import PostedEnvelope
from server.intake.sources.form import is_form
from server.intake.sources.registry import WebhookSource
from server.intake.uploads import UploadedMail
from workitems.base.log import get_logger
from workitems.intake.origin import MailOrigin

log = get_logger("sources")

#: Bytes of an SNS message at most: 256 KiB, which JSON inside JSON makes longer.
MAX_SNS_MESSAGE = 1024 * 1024

#: By kind, the status after which the service stops its retries; other services stop after any 4xx.
STOP = {"mailgun": 406, "postmark": 403}

#: Errors that a retry cannot heal.
_PERMANENT = (403, 413, 415, 422)


class WebhookHandler(UploadHandler):
    """Answers 200 when the mail is in the mail store and in the intake."""

    scope = None
    source: WebhookSource

    def resolve_source(self) -> None:
        source = self.context.sources.get(self.path_args[0])
        if source is None:
            self.refuse(404, "not_found", "the settings have no source of this name")
        self.source = source
        self.is_trusted = source.kind in ("sendgrid", "postmark")
        if source.kind == "ses":
            self.body.max_memory_bytes = MAX_SNS_MESSAGE

    def check_request(self) -> int:
        if self.request.method != "POST":
            return 0
        if self.is_trusted:
            self._check_password()
        kind, largest = self.source.kind, self.context.settings.intake.max_mail_bytes
        if kind in ("mailgun", "sendgrid"):
            if not is_form(self.request.headers.get("Content-Type", "")):
                message = "multipart/form-data and application/x-www-form-urlencoded are accepted"
                self.refuse(415, "unsupported_media_type", message)
            return 3 * largest if "urlencoded" in self.content_type else largest + 1024 * 1024
        if self.content_type not in ("application/json", "text/plain"):
            self.refuse(415, "unsupported_media_type", "application/json and text/plain are accepted")
        # Postmark can be set to send the raw mail in addition to its parts.
        return MAX_SNS_MESSAGE if kind == "ses" else largest * 5 // 2 + 1024 * 1024

    async def post(self, _name: str) -> None:
        if not self.begin_post():
            return
        body = await self.body.to_mail()
        if self.source.kind == "ses":
            await self._notification(body)
            return
        largest = self.context.settings.intake.max_mail_bytes
        request = ComposeRequest(self.source.kind, self.request.headers.get("Content-Type", ""), max_bytes=largest)
        try:
            async with self.context.uploads.compose(request, body, trusted=self.is_trusted) as (mail, found):
                if self.source.kind == "mailgun":
                    await self._check_signature(found.envelope.proof, mail)
                await self._put(mail, found.envelope)
        except MailTooLargeError:
            self.refuse_too_large(largest)

    async def _notification(self, body: UploadedMail) -> None:
        """Handle a message of SNS: a mail, or the request to confirm a subscription."""
        sources = self.context.sources
        assert isinstance(body.raw, bytes), "messages are kept in memory"
        try:
            message = await sources.run_in_thread(sns.parse_message, body.raw)
            if message.topic not in self.source.settings.topics:
                self._forged("its topic is not in the settings")
            self._check_age(message.at.timestamp())
            await sources.verify_message(message, self._address)
            if message.type == sns.SUBSCRIPTION:
                await sources.sns_client.confirm_subscription(sns.confirmation_url(message))
        except sns.ForgedError as error:
            self._forged(str(error))
        if message.type != sns.NOTIFICATION:
            log.warning(
                "message of SNS without a mail", source=self.source.name, type=message.type, topic=message.topic
            )
            self._acknowledge()
            return
        out = BytesIO()
        envelope = await sources.run_in_thread(ses.convert, message.text, out.write)
        if envelope is None:
            self._acknowledge()
        else:
            await self._put(UploadedMail(out.getvalue()), envelope)

    async def _put(self, mail: UploadedMail, envelope: PostedEnvelope) -> None:
        self.check_mail_size(mail.size)
        origin = MailOrigin(
            mailbox=self.source.settings.mailbox,
            arrived=datetime.now(UTC),
            source=self.source.kind,
            size=mail.size,
            oversized=envelope.headers_only,
            sender=envelope.sender,
            recipients=envelope.recipients,
        )
        receipt = await self.context.uploads.put(mail, origin)
        self._count(receipt.outcome)
        known = receipt.outcome in ("duplicate", "gone")
        self.write_json({"status": "success", "workitem_id": receipt.id, "duplicate": known})

    def _acknowledge(self) -> None:
        self._count("notice")
        self.write_json({"status": "success"})

    def _check_password(self) -> None:
        authorization = self.request.headers.get("Authorization")
        if authorization is None:
            self.context.auth.refused.count("basic", "missing", self._address)
            self.refuse(401, "unauthorized", "user and password are missing: https://user:password@…")
        guard, shown = self.context.auth.guard, f"{self.source.name} {authorization}"
        try:
            with guard.trying("basic", shown, self._address, secret=self.source.secret) as attempt:
                attempt.is_right = self.source.is_authorized(authorization)
        except TooManyTriesError as error:  # not 429: services drop mail at any 4xx, and this may be the right password
            message = "too many wrong passwords came from this network"
            self.refuse(503, "too_many_tries", message, retry_after=error.wait)
        if not attempt.is_right:
            # Postmark retries after 401 and stops after 403; SendGrid stops after both.
            self.refuse(403 if self.source.kind in STOP else 401, "unauthorized", "the user or the password is wrong")

    async def _check_signature(self, proof: dict[str, str], mail: UploadedMail) -> None:
        at = self.source.signed_at(proof)
        if at is None:
            self._forged("its signature is wrong, or missing")
        self._check_age(at)
        if not await self.context.sources.claim_token(self.source, proof["token"], mail.fingerprint):
            self._forged("its token was used for another mail before")

    def _check_age(self, at: float) -> None:
        age = self.source.timestamp_status(at)
        if age == "stale":
            self._forged("it was signed too long ago")
        if age == "ahead":  # our clock may be wrong, and then a retry helps
            self.refuse(503, "ahead", "the time of its signature is in the future", retry_after=60.0)

    def _forged(self, reason: str) -> NoReturn:
        self.refuse(403, "forged", f"the request did not prove that it comes from the service: {reason}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer the error with the status that this service understands."""
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
            if self.is_refused_try:
                return
            reason = refusal.error if refusal else {"code": "error", "message": ""}
            log.warning("post refused", source=self.source.name, status=self.get_status(), code=reason["code"],
                        reason=reason["message"])  # fmt: skip

    @property
    def _kind(self) -> str:
        return self.source.kind if hasattr(self, "source") else ""

    def _count(self, outcome: str) -> None:
        self.context.sources.counts[self.source.name, outcome] += 1
