"""The only requests that a webhook makes us send: to SNS, for its certificates and to confirm a subscription."""

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from server.access.rate_limit import RateLimiter
from workitems.base.errors import StoreUnavailableError

#: Seconds to connect, and until the answer is complete.
CONNECT_TIMEOUT, TIMEOUT = 5.0, 10.0

#: Bytes of an answer at most; a certificate has 2 kB.
MAX_ANSWER = 64 * 1024


class SnsUnreachableError(StoreUnavailableError):
    """SNS cannot be reached now; a later try may help."""


class PinnedHttpsClient:
    """Sends requests by TLS and follows no redirect. *resolver* and *authorities* (a PEM file) replace the system's."""

    def __init__(self, resolver: Resolver | None = None, authorities: str | None = None) -> None:
        self._resolver = resolver
        self._authorities = authorities
        #: A signed message can be posted again and again while its signature is valid.
        self._confirmations = RateLimiter(burst=20, seconds=3.0)

    async def confirm_subscription(self, url: str) -> None:
        """Send a request to *url*, which the caller has made of a verified message. Raise SnsUnreachableError."""
        wait = self._confirmations.acquire("")
        if wait:
            raise SnsUnreachableError(f"too many subscriptions were confirmed; the next one in {wait:.0f} s")
        await self.get(url)

    async def get(self, url: str) -> bytes:
        """Return what is at *url*, within TIMEOUT. Raise SnsUnreachableError."""
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=self._resolver, max_body_size=MAX_ANSWER)
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
            raise SnsUnreachableError(f"SNS cannot be reached: {type(error).__name__}") from None
        finally:
            client.close()
