"""Mails at which connections end: a server that dies of one, or never ends it, must not keep all others back."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Ends after which a mail is no longer asked for at every check; the first may have been one of its batch.
ENOUGH = 3

#: Ends after which not even its headers are.
HOPELESS = 5

#: Seconds until it is asked for again: doubled with each further end.
AGAIN_BASE, AGAIN_CAP = 300.0, 3600.0

#: Mails that are remembered; more of them is a server that is ill as a whole.
MOST = 10_000


@dataclass(slots=True)
class _Breaker:
    ends: int = 0
    again: float = 0.0


class Breakers:
    """Those of one folder, remembered across connections, not across restarts. *clock* in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, _Breaker] = {}
        #: Whether the server gives a part of a mail when a part is asked for (RFC 3501 §6.4.5, `<0.n>`).
        self.gives_parts = True

    def ended(self, uids: Iterable[int]) -> None:
        """The connection ended while *uids* were being fetched."""
        if len(self._known) >= MOST:
            self._known.clear()
        for uid in uids:
            known = self._known.setdefault(uid, _Breaker())
            known.ends += 1
            if known.ends >= ENOUGH:
                known.again = self._clock() + min(AGAIN_CAP, AGAIN_BASE * 2.0 ** min(known.ends - ENOUGH, 16))

    def came(self, uids: Iterable[int]) -> None:
        """*uids* were given after all."""
        for uid in uids:
            self._known.pop(uid, None)

    def forget(self) -> None:
        """UIDs mean other mails now."""
        self._known.clear()

    def is_one(self, uid: int) -> bool:
        """Whether *uid* is to be fetched alone, so that it is known which mail it was."""
        return uid in self._known

    def is_spared(self, uid: int) -> bool:
        """Whether the whole of *uid* is not to be asked for now."""
        known = self._known.get(uid)
        return known is not None and known.ends >= ENOUGH and self._clock() < known.again

    def is_hopeless(self, uid: int) -> bool:
        """Whether nothing of *uid* is to be asked for now."""
        return self.is_spared(uid) and self._known[uid].ends >= HOPELESS
