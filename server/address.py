"""Where a request really came from: forwarded headers are believed from named proxies only."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from tornado.httputil import HTTPServerRequest

#: Hops of X-Forwarded-For that are looked at, from the nearest.
_HOPS = 20


def client_address(request: HTTPServerRequest, proxies: tuple[str, ...]) -> str:
    """The address of the caller: the nearest hop of X-Forwarded-For that is no named proxy (address or network)."""
    address = str(request.remote_ip)
    if not proxies or not _is_named(address, proxies):
        return address
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")[-_HOPS:]):
        try:
            address = str(ip_address(hop.strip()))
        except ValueError:
            return address
        if not _is_named(address, proxies):
            return address
    return address


def is_https(request: HTTPServerRequest, proxies: tuple[str, ...]) -> bool:
    """Whether the caller speaks TLS, to us or to a named proxy (X-Forwarded-Proto)."""
    if request.protocol == "https":
        return True
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
    return forwarded == "https" and _is_named(str(request.remote_ip), proxies)


@lru_cache(maxsize=4096)
def _is_named(address: str, proxies: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return address in proxies
    return any(found in network for network in _networks(proxies))


@lru_cache(maxsize=16)
def _networks(proxies: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    networks = []
    for proxy in proxies:
        try:
            networks.append(ip_network(proxy, strict=False))
        except ValueError:
            continue  # a name instead of an address is nobody's
    return networks
