"""`GET /api/mailboxes`: how mail comes in, mailbox by mailbox, and what waits."""

from server.handlers.base import Handler


class MailboxesHandler(Handler):
    """The same that the stream tells as `mailbox_status`, `import_progress` and `intake_status`, whatever it is."""

    async def get(self) -> None:
        self.answer((await self.context.monitor.look()).told())
