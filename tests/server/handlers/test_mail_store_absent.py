"""A server whose mail store's disk is not mounted, or is another one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from server.context import Context
from tests.server.handlers.conftest import Call, body, error
from workitems.intake.origin import MailOrigin
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings

RAW = b"Subject: A claim\n\nText\n"


@pytest.fixture
def item_id(io_loop: IOLoop, context: Context, settings: Settings) -> str:
    """Return the id of a mail that another process put; this server has not touched the mail store yet."""
    return io_loop.run_sync(lambda: put_elsewhere(context, settings))


async def put_elsewhere(context: Context, settings: Settings) -> str:
    mailstore = MailStore(settings.mail_folder)
    durable_state = DurableState(context.redis, mailstore, max_events=100)
    await durable_state.reconcile()
    origin = MailOrigin(mailbox="a", arrived=datetime.now(UTC), source="imap", size=len(RAW))
    sidecar = origin.sidecar("wi_" + "a" * 26, "f" * 32)
    await mailstore.store(sidecar, RAW)
    await mailstore.store_reading(sidecar.id, {"text": "Text"}, [b"abc"])
    mailstore.close()
    return sidecar.id


def unmount(settings: Settings, *, leaves: str | None = None) -> None:
    """Do what unmounting does: an empty folder is left, or with *leaves* another store."""
    settings.mail_folder.rename(settings.mail_folder.with_name("away"))
    settings.mail_folder.mkdir()
    if leaves is not None:
        (settings.mail_folder / ".tubepost").mkdir()
        (settings.mail_folder / ".tubepost" / "store").write_text(leaves)


@pytest.mark.parametrize("part", ["raw", "message", "attachments/1"])
async def test_stored_mail_on_a_disk_that_is_not_mounted_is_unavailable_and_not_unknown(
    call: Call, settings: Settings, item_id: str, part: str
) -> None:
    unmount(settings)
    answer = await call("GET", f"/api/workitems/{item_id}/{part}")
    assert error(answer)[:2] == (503, "store_unavailable")
    assert "its disk is not mounted" in body(answer)["error"]["message"]
    assert str(settings.data) not in answer.body.decode()
    assert int(answer.headers["Retry-After"]) > 0


async def test_mail_is_served_again_as_soon_as_its_disk_is_back(call: Call, settings: Settings, item_id: str) -> None:
    unmount(settings)
    assert (await call("GET", f"/api/workitems/{item_id}/raw")).code == 503
    settings.mail_folder.rmdir()
    settings.mail_folder.with_name("away").rename(settings.mail_folder)
    assert (await call("GET", f"/api/workitems/{item_id}/raw")).body == RAW
    unmount(settings, leaves="another")
    answer = await call("GET", f"/api/workitems/{item_id}/raw")
    assert "another mail store is mounted" in body(answer)["error"]["message"]


async def test_mail_that_does_not_exist_is_unknown_in_the_right_store(call: Call, item_id: str) -> None:
    assert item_id
    assert error(await call("GET", f"/api/workitems/wi_{'b' * 26}/raw"))[0] == 404


@pytest.mark.parametrize("size", [10, 700_000])
@pytest.mark.parametrize("leaves", [None, "another"])
@pytest.mark.parametrize("has_put", [False, True])
async def test_uploads_are_refused_and_nothing_is_written_to_the_wrong_disk(
    call: Call, settings: Settings, item_id: str, size: int, leaves: str | None, has_put: bool
) -> None:
    assert item_id
    headers: dict[str, Any] = {"Content-Type": "message/rfc822"}
    if has_put:
        assert (await call("POST", "/api/email/intake", headers=headers, body=b"Subject: b\n\nx")).code == 202
    unmount(settings, leaves=leaves)
    before = _files(settings.mail_folder)
    answer = await call("POST", "/api/email/intake", headers=headers, body=b"Subject: c\n\n" + b"x" * size)
    assert error(answer)[:2] == (503, "store_unavailable")
    assert "mounted" in body(answer)["error"]["message"]
    assert _files(settings.mail_folder) == before


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))
