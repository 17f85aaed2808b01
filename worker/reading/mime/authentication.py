"""Reads what a receiving server found out about the sender (RFC 8601)."""

import re
from typing import Any

from worker.reading.mime.headers import Headers

#: Fields of one mail that are read, and bytes of one.
MAX_FIELDS, MAX_BYTES = 20, 8 * 1024

#: The methods that people know; a server may report others.
METHODS = ("spf", "dkim", "dmarc")

#: The name of the server. Exchange Online names none, so the first word is that of its first result.
_SERVER = re.compile(r"\s*\"?([A-Za-z0-9.:_-]{1,255})(?:\"?(?:\s|$)|(?<=spf)=)")
_RESULT = re.compile(r"\s*([A-Za-z-]{1,40})(?:/\d+)?\s*=\s*([A-Za-z]{1,20})")
#: The next piece outside of comments, and in one: addresses of senders may have a `;` in quotes.
_OUTSIDE = re.compile(r'"(?:[^"\\]|\\.)*+"|[;("]|[^;("]++', re.DOTALL)
_INSIDE = re.compile(r"\\.|[()\\]|[^()\\]++", re.DOTALL)
#: Of several signatures one that passes decides; of several policies one that fails.
_DECISIVE = {"dmarc": "fail", "dkim": "pass", "spf": "pass"}


def parse_authentication_results(headers: Headers) -> tuple[dict[str, Any], ...]:
    """Return {server, results: {method: result}} of each Authentication-Results field, topmost first.

    Anybody can write such a field: only that of a server which the reader names may be believed.
    """
    found = []
    for name, value in headers.fields:
        if name == "authentication-results":
            (head, *rest), is_whole = _split(bytes(value[:MAX_BYTES]).decode("latin-1"))
            if server := _SERVER.match(head):
                found.append({"server": server[1].lower(), "results": _results(rest, is_whole=is_whole)})
                if len(found) == MAX_FIELDS:
                    break
    return tuple(found)


def _split(text: str) -> tuple[list[str], bool]:
    """Return what stands between the semicolons, without comments; and whether each comment and quote has an end."""
    pieces, position, depth = [""], 0, 0
    while found := (_INSIDE if depth else _OUTSIDE).match(text, position):
        word, position = found[0], found.end()
        if word == '"' and not depth:
            return text.split(";"), False
        if word == "(":
            depth += 1
            pieces[-1] += " "
        elif depth:
            depth -= word == ")"
        elif word == ";":
            pieces.append("")
        else:
            pieces[-1] += word
    return (text.split(";"), False) if depth else (pieces, True)


def _results(pieces: list[str], *, is_whole: bool) -> dict[str, str]:
    """Return method → result. In a field that is not *is_whole* a sender's words may look like a result that passes."""
    results: dict[str, str] = {}
    for piece in pieces:
        result = _RESULT.match(piece)
        if result and (method := result[1].lower()) in METHODS:
            value = result[2].lower()
            if (is_whole or value != "pass") and (method not in results or value == _DECISIVE[method]):
                results[method] = value
    return results
