"""Files are complete or absent, whatever happens in between."""

import asyncio
import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.workitems.samples import IDS, mail
from workitems.base.errors import DecodeError, MailStoreUnavailableError, NotFoundError, StoreUnavailableError
from workitems.intake.identity import fingerprint
from workitems.mailstore import durable_files
from workitems.mailstore.sidecar import Sidecar
from workitems.mailstore.store import THREADS, MailStore

RAW = mail()


def sidecar(raw: bytes = RAW, item_id: str = IDS[0], arrived: str = "2026-03-01T09:30:00Z") -> Sidecar:
    return Sidecar(item_id, "claims", fingerprint(raw), arrived, "imap", len(raw), uidvalidity=7, uid=3)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_a_stored_mail_is_read_back_unchanged(mailstore: MailStore) -> None:
    await mailstore.store(sidecar(), RAW)
    (stored,) = await mailstore.get_raw_mails(IDS[0])
    assert (stored.sidecar, stored.raw) == (sidecar(), RAW)


async def test_every_variant_is_kept_and_the_first_comes_first(mailstore: MailStore) -> None:
    late, early = mail(body="late"), mail(body="early")
    await mailstore.store(sidecar(late, arrived="2026-03-01T09:30:01Z"), late)
    await mailstore.store(sidecar(early), early)
    assert [stored.raw for stored in await mailstore.get_raw_mails(IDS[0])] == [early, late]


async def test_half_written_files_of_a_killed_process_are_removed_later(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    folder = (await mailstore.shards())[0] / IDS[0]
    for name, age in (("old.part", 7200), ("new.part", 60)):
        left = folder / name
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age,) * 2)
    found = [stored for shard in await mailstore.shards() for stored in await mailstore.stored_sidecars(shard)]
    assert found == [sidecar()]
    assert [name for name in files(tmp_path) if name.endswith(".part")] == ["new.part"]


async def test_a_disk_error_does_not_look_like_a_mail_that_is_no_longer_kept(
    mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mailstore.store(sidecar(), RAW)
    stat = os.stat

    def failing(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
        if str(path).endswith(".eml"):
            raise OSError(errno.EIO, "Input/output error")
        return stat(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(StoreUnavailableError):
        await mailstore.raw_path(IDS[0])


async def test_putting_again_does_no_harm(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    await mailstore.store(sidecar(arrived="2027-01-01T00:00:00Z"), RAW)
    assert (await mailstore.get_raw_mails(IDS[0]))[0].sidecar == sidecar()
    assert len(files(tmp_path)) == 2


async def test_the_same_mail_put_many_times_at_once_is_complete(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail")
    big = mail(body="x" * 2_000_000)
    for item_id in IDS:
        await asyncio.gather(*(store.store(sidecar(big, item_id), big) for _ in range(8)))
        (stored,) = await store.get_raw_mails(item_id)
        assert stored.raw == big
    store.close()
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize(
    "item_id",
    ["", ".", "..", "../../etc/passwd", "wi_" + "a" * 25, "wi_" + "a" * 27, "wi_" + "A" * 26, IDS[0] + "\n",
     "wi_../" + "a" * 23, "/etc/passwd", "wi_" + "a" * 25 + "\x00", "wi_" + "1" * 26, IDS[0] + "/.."],
)  # fmt: skip
async def test_no_file_name_leads_out_of_the_store(mailstore: MailStore, tmp_path: Path, item_id: str) -> None:
    for step in (
        mailstore.get_raw_mails(item_id),
        mailstore.get_reading(item_id),
        mailstore.store_reading(item_id, {}, [b""]),
        mailstore.remove(item_id),
    ):
        with pytest.raises(NotFoundError):
            await step
    with pytest.raises(NotFoundError):
        await mailstore.attachment_path(item_id, 1)
    with pytest.raises(NotFoundError):
        await mailstore.store(sidecar(item_id=item_id), RAW)
    assert files(tmp_path) == []


async def test_a_mail_is_absent_until_its_sidecar_is_written(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    folder = tmp_path / "mail" / IDS[0][3:5] / IDS[0]
    (folder / f"{fingerprint(RAW)}.json").unlink()
    (folder / f"{fingerprint(RAW)}.json.77.part").write_bytes(b"{")
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(IDS[0])
    assert [await mailstore.stored_sidecars(shard) for shard in await mailstore.shards()] == [[]]
    await mailstore.store(sidecar(), RAW)
    assert (await mailstore.get_raw_mails(IDS[0]))[0].raw == RAW


async def test_files_are_synced_before_their_rename_and_renamed_before_the_return(
    mailstore: MailStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_sync, real_rename = os.fsync, os.rename

    def kind(path: str) -> str:
        name = Path(path).name
        return ".".join(part for part in name.split(".") if part in ("eml", "json", "part")) or name

    def sync(descriptor: int) -> None:
        steps.append("sync " + kind(str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        real_sync(descriptor)

    def rename(old: str, new: str) -> None:
        steps.append("rename " + kind(str(new)))
        real_rename(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(Path, "rename", lambda old, new: rename(str(old), str(new)))
    await mailstore.store(sidecar(), RAW)
    folder = IDS[0]
    assert steps == [
        f"sync {tmp_path.name}", "sync mail", f"sync {folder[3:5]}",
        "sync eml.part", "sync json.part", "rename eml", "rename json", f"sync {folder}",
    ]  # fmt: skip
    steps.clear()
    await mailstore.store(sidecar(), RAW)
    assert steps[-1:] == [f"sync {folder}"], "an earlier put may have ended before this"
    steps.clear()
    await mailstore.store_reading(folder, {"text": "Hello"}, [b"1", b"2"])
    assert steps[2:4] == ["sync json.part", "rename attachment-1"]
    assert steps[-2:] == ["rename json", f"sync {folder}"]
    assert len([step for step in steps if step.startswith("sync")]) == 4
    steps.clear()
    await mailstore.store_reading(folder, {"text": "Hello"}, [])
    assert steps == ["rename json"], "it can be made again, so it does not wait for the disk"


@pytest.mark.parametrize("left", [None, b"", b'{"text":"cut o', b'{"text":{}'])
async def test_a_reading_lost_in_a_power_failure_is_none_and_its_mail_is_unread(
    mailstore: MailStore, tmp_path: Path, left: bytes | None
) -> None:
    (shard,) = {IDS[0][3:5]}
    for item_id in IDS[:2]:
        await mailstore.store(sidecar(item_id=item_id), RAW)
        await mailstore.store_reading(item_id, {"text": "Hello", "fields": {}}, [])
    assert [await mailstore.items_without_reading(each) for each in await mailstore.shards()] == [[]] * len(
        await mailstore.shards()
    )
    path = tmp_path / "mail" / shard / IDS[0] / "reading.json"
    if left is None:
        path.unlink()
    else:
        path.write_bytes(left)
    with pytest.raises(NotFoundError):
        await mailstore.get_reading(IDS[0])
    found = [item_id for each in await mailstore.shards() for item_id in await mailstore.items_without_reading(each)]
    assert found == [IDS[0]]
    assert [await mailstore.items_without_reading(each, older_than=60) for each in await mailstore.shards()] == [
        [] for _ in await mailstore.shards()
    ]


async def test_a_reading_of_an_older_program_is_accepted(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    (tmp_path / "mail" / IDS[0][3:5] / IDS[0] / "reading.json").write_bytes(b'{"text":"Hello"}')
    assert [await mailstore.items_without_reading(each) for each in await mailstore.shards()] == [[]]
    assert await mailstore.get_reading(IDS[0]) == {"text": "Hello"}


async def test_many_readings_at_once_do_not_mix_and_one_that_does_not_fit_fails_alone(
    mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = durable_files.write_files

    def small(place: Path, written: list[tuple[Path, bytes]]) -> None:
        if any(len(content) > 100 for _, content in written):
            raise OSError(28, "No space left on device")
        real(place, written)

    monkeypatch.setattr(durable_files, "write_files", small)
    contents = [[], [b"1"], [b"x" * 200], [b"2", b"3"]]
    await mailstore.store_reading(IDS[4], {}, [])
    found = await asyncio.gather(
        *(
            mailstore.store_reading(item_id, {"id": item_id}, each)
            for item_id, each in zip(IDS, contents, strict=False)
        ),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [type(None), type(None), MailStoreUnavailableError, type(None)]
    assert (await mailstore.get_reading(IDS[3]))["id"] == IDS[3]
    assert (await mailstore.attachment_path(IDS[3], 2)).read_bytes() == b"3"


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from tests.workitems.mailstore.test_store import sidecar
from workitems.base.errors import StoreUnavailableError
from workitems.mailstore.store import MailStore

async def main():
    store, raw = MailStore(Path(sys.argv[1])), b"x" * 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    for step in (store.store(sidecar(raw), raw), store.store_reading(sidecar().id, {"text": "y" * 9_000}, []),
                 store.store_reading(sidecar().id, {}, [raw])):
        try:
            await step
        except StoreUnavailableError as error:
            print(error)
    print(sorted(path.name for path in Path(sys.argv[1]).rglob("*") if path.is_file()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.store(sidecar(raw), raw)
    print((await store.get_raw_mails(sidecar().id))[0].raw == raw)

asyncio.run(main())
"""


def test_a_full_disk_makes_the_store_unavailable_and_leaves_no_partial_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=30, cwd=Path.cwd()
    )
    assert done.stdout.splitlines() == [*["the mail store cannot serve: File too large"] * 3, "[]", "True"], done.stderr


async def test_a_folder_that_cannot_be_written_makes_the_store_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(b"a file where the folder should be")
    store = MailStore(tmp_path / "mail")
    with pytest.raises(StoreUnavailableError):
        await store.check_writable()
    with pytest.raises(StoreUnavailableError):
        await store.store(sidecar(), RAW)
    store.close()


async def test_the_check_leaves_no_file_and_can_run_twice_at_once(mailstore: MailStore, tmp_path: Path) -> None:
    for _ in range(20):
        await asyncio.gather(*(mailstore.check_writable() for _ in range(8)))
    assert files(tmp_path) == []


async def test_a_reading_is_read_back_with_its_attachments(mailstore: MailStore) -> None:
    await mailstore.store_reading(IDS[0], {"text": "Ä\ud83d", "n": 2**53 + 1}, [b"one", b"two"])
    assert await mailstore.get_reading(IDS[0]) == {"text": "Ä�", "n": 2**53 + 1}
    assert (await mailstore.attachment_path(IDS[0], 2)).read_bytes() == b"two"
    for n in (0, 3, -1, 10**30):
        with pytest.raises(NotFoundError):
            await mailstore.attachment_path(IDS[0], n)
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(IDS[0])  # a reading is no mail
    with pytest.raises(NotFoundError):
        await mailstore.get_reading(IDS[1])


async def test_removing_takes_every_byte_and_may_be_done_twice(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    await mailstore.store_reading(IDS[0], {}, [b"1"])
    await mailstore.remove(IDS[0])
    await mailstore.remove(IDS[0])
    assert files(tmp_path) == []
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(IDS[0])


async def test_a_cancelled_put_leaves_no_partial_file(mailstore: MailStore, tmp_path: Path) -> None:
    big = mail(body="x" * 5_000_000)
    task = asyncio.create_task(mailstore.store(sidecar(big), big))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mailstore.close()
    assert len(files(tmp_path)) == 2
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


async def test_what_is_stored_is_listed_by_age_and_one_broken_sidecar_hides_no_other(
    mailstore: MailStore, tmp_path: Path
) -> None:
    for item_id in IDS[:3]:
        await mailstore.store(sidecar(item_id=item_id), RAW)
    (tmp_path / "mail" / IDS[1][3:5] / IDS[1] / f"{fingerprint(RAW)}.json").write_bytes(b"[]")
    (tmp_path / "mail" / "stray file").write_bytes(b"")
    found = [stored for shard in await mailstore.shards() for stored in await mailstore.stored_sidecars(shard)]
    assert sorted(stored.id for stored in found) == [IDS[0], IDS[2]]
    assert [await mailstore.stored_sidecars(shard, older_than=60) for shard in await mailstore.shards()] == [[], [], []]


async def test_an_empty_store_has_no_shards(mailstore: MailStore) -> None:
    assert await mailstore.shards() == []


def test_a_sidecar_of_a_newer_program_is_read_as_far_as_it_is_known() -> None:
    newer = json.loads(sidecar().encode()) | {"colour": "blue", "schema": 9}
    assert Sidecar.decode(json.dumps(newer).encode()).id == IDS[0]
    for broken in (b"", b"[]", b"{}", b"7", b"\xff", b'{"id": "a"}', b'{"recipients": 7}'):
        with pytest.raises(DecodeError):
            Sidecar.decode(broken)


async def test_only_the_owner_may_read_the_files(mailstore: MailStore, tmp_path: Path) -> None:
    await mailstore.store(sidecar(), RAW)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.joinpath("mail").rglob("*") if path.is_dir()} == {0o700}


async def test_the_store_uses_no_more_threads_than_its_limit(mailstore: MailStore) -> None:
    others = set(threading.enumerate())  # a store of another test may not have ended yet
    await asyncio.gather(*(mailstore.store(sidecar(item_id=item_id), RAW) for item_id in IDS))
    started = set(threading.enumerate()) - others
    assert 1 <= sum(thread.name.startswith("mailstore") for thread in started) <= THREADS
