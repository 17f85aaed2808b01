"""Finds the address that a request came from. Forwarded headers count only from proxies that the settings name."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tornado.httputil import HTTPServerRequest

#: Hops of X-Forwarded-For that are read, from the nearest.
_HOPS = 20

#: Characters of an address with brackets, zone and port at most.
_LONGEST_ADDRESS = 100

#: IPv4 addresses that a translator (NAT64) made IPv6 of (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

#: The prefix of translators inside of one organization (RFC 8215): its addresses stand for IPv4 addresses, too.
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")

#: `192.0.2.9:1000`, `[2001:db8::1]`, `[2001:db8::1]:1000`: an address with brackets, a port or both.
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}", re.ASCII)


def client_address(request: HTTPServerRequest, proxies: tuple[str, ...]) -> str:
    """Return the caller's address: the nearest hop that is not in *proxies*, which are addresses and networks."""
    address = _canonical(str(request.remote_ip)) or str(request.remote_ip)
    if not proxies or not is_trusted_proxy(address, proxies):
        return address
    for hop in reversed(request.headers.get("X-Forwarded-For", "").rsplit(",", _HOPS)[-_HOPS:]):
        text = hop.strip()
        found = _canonical(text) if len(text) <= _LONGEST_ADDRESS else None  # thousands of them are remembered
        if found is None:
            return address
        address = found
        if not is_trusted_proxy(address, proxies):
            return address
    return address


def is_https(request: HTTPServerRequest, proxies: tuple[str, ...]) -> bool:
    """Return whether the caller uses TLS, to us or to a trusted proxy (X-Forwarded-Proto)."""
    if request.protocol == "https":
        return True
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
    return forwarded == "https" and is_trusted_proxy(str(request.remote_ip), proxies)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    """Return the address that *text* is, without brackets, port and zone, and as IPv4 where it stands for one."""
    found = _WITH_PORT.fullmatch(text)
    try:
        return str(_unmapped(ip_address((found[1] or found[2] if found else text).partition("%")[0])))
    except ValueError:
        return None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for (IPv4-mapped, NAT64), else *address*."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        return embedded if embedded.is_global else address  # RFC 6052 §3.1; nobody becomes 127.0.0.1 by it
    return address.ipv4_mapped or address


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network whose callers count as one: an IPv4 address, or the /64 of an IPv6 address.

    A line has one IPv4 address at least, and a /24 belongs to many customers: one of them could keep the others out.
    An IPv6 line has a /64 at least, and may use each of its 2^64 addresses.
    """
    known = _canonical(address)
    if known is None or ":" not in known:
        return known or address
    found = IPv6Address(known)
    return known if found in _NAT64 or found in _LOCAL_NAT64 else str(IPv6Network((int(found), 64), strict=False))


@lru_cache(maxsize=4096)
def is_trusted_proxy(address: str, proxies: tuple[str, ...]) -> bool:
    """Return whether *address* is one of *proxies*, which are addresses and networks."""
    known = _canonical(address)
    if known is None:
        return address in proxies
    return any(ip_address(known) in network for network in _networks(proxies))


@lru_cache(maxsize=16)
def _networks(proxies: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    networks = []
    for proxy in proxies:
        try:
            networks.append(ip_network(proxy, strict=False))
        except ValueError:
            continue  # a name such as `localhost` matches no address
    return networks
