"""Names of our cookies, which keep installations of one host apart: browsers send its cookies to all its ports."""

import re

from tornado.httputil import HTTPServerRequest

from server.access.client_address import is_https

_PORT = re.compile(r":(\d{1,5})$", re.ASCII)


def cookie_name(base: str, request: HTTPServerRequest, proxies: tuple[str, ...]) -> str:
    """Return the name of the cookie *base* at the address that the browser asked, such as `tubepost_session_8888`.

    Under TLS it begins with `__Host-`: no other host and no page without TLS can set it (RFC 6265bis §4.1.3.2).
    """
    port = _PORT.search(request.host)
    name = f"{base}_{port[1]}" if port else base
    return f"__Host-{name}" if is_https(request, proxies) else name


def read_cookie(base: str, request: HTTPServerRequest, proxies: tuple[str, ...]) -> str | None:
    """Return the value of the cookie *base* at the address that the browser asked; None if there is none."""
    return find_cookie(request.headers.get("Cookie", ""), cookie_name(base, request, proxies))


def find_cookie(header: str, name: str) -> str | None:
    """Return the value of the last cookie *name* in a Cookie header (RFC 6265 §4.2.1); None if it is empty or missing.

    A stranger can send 16 kB of other cookies, so we do not parse them: that takes 5 ms and more.
    """
    _, found, rest = f";{header.replace('; ', ';')}".rpartition(f";{name}=")
    value = rest.partition(";")[0].strip() if found else ""
    return value.strip('"') or None  # Tornado writes a value with `=` in quotes
