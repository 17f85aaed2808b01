"""The services that the settings name: their secrets, what they have to show, and how their posts ended."""

import base64
import binascii
import hmac
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.sources import mailgun
from server.sources.pinned import PinnedHost
from server.sources.sns import Message
from workitems import onetime
from workitems.errors import SettingsError
from workitems.redis import Client
from workitems.settings.work import SourceSettings

#: Seconds by which a signature's time may lie ahead of ours.
AHEAD = 300.0


@dataclass(frozen=True, slots=True)
class Source:
    """A service of the settings; `secret` is b'' where it has none."""

    name: str
    settings: SourceSettings
    secret: bytes

    @property
    def kind(self) -> str:
        return self.settings.kind

    def knows(self, authorization: str) -> bool:
        """Whether this is the user and password of the address that it posts to (RFC 7617)."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic" or len(credentials) > 1_000:
            return False
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self.settings.user.encode() + b":" + self.secret)

    def age(self, at: float) -> str:
        """`stale`, `ahead` or `timely`: when something was signed, in seconds since 1970, compared with now."""
        passed = time.time() - at
        return "stale" if passed > self.settings.good_for() else "ahead" if passed < -AHEAD else "timely"

    def signed_at(self, proof: dict[str, str]) -> float | None:
        """When Mailgun signed; None when it was not Mailgun."""
        stamp = proof.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and proof.get("token")):
            return None
        return float(stamp) if mailgun.is_signed(proof, self.secret) else None


class Sources:
    """The services by name. Raises SettingsError when a secret cannot be read."""

    def __init__(self, settings: Mapping[str, SourceSettings], redis: Client, pinned: PinnedHost) -> None:
        self.pinned = pinned
        #: Posts by source and outcome: new, variant, duplicate, gone, told (no mail), or the status of a refusal.
        self.counts: Counter[tuple[str, str]] = Counter()
        #: Raises ForgedError for a message of SNS that its certificate does not prove.
        self.verify: Callable[[Message, bytes], None] | None = None
        if any(each.kind == "ses" for each in settings.values()):
            from server.sources.signature import verify

            self.verify = verify
        self._redis = redis
        self._known = {
            name: Source(name, each, b"" if each.kind == "ses" else _secret(name, each))
            for name, each in settings.items()
        }

    def get(self, name: str) -> Source | None:
        """The service of that name."""
        return self._known.get(name)

    async def claim(self, source: Source, token: str, fingerprint: str) -> bool:
        """Whether a signed token is good for this mail. Raises StoreUnavailableError."""
        return await onetime.claim(
            self._redis, f"{source.name}:{token}", fingerprint, source.settings.good_for() + AHEAD
        )


def _secret(name: str, settings: SourceSettings) -> bytes:
    try:
        return settings.password().encode()
    except SettingsError as error:
        raise SettingsError(f"sources.{name}.{error}") from None
