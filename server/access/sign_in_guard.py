"""Slows down who guesses passwords or the token, and locks nobody out: by person and network, known devices apart."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.access.client_address import network_of
from server.access.devices import Device
from server.access.rate_limit import Attempt, RateLimiter, TooManyTriesError, acquire_all
from server.access.refused_tries import RefusedTries

#: Kind of a person (`user:ann`, `token:demo`) → kind of what is tried.
_TRIED = {"user": "password", "token": "token"}


class SignInGuard:
    """Counts wrong tries to sign in.

    A stranger's tries count for the person at that network, for the network, and for the person: the last slows down
    guesses from many networks. A device that the person has signed in with before has tries of its own and is touched
    by none of these.
    """

    def __init__(self, refused: RefusedTries, clock: Callable[[], float] = time.monotonic) -> None:
        self._refused = refused
        self._devices = RateLimiter(burst=10, seconds=10.0, clock=clock)
        self._people_at_networks = RateLimiter(burst=10, seconds=10.0, clock=clock)
        self._networks = RateLimiter(burst=20, seconds=5.0, clock=clock)
        self._people = RateLimiter(burst=100, seconds=10.0, clock=clock)

    @contextmanager
    def trying(self, person: str, address: str, device: Device | None) -> Iterator[Attempt]:
        """Try inside of the block, which sets `is_right`. Raise TooManyTriesError before it."""
        kind = _TRIED[person.partition(":")[0]]
        buckets = self._buckets(person[:80], network_of(address), device)
        wait = acquire_all(*buckets)
        if wait:
            self._refused.count(kind, "throttled", address)
            raise TooManyTriesError(wait)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.is_right is False:
                self._refused.count(kind, "wrong", address)
            else:
                for limiter, name in buckets:
                    limiter.refund(name)

    def _buckets(self, person: str, network: str, device: Device | None) -> list[tuple[RateLimiter, str]]:
        if device and person in device.people:
            return [(self._devices, f"{device.id} {person}")]
        by_network = [(self._people_at_networks, f"{network} {person}"), (self._networks, network)]
        # The token has 16 characters at least, so many networks do not guess it either.
        return by_network if person.startswith("token:") else [*by_network, (self._people, person)]
