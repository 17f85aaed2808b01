"""Write JSON in the same way in every process, and limit how deep JSON from strangers may be."""

import json
from typing import Any

import orjson

#: Nested levels of lists and objects that we accept; json's own limit is near 1,000 and depends on the stack.
MAX_JSON_DEPTH = 32

_CONTAINERS = (dict, list)


def encode_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8; lone surrogates, which UTF-8 cannot carry, become U+FFFD.

    Numbers are finite here: input from people and from reading children is checked where it arrives.
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # surrogates, numbers beyond 64 bits
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def encode_json_str(value: Any) -> str:
    """Return the same as text."""
    return encode_json(value).decode()


def is_too_deep(value: Any, levels: int = MAX_JSON_DEPTH) -> bool:
    """Return whether *value* is nested more than *levels* deep: one parser would read it and another could not."""
    if not isinstance(value, _CONTAINERS):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_too_deep(each, levels - 1) for each in inside if isinstance(each, _CONTAINERS))
