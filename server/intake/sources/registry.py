"""The webhook services that the settings name: their secrets, their proofs, and counts of their requests."""

import base64
import binascii
import hmac
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from server.intake.sources import mailgun
from server.intake.sources.certificate_store import CertificateStore
from server.intake.sources.certificates import Certificates
from server.intake.sources.pinned_https import PinnedHttpsClient
from server.intake.sources.sns import SnsMessage
from workitems.base.errors import SettingsError, StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.base.threads import Threads
from workitems.people import one_time_tokens
from workitems.settings.intake_and_workers import SourceSettings

#: Seconds by which the time of a signature may be ahead of our clock.
MAX_CLOCK_SKEW = 300.0

#: Threads that parse messages and check signatures, and seconds for one, the wait for its turn included.
THREADS, THREAD_SECONDS = 2, 10.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """A service of the settings; `secret` is b'' if it has none."""

    name: str
    settings: SourceSettings
    secret: bytes

    @property
    def kind(self) -> str:
        return self.settings.kind

    def is_authorized(self, authorization: str) -> bool:
        """Return whether *authorization* has the user and password of the settings (RFC 7617)."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic" or len(credentials) > 1_000:
            return False
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self.settings.user.encode() + b":" + self.secret)

    def timestamp_status(self, at: float) -> str:
        """Return `stale`, `ahead` or `timely` for the time of a signature, in seconds since 1970."""
        age = time.time() - at
        if age > self.settings.signature_lifetime():
            return "stale"
        return "ahead" if age < -MAX_CLOCK_SKEW else "timely"

    def signed_at(self, proof: dict[str, str]) -> float | None:
        """Return the time of Mailgun's signature; None if it is not Mailgun's."""
        stamp = proof.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and proof.get("token")):
            return None
        return float(stamp) if mailgun.is_signature_valid(proof, self.secret) else None


class SourceRegistry:
    """The services by name. Raises SettingsError if a secret cannot be read."""

    def __init__(self, settings: Mapping[str, SourceSettings], redis: RedisClient, pinned: PinnedHttpsClient) -> None:
        self.sns_client = pinned
        self._threads = Threads(THREADS, "sources")
        #: Requests by source and outcome: new, variant, duplicate, gone, notice (no mail), or the status of a refusal.
        self.counts: Counter[tuple[str, str]] = Counter()
        #: Raises ForgedError for a message of SNS with a wrong signature; None: no source needs it.
        self._verify: Callable[[SnsMessage, bytes], None] | None = None
        stored = None
        if any(each.kind == "ses" for each in settings.values()):
            from server.intake.sources.signature import read_expiry, verify

            self._verify = verify
            stored = CertificateStore(redis, read_expiry)
        self._certificates = Certificates(pinned, stored)
        self._redis = redis
        self._known = {
            name: WebhookSource(name, each, b"" if each.kind == "ses" else _secret(name, each))
            for name, each in settings.items()
        }

    def get(self, name: str) -> WebhookSource | None:
        """Return the service of that name."""
        return self._known.get(name)

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    async def run_in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work* on what a service posted. Raise StoreUnavailableError if it takes too long."""
        try:
            return await self._threads.run_within(THREAD_SECONDS, work, *args, **kwargs)
        except TimeoutError:
            raise StoreUnavailableError("reading what a service posted takes too long") from None

    async def verify_message(self, message: SnsMessage, address: str) -> None:
        """Check the signature of a message of SNS from *address*. Raise ForgedError or SnsUnreachableError."""
        assert self._verify is not None, "loaded where a source is of this kind"
        certificate = await self._certificates.get(message.certificate_url, address)
        await self.run_in_thread(self._verify, message, certificate)
        await self._certificates.keep(message.certificate_url, certificate, address)

    async def claim_token(self, source: WebhookSource, token: str, fingerprint: str) -> bool:
        """Return whether a signed token is new or came with the same mail before. Raise StoreUnavailableError."""
        return await one_time_tokens.claim(
            self._redis, f"{source.name}:{token}", fingerprint, source.settings.signature_lifetime() + MAX_CLOCK_SKEW
        )


def _secret(name: str, settings: SourceSettings) -> bytes:
    try:
        return settings.shared_secret().encode()
    except SettingsError as error:
        raise SettingsError(f"sources.{name}.{error}") from None
