"""Parses a JSON body from an unknown sender; an error says what is wrong and what is accepted."""

import json
import math
from typing import Any, NoReturn

from workitems.base.errors import InvalidChangeError
from workitems.base.json_codec import MAX_JSON_DEPTH, is_too_deep

#: How many `[`, `{`, `,` and `"` a body may have, those inside strings included. Parsed values need up to 60 times the
#: memory of the text: 48 MB of `{},` took 2 GB and stopped the process for 14 s.
MAX_JSON_MARKS = 2_000_000


def parse_json_object(raw: bytes, accepted: frozenset[str]) -> dict[str, Any]:
    """Return the object in *raw*. Raise InvalidChangeError if it is not an object or has names that are not *accepted*.

    The work is bounded: a body of too many values, or with values too deep inside each other, is refused.
    """
    if count_json_marks(raw) > MAX_JSON_MARKS:
        raise InvalidChangeError(
            f"the body has too many values; at most {MAX_JSON_MARKS:,} brackets, commas and quotes are accepted"
        )
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidChangeError("the body is not valid JSON in UTF-8 (RFC 8259)") from None
    if not isinstance(value, dict):
        raise InvalidChangeError("the body is not a JSON object; an object is accepted")
    if raw.count(b"[") + raw.count(b"{") > MAX_JSON_DEPTH and is_too_deep(value):
        raise InvalidChangeError(f"the body is nested too deeply; at most {MAX_JSON_DEPTH} levels are accepted")
    for name in value:
        if name not in accepted:
            raise InvalidChangeError(f"unknown name; accepted: {', '.join(sorted(accepted))}", name[:64])
    return value


def count_json_marks(raw: bytes) -> int:
    """Count the brackets, commas and quotes in *raw*; the largest body takes 20 ms."""
    # An escaped quote is inside a string, and such strings may be long.
    return sum(map(raw.count, (b"[", b"{", b",", b'"'))) - raw.count(b'\\"')


def checked_string(value: Any, field: str, *, max_length: int) -> str:
    """Return *value* if it is a string of at most *max_length* characters; None gives ''."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > max_length:
        raise InvalidChangeError(f"a string of at most {max_length:,} characters is accepted", field)
    return value


def checked_strings(value: Any, field: str, *, max_items: int, longest: int) -> list[str]:
    """Return *value* if it is a list of at most *max_items* strings; None gives []."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > max_items:
        raise InvalidChangeError(f"a list of at most {max_items} strings is accepted", field)
    return [checked_string(part, f"{field}[{n}]", max_length=longest) for n, part in enumerate(value)]


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not allowed in JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("a number is too large for a float")
    return value
