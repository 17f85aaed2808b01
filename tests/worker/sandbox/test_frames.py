"""The format of the pipe, and the frames that the parent refuses."""

import asyncio
import io
import json
import struct
from typing import Any

import pytest

from worker.sandbox import frames
from worker.sandbox.limits import ChildLimits

LIMITS = ChildLimits(max_head_bytes=100, max_parts=2, max_answer_bytes=10)


def frame(head: str) -> bytes:
    """Make a frame with any head."""
    data = head.encode()
    return struct.pack("!I", len(data)) + data


async def receive(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Read the first frame of *data*, after which the stream ends."""
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return await frames.receive_bounded(stream, LIMITS)


async def test_both_readers_return_what_was_written() -> None:
    data = frames.encode({"a": "ä"}, [b"12", b"345"], limits=LIMITS) + b"12345"

    assert await receive(data) == ({"a": "ä"}, [b"12", b"345"])
    assert frames.receive(io.BytesIO(data)) == ({"a": "ä"}, [b"12", b"345"])


def test_the_end_of_a_stream_between_frames_is_none() -> None:
    assert frames.receive(io.BytesIO(b"")) is None


@pytest.mark.parametrize("parts", [[b""] * 3, [b"x" * 6, b"x" * 6]])
def test_an_answer_over_the_limits_is_not_written(parts: list[bytes]) -> None:
    with pytest.raises(frames.FrameError):
        frames.encode({}, parts, limits=LIMITS)
    with pytest.raises(frames.FrameError):
        frames.encode({"a": "x" * 100}, limits=LIMITS)


@pytest.mark.parametrize(
    "head",
    [
        '{"parts": [11]}',
        '{"parts": [6, 6]}',
        '{"parts": [0, 0, 0]}',
        '{"parts": [-1]}',
        '{"parts": [true]}',
        '{"parts": [1.0]}',
        '{"parts": {}}',
        '{"parts": [], "a": NaN}',
        '{"parts": [], "a": 1e999}',
        '{"parts": [], "a": ' + "9" * 5000 + "}",
        "[]",
        "[" * 90,
        "{",
        "",
        " " * 101,
    ],
)
async def test_a_head_that_is_wrong_or_too_large_is_refused(head: str) -> None:
    with pytest.raises(frames.FrameError):
        await receive(frame(head) + b"x" * 20)


async def test_a_deeply_nested_head_is_refused() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(frame("[" * 500_000))

    with pytest.raises(frames.FrameError):
        await frames.receive_bounded(stream, ChildLimits())


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\0\0\0\5{", frame('{"parts": [5]}') + b"1234"])
async def test_an_incomplete_frame_is_an_incomplete_read(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await receive(data)


@pytest.mark.parametrize("size", [0, 1, frames.CHUNK, frames.CHUNK + 1, 3 * frames.CHUNK])
def test_chunks_are_all_bytes_in_pieces_of_bounded_size(size: int) -> None:
    rest = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    pieces = list(frames.chunks(b"start", rest))

    assert b"".join(pieces) == b"start" + rest
    assert max(map(len, pieces)) <= frames.CHUNK + 5


def test_a_head_is_standard_json() -> None:
    data = frames.encode({"a": "\ud800"})

    assert json.loads(data[4:]) == {"a": "?", "parts": []}
