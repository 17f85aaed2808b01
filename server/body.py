"""A JSON body from a stranger: an object of plain values, or a sentence that says what is wrong."""

import json
import math
from typing import Any, NoReturn

from workitems.errors import InvalidChangeError
from workitems.event import DEEPEST, is_deeper

#: Marks that a body's lists, objects, strings and commas may have, those in texts included. Values cost up to 60 times
#: the bytes they came in: 48 MB of `{},` took 2 GB and stopped the process for 14 s.
MOST_MARKS = 2_000_000


def read_object(raw: bytes, accepted: frozenset[str]) -> dict[str, Any]:
    """The object in *raw*. Raises InvalidChangeError for what is no JSON object or has other names than *accepted*."""
    if marks(raw) > MOST_MARKS:
        raise InvalidChangeError(f"a body of at most {MOST_MARKS:,} values, with their marks and commas, is accepted")
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidChangeError("the body is no JSON (RFC 8259) in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidChangeError("the body is a JSON object")
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and is_deeper(value):
        raise InvalidChangeError(f"values inside each other at most {DEEPEST} deep are accepted")
    for name in value:
        if name not in accepted:
            raise InvalidChangeError(f"no such name; accepted: {', '.join(sorted(accepted))}", name[:64])
    return value


def marks(raw: bytes) -> int:
    """How many marks of JSON stand in *raw*, counted within 20 ms."""
    # A quoted quote stands in a text, and such texts may be long.
    return sum(map(raw.count, (b"[", b"{", b",", b'"'))) - raw.count(b'\\"')


def text(value: Any, field: str, *, most: int) -> str:
    """A string of at most *most* characters; absent is ''."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise InvalidChangeError(f"a string of at most {most:,} characters is accepted", field)
    return value


def texts(value: Any, field: str, *, most: int, longest: int) -> list[str]:
    """A list of at most *most* strings; absent is []."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most:
        raise InvalidChangeError(f"a list of at most {most} strings is accepted", field)
    return [text(part, f"{field}[{n}]", most=longest) for n, part in enumerate(value)]


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("beyond what a number can hold")
    return value
