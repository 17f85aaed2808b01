"""The certificates of SNS: anybody can name one to fetch, and no stranger can use up what SNS itself needs."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from server.access.client_address import network_of
from server.access.rate_limit import RateLimiter, RecentSet, acquire_all
from server.intake.sources.certificate_store import CertificateStore
from server.intake.sources.pinned_https import TIMEOUT, PinnedHttpsClient, SnsUnreachableError

#: Certificates of each kind that are cached at most; a region has one or two at a time.
MAX_CERTIFICATES = 32

#: Seconds that a certificate is cached with which no message was verified yet.
UNPROVEN_SECONDS = 300.0

#: Fetches at a time for networks that SNS has posted from, and as many for all others; seconds to wait for a place.
LANE, MAX_WAIT = 4, 5.0

T = TypeVar("T")


class Certificates:
    """Caches certificates by address. One that verified a message stays: its address changes with its content.

    Every method raises StoreUnavailableError.
    """

    def __init__(
        self,
        client: PinnedHttpsClient,
        stored: CertificateStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*stored* has the certificates that verified a message for any process; None: only this one remembers them."""
        self._client = client
        self._stored = stored
        self._clock = clock
        self._verified: OrderedDict[str, bytes] = OrderedDict()
        self._unproven: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        #: The fetches that run; the result is None if one failed.
        self._running: dict[str, asyncio.Future[bytes | None]] = {}
        #: Networks that posted a message with a right signature.
        self._known_networks = RecentSet()
        self._by_network = RateLimiter(burst=5, seconds=20.0, clock=clock)
        self._by_strangers = RateLimiter(burst=20, seconds=3.0, clock=clock)
        self._lanes = {is_known: asyncio.Semaphore(LANE) for is_known in (True, False)}

    async def get(self, url: str, address: str) -> bytes:
        """Return the certificate at *url*, which the caller checked, for a message from *address*.

        Raise SnsUnreachableError.
        """
        found = self._cached(url) or await self._load(url)
        if found is not None:
            return found
        if url in self._running:
            return await self._join(url)
        network = network_of(address)
        is_known = network in self._known_networks
        self._spend(network, is_known=is_known)
        lane = self._lanes[is_known]
        try:
            async with asyncio.timeout(MAX_WAIT):
                await lane.acquire()
        except TimeoutError:
            raise SnsUnreachableError("too many certificates of SNS are being fetched") from None
        try:
            if url in self._running:
                return await self._join(url)
            return self._cached(url) or await self._fetch(url)
        finally:
            lane.release()

    async def keep(self, url: str, certificate: bytes, address: str) -> None:
        """Keep a certificate that verified a message, and know the network of *address* as one of SNS.

        While it cannot be stored, each message tries it again. Then the mail can usually not be put either.
        """
        self._known_networks.add(network_of(address))
        self._unproven.pop(url, None)
        if url in self._verified:
            return
        if self._stored is not None:
            await self._stored.put(url, certificate)
        _add(self._verified, url, certificate)

    async def _load(self, url: str) -> bytes | None:
        """Return the certificate if it is stored: it verified a message before, perhaps for another process."""
        found = await self._stored.get(url) if self._stored is not None else None
        if found is not None:
            _add(self._verified, url, found)
        return found

    def _cached(self, url: str) -> bytes | None:
        if url in self._verified:
            return self._verified[url]
        fetched, certificate = self._unproven.get(url, (float("-inf"), None))
        return certificate if self._clock() - fetched < UNPROVEN_SECONDS else None

    def _spend(self, network: str, *, is_known: bool) -> None:
        """Count one fetch. What strangers spend together is not taken from networks that SNS posts from."""
        spent = [(self._by_network, network)]
        wait = acquire_all(*spent if is_known else [*spent, (self._by_strangers, "")])
        if wait:
            raise SnsUnreachableError(f"too many certificates of SNS were named; next fetch in {wait:.0f} s")

    async def _fetch(self, url: str) -> bytes:
        running = self._running[url] = asyncio.get_running_loop().create_future()
        certificate = None
        try:
            answer = await self._client.get(url)
            if not answer.lstrip().startswith(b"-----BEGIN CERTIFICATE-----"):
                raise SnsUnreachableError("SNS answered something other than a certificate")
            certificate = answer
            _add(self._unproven, url, (self._clock(), certificate))
            return certificate
        finally:
            del self._running[url]
            running.set_result(certificate)

    async def _join(self, url: str) -> bytes:
        certificate = None
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT + 1):  # the fetch has a shorter one
                certificate = await asyncio.shield(self._running[url])
        if certificate is None:
            raise SnsUnreachableError("SNS cannot be reached: another fetch of the same certificate failed")
        return certificate


def _add(cache: OrderedDict[str, T], url: str, value: T) -> None:
    cache[url] = value
    cache.move_to_end(url)
    if len(cache) > MAX_CERTIFICATES:
        cache.popitem(last=False)
