"""Reads what a receiving server found out about the sender (RFC 8601)."""

import re
from typing import Any

from worker.reading.mime.headers import Headers

#: Fields of one mail that are read, and bytes of one.
MAX_FIELDS, MAX_BYTES = 20, 8 * 1024

#: The methods that people know; a server may report others.
METHODS = ("spf", "dkim", "dmarc")

_COMMENT = re.compile(r"\([^()]{0,1000}\)")
_SERVER = re.compile(r"\s*\"?([A-Za-z0-9.:_-]{1,255})\"?")
_RESULT = re.compile(r"\s*([A-Za-z-]{1,40})(?:/\d+)?\s*=\s*([A-Za-z]{1,20})")
#: Of several signatures one that passes decides; otherwise the first.
_BEST = "pass"


def parse_authentication_results(headers: Headers) -> tuple[dict[str, Any], ...]:
    """Return {server, results: {method: result}} of each Authentication-Results field, topmost first.

    Anybody can write such a field: only that of a server which the reader names may be believed.
    """
    found = []
    for name, value in headers.fields:
        if name == "authentication-results":
            text = _COMMENT.sub(" ", bytes(value[:MAX_BYTES]).decode("latin-1"))
            head, *rest = text.split(";")
            if server := _SERVER.match(head):
                found.append({"server": server[1].lower(), "results": _results(rest)})
                if len(found) == MAX_FIELDS:
                    break
    return tuple(found)


def _results(pieces: list[str]) -> dict[str, str]:
    results: dict[str, str] = {}
    for piece in pieces:
        result = _RESULT.match(piece)
        if result and (method := result[1].lower()) in METHODS and results.get(method) != _BEST:
            value = result[2].lower()
            results[method] = value if method not in results or value == _BEST else results[method]
    return results
