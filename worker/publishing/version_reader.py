"""Reads one stored mail in the reading children: all of its versions, complete or only their headers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worker.publishing.field_results import expected_by_mailbox
from worker.publishing.publication import (
    Publication,
    ReadVersion,
    ReceivingMailbox,
    build_publication,
    is_whole,
    scan_result,
)
from worker.publishing.sender_budgets import SenderBudgets, sender_of
from worker.publishing.validation import validate_result
from worker.sandbox.failure import ReadFailedError, deferred_error, unfinished_error
from worker.sandbox.fair_queue import Sender
from worker.sandbox.frames import EncodedRules
from worker.sandbox.pool import FILE_SHARE, FILES_SECONDS, Sandbox
from worker.sandbox.process import ReadingResult
from workitems.base.log import get_logger
from workitems.mailstore.sidecar import RawMail

log = get_logger("reader")

#: The function with which children read headers.
READ_HEADERS = "worker.sandbox.mail_reader:make_header_reader"

#: The most versions of one mail that are read.
MAX_VERSIONS = 8

#: CPU seconds of a slice, for the text of a mail and for its files, and the bytes for each of which it gets one second
#: more. Almost all mail takes less than half of it. A hundred costly mails that come at once hold up the first lane for
#: less than two seconds, with two processors.
SLICE_SECONDS, SLICE_BYTES_PER_SECOND = 0.03, 200_000_000

#: CPU seconds of a short reading, the bytes for each of which it gets one second more, and CPU seconds for the files.
SHORT_SECONDS, SHORT_BYTES_PER_SECOND, SHORT_FILES_SECONDS = 0.75, 5_000_000, 0.8

#: CPU seconds for the headers of a mail.
HEADERS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ReadingTime:
    """The CPU seconds of one reading: for the text, then for all files, of which one may use a *share*."""

    text: float
    files: float = FILES_SECONDS
    share: float = FILE_SHARE


def slice_time(size: int) -> ReadingTime:
    """Return the time of a slice for a mail of *size* bytes. A file that needs more ends it: it is read again."""
    return ReadingTime(SLICE_SECONDS + size / SLICE_BYTES_PER_SECOND, SLICE_SECONDS, share=1.0)


def short_time(size: int, most: float) -> ReadingTime:
    """Return the time of a short reading of *size* bytes, its text *most* seconds: few, as endless mail uses it up."""
    return ReadingTime(min(most, SHORT_SECONDS + size / SHORT_BYTES_PER_SECOND), SHORT_FILES_SECONDS)


class VersionReader:
    """Turns stored versions of a mail into a publication.

    *first* has been started. *careful*, for mail that failed before or takes long, has its own children, so that such
    mail cannot hold up or end the children of other mail. *careful* and *headers* are started when they are first
    needed.
    """

    def __init__(
        self,
        first: Sandbox,
        careful: Sandbox,
        headers: Sandbox,
        budgets: SenderBudgets | None = None,
        mailboxes: Mapping[str, ReceivingMailbox] | None = None,
        rules: EncodedRules | None = None,
    ) -> None:
        """*mailboxes*: by name, what is known of each. *rules*: those of *first* and *careful*."""
        self._budgets = budgets or SenderBudgets()
        self._first = first
        self._careful = careful
        self._headers = headers
        self._mailboxes = mailboxes or {}
        self._expected = expected_by_mailbox(rules or {})
        self._starting = asyncio.Lock()
        self._started = {first}

    async def use_rules(self, rules: EncodedRules) -> None:
        """Read all mail that is not in a child yet with *rules*, if a child takes them.

        Raises SandboxUnavailableError or OSError when none does; then nothing changes.
        """
        await self._first.change_rules(rules)
        self._careful.use_rules(rules)
        self._expected = expected_by_mailbox(rules)

    async def read(
        self, versions: Sequence[RawMail], *, seconds: float | None = None, is_short: bool = False
    ) -> Publication:
        """Read all versions, each within a slice, or within *seconds*, or in a `short_time` of at most *seconds*.

        Raises the first ReadFailedError. A slice and a short reading raise one also when files need more time, and a
        slice when the sender has used up its time.
        """
        sender = sender_of(versions[0].raw) if versions else ()
        try:
            if seconds is None and self._budgets.is_over(sender):
                raise deferred_error()
            found = [
                ReadVersion(stored, await self._read_version(stored, seconds, is_short=is_short))
                for stored in versions[:MAX_VERSIONS]
            ]
        except ReadFailedError as error:
            error.sender = sender
            raise
        return self._build(found, versions)

    async def salvage(self, versions: Sequence[RawMail], reason: str, *, seconds: float | None = None) -> Publication:
        """Read as much as possible of a mail that failed: each version completely, or its headers, or a scan of them.

        Without *seconds*, no version is read completely again. Raises SandboxUnavailableError, never ReadFailedError.
        """
        found = [
            ReadVersion(stored, await self._salvage_version(stored, seconds)) for stored in versions[:MAX_VERSIONS]
        ]
        return self._build(found, versions, reason)

    def scan(self, versions: Sequence[RawMail], reason: str) -> Publication:
        """Build a minimal publication without a child."""
        found = [ReadVersion(stored, scan_result(stored.raw)) for stored in versions[:1]]
        return self._build(found, versions, reason)

    def _build(
        self, found: Sequence[ReadVersion], versions: Sequence[RawMail], reason: str | None = None
    ) -> Publication:
        name = versions[0].sidecar.mailbox
        fingerprints = [stored.sidecar.raw for stored in versions]
        expected = self._expected.get(name, self._expected.get("*", ()))
        return build_publication(
            found, fingerprints, reason=reason, mailbox=self._mailboxes.get(name), expected_fields=expected
        )

    async def _read_version(self, stored: RawMail, seconds: float | None, *, is_short: bool = False) -> ReadingResult:
        if not is_whole(stored):
            return await self._read_headers(stored)
        size = len(stored.raw)
        if seconds is None:
            result = await self._read_in_child(self._first, stored, slice_time(size))
        else:
            time = short_time(size, seconds) if is_short else ReadingTime(seconds)
            result = await self._read_in_child(self._careful, stored, time)
        if result.is_unfinished and (seconds is None or is_short):
            raise unfinished_error()
        return result

    async def _salvage_version(self, stored: RawMail, seconds: float | None) -> ReadingResult:
        try:
            if seconds is not None:
                return await self._read_version(stored, seconds)
        except ReadFailedError as error:
            log.info("a version of a mail cannot be read", item=stored.sidecar.id, reason=error.reason)
        try:
            return await self._read_headers(stored)
        except ReadFailedError as error:
            log.warning("the headers of a mail cannot be read", item=stored.sidecar.id, reason=error.reason)
            return scan_result(stored.raw)

    async def _read_headers(self, stored: RawMail) -> ReadingResult:
        return await self._read_in_child(self._headers, stored, ReadingTime(HEADERS_SECONDS))

    async def _read_in_child(self, sandbox: Sandbox, stored: RawMail, time: ReadingTime) -> ReadingResult:
        if sandbox not in self._started:  # a start takes seconds, so only the first call does it
            async with self._starting:
                if sandbox not in self._started:
                    await sandbox.start()
                    self._started.add(sandbox)
        sender = sender_of(stored.raw)
        try:
            result = await sandbox.read(
                stored.raw,
                mailbox=stored.sidecar.mailbox,
                limit=time.text,
                files_seconds=time.files,
                share=time.share,
                sender=sender,
            )
        except ReadFailedError as error:
            self._charge(sender, error.seconds)
            raise
        self._charge(sender, result.cpu_seconds)
        return _name_reason(validate_result(result))

    def _charge(self, sender: Sender, seconds: float) -> None:
        if self._budgets.charge(sender, seconds) and self._budgets.is_over(sender):
            self._first.refuse_waiting(self._budgets.is_over)


def _name_reason(result: ReadingResult) -> ReadingResult:
    """Give the file at which the reading ended the reason for that."""
    if not result.stopped:
        return result
    files = [
        file | {"unread": result.stopped.reason} if file["n"] == result.file else file
        for file in result.reading["attachments"]
    ]
    return replace(result, reading=result.reading | {"attachments": files})
