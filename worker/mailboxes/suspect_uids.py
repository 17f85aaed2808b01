"""Records the mails at which connections end, so that one mail that a server cannot give does not stop all others."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Failures after which a mail is no longer fetched at every poll. The first may be of another mail of its batch.
DEFER_AFTER_FAILURES = 3

#: Failures after which not even its headers are fetched at every poll.
GIVE_UP_AFTER_FAILURES = 5

#: Seconds until it is fetched again; doubled with each further failure.
AGAIN_BASE, AGAIN_CAP = 300.0, 3600.0

#: The most mails in the record. With more, the server as a whole has failed.
MAX_SUSPECTS = 10_000


@dataclass(slots=True)
class _Suspect:
    failures: int = 0
    retry_at: float = 0.0


class SuspectUids:
    """The suspect UIDs of one folder, kept across connections but not across restarts. *clock* in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, _Suspect] = {}
        #: Whether the server gives a part of a mail on request (RFC 3501 §6.4.5, `<0.n>`).
        self.has_partial_fetch = True

    def record_failure(self, uids: Iterable[int]) -> None:
        """Record that the connection ended while *uids* were being fetched."""
        if len(self._known) >= MAX_SUSPECTS:
            self._known.clear()
        for uid in uids:
            known = self._known.setdefault(uid, _Suspect())
            known.failures += 1
            if known.failures >= DEFER_AFTER_FAILURES:
                known.retry_at = self._clock() + min(
                    AGAIN_CAP, AGAIN_BASE * 2.0 ** min(known.failures - DEFER_AFTER_FAILURES, 16)
                )

    def record_success(self, uids: Iterable[int]) -> None:
        """Record that *uids* were given after all."""
        for uid in uids:
            self._known.pop(uid, None)

    def clear(self) -> None:
        """Forget all: the UIDVALIDITY has changed."""
        self._known.clear()

    def is_suspect(self, uid: int) -> bool:
        """Return whether *uid* must be fetched alone, so that a failure shows which mail it was."""
        return uid in self._known

    def is_deferred(self, uid: int) -> bool:
        """Return whether the whole of *uid* must not be fetched now."""
        known = self._known.get(uid)
        return known is not None and known.failures >= DEFER_AFTER_FAILURES and self._clock() < known.retry_at

    def is_hopeless(self, uid: int) -> bool:
        """Return whether nothing of *uid* must be fetched now."""
        return self.is_deferred(uid) and self._known[uid].failures >= GIVE_UP_AFTER_FAILURES
