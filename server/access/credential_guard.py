"""Slows down who guesses bearer tokens, keys and passwords of sources, and nobody else of the same network."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.access.client_address import network_of
from server.access.rate_limit import Attempt, RateLimiter, RecentSet, TooManyTriesError
from server.access.refused_tries import RefusedTries

#: Different wrong credentials that a network may show at once, and the seconds for one more.
BURST, SECONDS = 20, 10.0

#: Characters from which on nobody finds a secret by trying. Our keys have 46, `openssl rand -hex 24` gives 48.
LONG = 32


class CredentialGuard:
    """Counts the wrong credentials of each kind and network.

    Many callers may share an address, and a guess must not delay the right credential of another. So a long one, which
    nobody can guess, is looked at first, and counts when it is wrong. A short one must wait before it is looked at,
    unless it was right before in this process. A wrong one counts once, however often a program repeats it.
    """

    def __init__(self, refused: RefusedTries, clock: Callable[[], float] = time.monotonic) -> None:
        self._refused = refused
        self._limiter = RateLimiter(burst=BURST, seconds=SECONDS, clock=clock)
        self._right = RecentSet()
        self._counted = RecentSet()

    @contextmanager
    def trying(
        self, kind: str, credential: str, address: str, *, secret: str | bytes | None = None
    ) -> Iterator[Attempt]:
        """Look at a credential inside of the block, which sets `is_right`.

        Raise TooManyTriesError before the block if the credential can be guessed, and after it if it is long and wrong.
        *secret* is what a guesser must find, if that is not the whole credential.
        """
        tried = _Tried(kind, network_of(address), credential)
        is_long = len(credential if secret is None else secret) >= LONG
        took = not is_long and self._take(tried, address)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.is_right is not False and took:
                self._limiter.refund(tried.bucket)
                self._counted.discard(tried.name)
        if attempt.is_right:
            self._right.add(tried.digest)
        elif attempt.is_right is False:
            if is_long:
                self._take(tried, address)
            self._right.discard(tried.digest)
            self._refused.count(kind, "wrong", address)

    def _take(self, tried: "_Tried", address: str) -> bool:
        """Count a try, and return False if it is free. Raise TooManyTriesError."""
        if tried.digest in self._right or tried.name in self._counted:
            return False
        wait = self._limiter.acquire(tried.bucket)
        if wait:
            self._refused.count(tried.kind, "throttled", address)
            raise TooManyTriesError(wait)
        self._counted.add(tried.name)  # before it is looked at: a thousand streams come back with one key
        return True


class _Tried:
    """What is tried, without its secret: `digest` for the credential, `bucket` for the network, `name` for both."""

    __slots__ = ("bucket", "digest", "kind", "name")

    def __init__(self, kind: str, network: str, credential: str) -> None:
        self.kind = kind
        self.digest = hashlib.sha256(f"{kind} {credential}".encode("utf-8", "surrogateescape")).hexdigest()
        self.bucket = f"{kind} {network}"
        self.name = f"{self.bucket} {self.digest}"
