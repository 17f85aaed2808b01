"""The only requests that posted mail makes us send: to SNS, for its certificates and to confirm a subscription."""

import asyncio
from collections import OrderedDict
from time import monotonic

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from workitems.errors import StoreUnavailableError

#: Seconds to connect, and until the whole answer is there.
CONNECT_TIMEOUT, TIMEOUT = 5.0, 10.0

#: Bytes of an answer; a certificate has 2 kB.
LARGEST = 64 * 1024

#: Certificates that are kept; a region has one or two at a time.
KEPT = 32

#: Seconds after which a certificate is fetched again.
KEPT_FOR = 86400.0

#: Requests a minute: whoever names certificates that do not exist must not make us ask for them without end.
MOST_A_MINUTE = 20


class UnreachableError(StoreUnavailableError):
    """The host cannot be asked now; trying again may help."""


class PinnedHost:
    """Asks by TLS, follows nothing. *resolver* and *authorities* (a PEM file) replace the system's."""

    def __init__(self, resolver: Resolver | None = None, authorities: str | None = None) -> None:
        self._resolver = resolver
        self._authorities = authorities
        self._certificates: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._asking = asyncio.Lock()
        self._asked: list[float] = []
        #: Requests that were sent.
        self.requests = 0

    async def certificate(self, url: str) -> bytes:
        """The certificate at *url*, which the caller has checked; asked for once a day. Raises UnreachableError."""
        known = self._known(url)
        if known is not None:
            return known
        async with self._asking:  # one at a time: those that wait find it fetched
            certificate = self._known(url) or await self._get(url)
            self._certificates[url] = (monotonic(), certificate)
            self._certificates.move_to_end(url)
            while len(self._certificates) > KEPT:
                self._certificates.popitem(last=False)
            return certificate

    def _known(self, url: str) -> bytes | None:
        fetched, certificate = self._certificates.get(url, (float("-inf"), b""))
        return certificate if monotonic() - fetched < KEPT_FOR else None

    async def confirm(self, url: str) -> None:
        """Ask for *url*, which the caller has made. Raises UnreachableError."""
        async with self._asking:
            await self._get(url)

    async def _get(self, url: str) -> bytes:
        now = monotonic()
        self._asked = [at for at in self._asked if now - at < 60]
        if len(self._asked) >= MOST_A_MINUTE:
            raise UnreachableError("too many certificates were asked for in a minute")
        self._asked.append(now)
        self.requests += 1
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=self._resolver, max_body_size=LARGEST)
        request = HTTPRequest(
            url,
            connect_timeout=CONNECT_TIMEOUT,
            request_timeout=TIMEOUT,
            follow_redirects=False,
            decompress_response=False,
            ca_certs=self._authorities,
        )
        try:
            return (await client.fetch(request)).body
        except (HTTPClientError, OSError, ValueError) as error:
            raise UnreachableError(f"SNS cannot be asked: {type(error).__name__}") from None
        finally:
            client.close()
