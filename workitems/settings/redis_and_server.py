"""Settings of Redis, the web server and its event streams."""

import re
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from workitems.settings.redis_url import check_redis_url
from workitems.settings.section import Host, Secret, Section


class RedisSettings(Section):
    """Redis, which has the work items."""

    #: `redis://`, `rediss://` or `unix://`. None: the embedded server on a socket below `data`.
    url: SecretStr | None = None
    #: Seconds that a command may take.
    timeout_seconds: float = Field(5.0, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_redis_url(url.get_secret_value())
        return url


class StreamSettings(Section):
    """The event streams."""

    heartbeat_seconds: float = Field(30.0, ge=0.1, le=60)
    #: A stream is asked to rotate after 0.8 to 1 times this; 0 = never. Platforms end responses after 300 s.
    max_age_seconds: float = Field(270.0, ge=0)
    #: Over how long the open streams are rotated after SIGTERM.
    drain_seconds: float = Field(10.0, ge=0, le=300)
    #: Events that the feed keeps.
    max_feed_events: int = Field(10_000, ge=100, le=1_000_000)
    #: Events that a returning stream gets at most; with more its client loads the list again.
    max_replay_events: int = Field(1_000, ge=1, le=100_000)
    #: A slow reader's stream is closed when an event comes while so many bytes wait for it. Streams that wait for the
    #: same bytes share them.
    max_queued_bytes: int = Field(1024 * 1024, ge=16 * 1024)
    #: How long those bytes may wait while none is sent.
    stall_seconds: float = Field(10.0, ge=0.5)
    #: Limits: streams of a process, of a user, from an IPv4 address or an IPv6 /64, and opens per second.
    max_streams: int = Field(10_000, ge=1)
    max_streams_per_user: int = Field(10_000, ge=1)
    max_streams_per_address: int = Field(10_000, ge=1)
    opens_per_second: float = Field(2_000.0, gt=0)


class ServerSettings(Section):
    """The web server. supervisord passes the socket on; `host` and `port` are for a process without it."""

    host: Host = "127.0.0.1"
    port: int = Field(8888, ge=0, le=65535)
    #: Names by which browsers reach the server. Addresses and the names of this machine's loopback always work.
    hosts: tuple[Host, ...] = ()
    #: Origins that may call from other sites, e.g. `https://app.example.com`.
    allowed_origins: tuple[str, ...] = ()
    #: Addresses of proxies whose X-Forwarded-For is trusted.
    trusted_proxies: tuple[str, ...] = ()
    #: Connections from an IPv4 address or an IPv6 /64 at most, not counting streams and those of trusted proxies.
    max_connections_per_address: int = Field(4_000, ge=1)
    #: Signs the cookies. None: generated once and stored below `data`.
    cookie_secret: Secret | None = None
    cookie_secret_file: Path | None = None
    #: Days that a sign-in lasts.
    session_days: float = Field(14.0, gt=0, le=365)
    #: Whether `POST /api/test/workitem` creates test items.
    test_items: bool = False

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(
                    f"each must be an address or a network such as '10.0.0.0/8', not {proxy!r:.60}"
                ) from None
        return proxies

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ValueError("each is a scheme and a host such as 'https://app.example.com'; '*' is not accepted")
        return origins
