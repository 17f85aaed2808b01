"""Which hosts a request may name. A name that is not ours means DNS rebinding (or a proxy with a name we do not know).

A page of a stranger can have its own name point to 127.0.0.1. Its requests then come from this machine and are of one
origin with the page, which would read /metrics. Its name is in `Host`, which a page cannot change.
"""

from functools import lru_cache
from ipaddress import ip_address

from workitems.settings.redis_and_server import ServerSettings


def is_served(host: str, settings: ServerSettings) -> bool:
    """Return whether *host*, a `Host` header (RFC 9110 §7.2), is an address, a loopback name or a name of ours."""
    return _is_known(host, (*settings.hosts, settings.host))


@lru_cache(maxsize=256)
def _is_known(host: str, names: tuple[str, ...]) -> bool:
    name = host_name(host)
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or _is_address(name)  # nobody can rebind an address
        or name in {each.lower().rstrip(".") for each in names}
    )


def host_name(host: str) -> str:
    """Return the name or address in *host*, without port, brackets and a dot at the end."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
