"""The format of the pipe, the same in both directions: four bytes of length (big-endian), a JSON head, raw parts.

The head's `parts` lists the lengths of the parts after it. Long texts and attachments are sent as parts, so that the
head stays small enough to decode on an event loop.

    to the child    {"function", "setup", "parent", "nice", "limits"}  once, then for every mail
                    {"mailbox", "seconds": CPU seconds, "files": CPU seconds for its files, "share": the part of
                     these for one file, "parts": [n]} + the raw mail
                    {"setup"}                                        now and then: other rules for the mails after it
    to the parent   {"ready": true, "missing": […], "cpu"}           once, then for every mail
                    {"ready": true, "cpu"}                           the other rules are in use
                    {"reading": {…}, "long": [names], "more": whether another answer follows, "rss", "cpu",
                     "parts": […]} + long texts + attachments
                    {"error": class, "where": "file.py:12", "cpu"}   for any that failed; "cpu" only for a mail

A mail with files whose content is read gets two answers: first all but that content, then all. In between,
`{"file": n}` says which file is read next. The second answer has only the fields that changed, and `"same": true` when
its attachments are those of the first. `"unfinished": true` says that a file used up its time.
"""

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import orjson

from worker.sandbox.limits import ChildLimits

if TYPE_CHECKING:  # the child does not load asyncio; the parent does not load the watch
    from asyncio import StreamReader

    from worker.sandbox.file_watch import FileWatch


class Answer(NamedTuple):
    """What a child's function gives about a mail: values for JSON, and the contents of the attachments."""

    reading: dict[str, Any]
    #: None in a second answer whose attachments are those of the first.
    attachments: Sequence[bytes] | None
    #: Whether another answer follows.
    more: bool = False


#: Mailbox → encoded field rules, "*" for all other mailboxes. The word `GENERAL` among them adds the general rules
#: whose names the others do not have.
EncodedRules = Mapping[str, Sequence[Mapping[str, Any] | str]]
GENERAL = "general"

#: The function of a child: (raw mail, name of the mailbox, watch over its files) → its answers.
ReadFunction = Callable[[bytes, str, "FileWatch"], Iterator[Answer]]

#: Texts with more characters are sent as parts.
LONG_TEXT = 8192

#: Bytes in one write.
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


# Made once: `json.dumps` and `loads` with arguments would make them on each call, 10 µs a mail.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


class FrameError(Exception):
    """The other end sent something that is no frame, or a frame over the limits. The message never quotes it."""


def encode(head: dict[str, Any], parts: Sequence[bytes] = (), *, limits: ChildLimits | None = None) -> bytes:
    """Return the frame up to its parts, which the caller sends next. Raises FrameError when it is over *limits*.

    A lone surrogate has no UTF-8 form. It becomes "?", which is also one UTF-16 unit, so offsets stay correct.
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
    """Return the length of the head that follows *prefix*."""
    (size,) = _LENGTH.unpack(prefix)
    return int(size)


def decode(data: bytes) -> dict[str, Any]:
    """Return the head. Raises FrameError when it is no JSON object."""
    try:
        head = _DECODER.decode(data.decode())
    except (ValueError, RecursionError):
        raise FrameError("a head that is no JSON") from None
    if not isinstance(head, dict):
        raise FrameError("a head that is no JSON object")
    return head


def part_sizes(head: dict[str, Any]) -> list[int]:
    """Remove the lengths of the parts from the head and return them. Raises FrameError when there are none."""
    sizes = head.pop("parts", None)
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise FrameError("a head without the lengths of its parts")
    return sizes


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """Return the next frame of a blocking *stream* from a trusted sender; None at its end."""
    prefix = stream.read(LENGTH_SIZE)
    if len(prefix) < LENGTH_SIZE:
        return None
    head = decode(stream.read(head_size(prefix)))
    return head, [stream.read(size) for size in part_sizes(head)]


async def receive_bounded(stream: "StreamReader", limits: ChildLimits) -> tuple[dict[str, Any], list[bytes]]:
    """Return the next frame of an untrusted *stream*. Raises FrameError, or asyncio.IncompleteReadError at its end."""
    size = head_size(await stream.readexactly(LENGTH_SIZE))
    _check(size, [], limits)
    head = decode(await stream.readexactly(size))
    sizes = part_sizes(head)
    _check(size, sizes, limits)
    return head, [await stream.readexactly(size) for size in sizes]


def chunks(start: bytes, rest: bytes) -> Iterator[bytes | memoryview]:
    """Split *start* and *rest* into pieces, so that the writer can wait in between; small ones are one piece."""
    if len(rest) <= CHUNK:
        yield start + rest
        return
    yield start
    view = memoryview(rest)
    yield from (view[begin : begin + CHUNK] for begin in range(0, len(view), CHUNK))


def _check(head: int, parts: list[int], limits: ChildLimits) -> None:
    if head > limits.max_head_bytes:
        raise FrameError(f"a head of {head} bytes, at most {limits.max_head_bytes} are accepted")
    if len(parts) > limits.max_parts or sum(parts) > limits.max_answer_bytes:
        raise FrameError(
            f"{len(parts)} parts of {sum(parts)} bytes, at most {limits.max_parts} of {limits.max_answer_bytes}"
        )
