"""Entries of the feed that this process could not decode and therefore skipped."""

from collections import OrderedDict

from workitems.base.log import get_logger

log = get_logger("feed")

#: Entries that a process remembers in order to count and log each of them once.
MAX_REMEMBERED = 10_000


class UndecodableEntries:
    """Counts such entries, each once however often it is read."""

    def __init__(self) -> None:
        self.count = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def add(self, entry_id: bytes, reason: str) -> None:
        """Count and log an entry that is new here. *reason* must hold nothing of its content."""
        if entry_id in self._known:
            return
        self.count += 1
        self._known[entry_id] = None
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        log.warning("an entry of the feed cannot be decoded and is skipped", entry=entry_id.decode(), reason=reason)


#: Those of this process.
undecodable = UndecodableEntries()
