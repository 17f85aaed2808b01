"""The pipe's layout, the same both ways: four bytes of length (big-endian), a JSON head, then raw parts.

The head's `parts` lists the lengths of the parts that follow it. Long texts and attachments travel as parts, so that
the head stays small enough to decode on an event loop.

    to the child    {"function", "setup", "parent", "limits"}        once, then for every mail
                    {"mailbox", "parts": [n]} + the raw mail
    to the parent   {"ready": true, "missing": […]}                  once, then for every mail
                    {"reading": {…}, "long": [names], "rss", "cpu", "parts": […]} + long texts + attachments
                    {"error": class, "where": "file.py:12"}          for either, when it failed
"""

import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from worker.sandbox.limits import ChildLimits

if TYPE_CHECKING:  # the child does without asyncio
    from asyncio import StreamReader

#: What a child reads with: raw mail and mailbox's name → JSON-able values and the attachments' contents.
Read = Callable[[bytes, str], tuple[dict[str, Any], Sequence[bytes]]]

#: Texts above this many characters travel as parts.
LONG_TEXT = 8192

#: Bytes that are written at once.
CHUNK = 256 * 1024

_LENGTH = struct.Struct("!I")
LENGTH_SIZE = _LENGTH.size


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("beyond what a number can hold")
    return value


# Made once: `json.dumps` and `loads` with any argument make them anew each time, 10 µs a mail.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


class FrameError(Exception):
    """The other end sent what is not a frame, or one over the limits; the message never quotes it."""


def encode(head: dict[str, Any], parts: Sequence[bytes] = (), *, limits: ChildLimits | None = None) -> bytes:
    """The frame up to its parts, which the caller sends after it. FrameError when it is over *limits*.

    A lone surrogate has no bytes in UTF-8: it becomes "?", which is one UTF-16 unit as well, so offsets stay right.
    """
    sizes = [len(part) for part in parts]
    whole = {**head, "parts": sizes}
    try:
        data = orjson.dumps(whole)
    except TypeError:  # surrogates, numbers beyond 64 bits
        data = _ENCODER.encode(whole).encode("utf-8", "replace")
    if limits:
        _check(len(data), sizes, limits)
    return _LENGTH.pack(len(data)) + data


def head_size(prefix: bytes) -> int:
    """The length of the head that follows *prefix*."""
    (size,) = _LENGTH.unpack(prefix)
    return int(size)


def decode(data: bytes) -> dict[str, Any]:
    """The head; FrameError when it is no JSON object."""
    try:
        head = _DECODER.decode(data.decode())
    except (ValueError, RecursionError):
        raise FrameError("a head that is no JSON") from None
    if not isinstance(head, dict):
        raise FrameError("a head that is no JSON object")
    return head


def part_sizes(head: dict[str, Any]) -> list[int]:
    """Take the lengths of the parts that follow out of the head; FrameError when there are none."""
    sizes = head.pop("parts", None)
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise FrameError("a head without the lengths of its parts")
    return sizes


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """The next frame of a blocking *stream* that can be trusted; None at its end."""
    prefix = stream.read(LENGTH_SIZE)
    if len(prefix) < LENGTH_SIZE:
        return None
    head = decode(stream.read(head_size(prefix)))
    return head, [stream.read(size) for size in part_sizes(head)]


async def receive_bounded(stream: "StreamReader", limits: ChildLimits) -> tuple[dict[str, Any], list[bytes]]:
    """The next frame of a *stream* that nobody trusts. FrameError, or asyncio.IncompleteReadError at its end."""
    size = head_size(await stream.readexactly(LENGTH_SIZE))
    _check(size, [], limits)
    head = decode(await stream.readexactly(size))
    sizes = part_sizes(head)
    _check(size, sizes, limits)
    return head, [await stream.readexactly(size) for size in sizes]


def chunks(start: bytes, rest: bytes) -> Iterator[bytes | memoryview]:
    """*start* and *rest* to be written one after another with a wait in between; in one piece when they are small."""
    if len(rest) <= CHUNK:
        yield start + rest
        return
    yield start
    view = memoryview(rest)
    yield from (view[begin : begin + CHUNK] for begin in range(0, len(view), CHUNK))


def _check(head: int, parts: list[int], limits: ChildLimits) -> None:
    if head > limits.head:
        raise FrameError(f"a head of {head} bytes, at most {limits.head} are accepted")
    if len(parts) > limits.parts or sum(parts) > limits.answer:
        raise FrameError(f"{len(parts)} parts of {sum(parts)} bytes, at most {limits.parts} of {limits.answer}")
