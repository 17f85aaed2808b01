"""Which other sites may call (Fetch Standard, CORS protocol): an explicit list, never `*`."""

from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

METHODS = "GET, POST, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Last-Event-ID, If-Match, X-XSRFToken, Content-Type, X-Tubepost-Client"
EXPOSED = "Retry-After, ETag"

#: Seconds that a browser may remember a preflight.
MAX_AGE = 600


def cors_headers(origin: str | None, allowed: tuple[str, ...], *, preflight: bool = False) -> dict[str, str]:
    """Return the headers for a request from *origin*. Caches must separate origins, even where none is allowed."""
    headers = {"Vary": "Origin"}
    if origin is None or origin not in allowed:
        return headers
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Credentials"] = "true"
    headers["Access-Control-Expose-Headers"] = EXPOSED
    if preflight:
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = str(MAX_AGE)
    return headers


def is_cross_site(request: HTTPServerRequest, allowed: tuple[str, ...]) -> bool:
    """Return whether a page of another origin, which is not in *allowed*, made a browser send *request*.

    Browsers send Sec-Fetch-Site over TLS and to the machine itself, and Origin with each change; programs send neither.
    The schemes are not compared, since a proxy may have opened TLS without saying so.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "none") or (origin is not None and origin in allowed):
        return False
    return site is not None or (origin is not None and _host(origin) != _host(f"//{request.host}"))


def _host(origin: str) -> str:
    """Return host and port of *origin*, without the ports that browsers leave out; *origin* if it is none."""
    try:
        return urlsplit(origin).netloc.lower().removesuffix(":443").removesuffix(":80")
    except ValueError:
        return origin
