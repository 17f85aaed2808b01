"""Where a mail comes from, according to the caller of the put."""

from dataclasses import dataclass
from datetime import datetime

from workitems.mailstore.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class MailOrigin:
    """Where a mail comes from. `folder`, `uidvalidity` and `uid` are set for mailboxes.

    `is_own`: the team sent it. `moves_checkpoint`: the folder's checkpoint moves with it. `lease_token`: '' for none.
    """

    mailbox: str
    arrived: datetime
    source: str
    size: int
    oversized: bool = False
    uidvalidity: int | None = None
    uid: int | None = None
    folder: str = "INBOX"
    is_own: bool = False
    moves_checkpoint: bool = True
    lease_token: str = ""
    sender: str | None = None
    recipients: tuple[str, ...] = ()

    def sidecar(self, item_id: str, fingerprint: str) -> Sidecar:
        """Return the sidecar of a mail that comes from here."""
        return Sidecar(
            id=item_id,
            mailbox=self.mailbox,
            raw=fingerprint,
            arrived=self.arrived.isoformat(timespec="seconds").replace("+00:00", "Z"),
            source=self.source,
            size=self.size,
            oversized=self.oversized,
            uidvalidity=self.uidvalidity,
            uid=self.uid,
            folder=self.folder,
            own=self.is_own,
            sender=self.sender,
            recipients=self.recipients[:50],
        )
