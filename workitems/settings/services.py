"""Redis, the web server and its event streams."""

import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from workitems.settings.section import Host, Section


def _is_redis(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _ = parts.port  # raises when it is no number: a password with an unwritten / or # looks so
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and bool(re.fullmatch(r"(/\d*)?", parts.path))


class RedisSettings(Section):
    """Where work items live."""

    #: `redis://`, `rediss://` or `unix://`. None: the embedded server on a socket below `data`.
    url: SecretStr | None = None
    #: Seconds that a command may take.
    timeout: float = Field(5.0, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis(url.get_secret_value()):
            accepted = "redis://host:6379/0, rediss://… or unix:///path; special characters of a password as %XX"
            raise ValueError(f"must be such as {accepted}")
        return url


class StreamSettings(Section):
    """The event stream; seconds unless said otherwise."""

    heartbeat: float = Field(30.0, ge=0.1, le=60)
    #: A stream is asked to rotate after 0.8 to 1 times this; 0 = never. Platforms cut responses at 300 s.
    max_age: float = Field(270.0, ge=0)
    #: How long a SIGTERM spreads the rotation of the open streams.
    drain: float = Field(10.0, ge=0, le=300)
    #: Events that the feed keeps.
    history: int = Field(10_000, ge=100, le=1_000_000)
    #: Events that a returning stream is sent at most; beyond it loads the list anew.
    replay: int = Field(1_000, ge=1, le=100_000)
    #: A slow reader's stream is closed when an event comes while so many bytes wait for it. They are shared by all
    #: streams that wait for them.
    buffer: int = Field(1024 * 1024, ge=16 * 1024)
    #: How long those bytes may wait without a byte leaving.
    stall: float = Field(10.0, ge=0.5)
    #: Streams in a process, of a user, from an address, and opens a second.
    most: int = Field(10_000, ge=1)
    most_user: int = Field(10_000, ge=1)
    most_address: int = Field(10_000, ge=1)
    opens: float = Field(2_000.0, gt=0)


class ServerSettings(Section):
    """The web server. Under supervisord the socket comes from there; `host` and `port` serve a lone process."""

    host: Host = "127.0.0.1"
    port: int = Field(8888, ge=0, le=65535)
    #: Origins that may call from other sites, e.g. `https://app.example.com`.
    origins: tuple[str, ...] = ()
    #: Addresses of proxies whose X-Forwarded-For is believed.
    proxies: tuple[str, ...] = ()
    #: Signs the cookies. None: made once and kept below `data`.
    secret: SecretStr | None = None
    secret_file: Path | None = None
    #: Days that a sign-in lasts.
    session_days: float = Field(14.0, gt=0, le=365)
    #: Whether `POST /api/test/workitem` makes test items.
    test_items: bool = False

    @field_validator("proxies")
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

    @field_validator("origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ValueError("each is a scheme and a host such as 'https://app.example.com'; '*' is not accepted")
        return origins
