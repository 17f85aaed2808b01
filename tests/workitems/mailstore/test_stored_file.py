"""Files of the mail store that people download, also from a disk that hangs."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hanging_disk import hanging
from tests.support.waiting import eventually
from workitems.base.errors import MailStoreUnavailableError, NotFoundError
from workitems.mailstore.store import THREADS, MailStore
from workitems.mailstore.stored_file import StoredFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path, seconds=0.05)
    yield store
    store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path / "file"


async def test_a_file_is_read_in_pieces(store: MailStore, file: Path) -> None:
    store.seconds = None
    async with store.opened(file) as opened:
        assert opened.size == 10
        assert [await opened.read(6) for _ in range(3)] == [b"012345", b"6789", b""]
    with pytest.raises(NotFoundError):
        async with store.opened(file.with_name("nothing")):
            pass


async def test_a_file_that_hangs_is_given_up_and_mail_can_be_put_meanwhile(store: MailStore, file: Path) -> None:
    with hanging(file):
        for _ in range(2 * THREADS):
            with pytest.raises(MailStoreUnavailableError) as caught:
                async with store.opened(file):
                    pass
            assert caught.value.reason == "its disk does not answer in time"
        store.seconds = None
        await store.check_writable()
    async with store.opened(file) as opened:
        assert await opened.read(20) == b"0123456789", "the disk answers again"


async def test_to_close_a_file_never_waits_for_a_read_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    store = MailStore(tmp_path, seconds=0.05)
    async with store.opened(path) as opened:
        with pytest.raises(MailStoreUnavailableError):
            await opened.read(5)
    assert not opened._file.closed, "a thread reads it still"
    os.write(writer, b"late")
    await eventually(lambda: opened._file.closed)
    os.close(writer)
    store.close()


async def test_nothing_is_read_from_a_file_that_was_closed(file: Path) -> None:
    async def run(read: object, octets: int) -> bytes:
        assert callable(read)
        await asyncio.sleep(0)
        found = read(octets)
        assert isinstance(found, bytes)
        return found

    opened = StoredFile(file, run)
    opened.close()
    assert opened._file.closed
    assert await opened.read(5) == b""
