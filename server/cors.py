"""Which other sites may call (Fetch Standard, CORS protocol): an explicit list, never `*`."""

METHODS = "GET, POST, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Last-Event-ID, If-Match, X-XSRFToken, Content-Type, X-Tubepost-Client"
EXPOSED = "Retry-After, ETag"

#: Seconds that a browser may remember a preflight.
MAX_AGE = 600


def cors_headers(origin: str | None, allowed: tuple[str, ...], *, preflight: bool = False) -> dict[str, str]:
    """Headers for a request from *origin*. A cache must tell sites apart, also where nothing is allowed."""
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
