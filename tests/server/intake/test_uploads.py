"""From a body to a mail: small bodies in memory, large ones in files and by a child, with the same result."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from server.intake import compose_child
from server.intake.compose_child import ComposeRequest, ComposeResult, MailTooLargeError, compose_mail
from server.intake.upload_budget import UploadBudget
from server.intake.uploads import UploadBody, UploadedMail, Uploads
from tests.server.access.test_client_address import ONE, TWO
from tests.server.intake.sources.test_adapters import MAILGUN, POSTMARK
from tests.support.forms import multipart, urlencoded
from workitems.base.errors import IntakeFullError, InvalidChangeError, NotFoundError, StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake, PutResult
from workitems.intake.repair import put_lost_mail
from workitems.intake.spool import Spool
from workitems.mailstore.store import MailStore

JSON_MAIL = {"from": "ada@example.com", "text": "Grüße 😀", "mailbox": "claims", "attachments": [
    {"filename": "a.bin", "content": base64.b64encode(bytes(range(256)) * 700).decode()}]}  # fmt: skip
KIND, FORM = multipart(*MAILGUN, ("attachment-1", bytes(range(256)) * 700, "a.bin", "application/octet-stream"))
LARGE: list[tuple[ComposeRequest, bytes]] = [
    (ComposeRequest("json", "application/json", "<fresh@x>"), json.dumps(JSON_MAIL).encode()),
    (ComposeRequest("postmark", "application/json"), json.dumps(POSTMARK | {"TextBody": "x" * 200_000}).encode()),
    (ComposeRequest("mailgun", KIND), FORM),
    (ComposeRequest("sendgrid", urlencoded()[0]), urlencoded(("text", b"\xe9+%" * 100_000))[1]),
]


@pytest.fixture
def mailstore(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "mail")
    yield spool
    spool.close()
    assert list(spool.folder.glob("*")) == []


@pytest.fixture
def intake(redis: RedisClient, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, max_waiting=3)


@pytest.fixture
def uploads(spool: Spool, intake: Intake) -> Uploads:
    return Uploads(spool, intake, most=3, largest=1_000_000)


@pytest.fixture(autouse=True)
def _small_is_small(monkeypatch: Any) -> None:
    """Make a body of a few hundred kilobytes a large one."""
    monkeypatch.setattr("server.intake.uploads.MAX_MEMORY_BYTES", 128 * 1024)


def origin(mailbox: str = "claims") -> MailOrigin:
    return MailOrigin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=0)


async def received(spool: Spool, raw: bytes) -> tuple[UploadBody, UploadedMail]:
    body = UploadBody(spool)
    for start in range(0, len(raw), 65_536):
        await body.add(raw[start : start + 65_536])
    return body, await body.to_mail()


async def composed(uploads: Uploads, request: ComposeRequest, raw: bytes) -> tuple[bytes, ComposeResult]:
    body, whole = await received(uploads.spool, raw)
    try:
        async with uploads.compose(request, whole) as (mail, found):
            assert mail.size == len(mail.raw if isinstance(mail.raw, bytes) else mail.raw.path.read_bytes())
            return (mail.raw if isinstance(mail.raw, bytes) else mail.raw.path.read_bytes()), found
    finally:
        body.discard()


@pytest.mark.parametrize(("asked", "raw"), LARGE)
async def test_a_child_composes_what_a_thread_would(uploads: Uploads, asked: ComposeRequest, raw: bytes) -> None:
    out = BytesIO()
    found = compose_mail(asked, BytesIO(raw), BytesIO(), out.write)
    assert await composed(uploads, asked, raw) == (out.getvalue(), found)


@pytest.mark.parametrize("padding", [0, 200_000])
async def test_an_error_names_the_field_for_small_and_large_bodies(uploads: Uploads, padding: int) -> None:
    for wrong, field in (({"text": "x"}, "from"), ({"from": "a@b.c", "text": "x", "mailbox": 7}, "mailbox")):
        raw = json.dumps(wrong | {"html": "x" * padding}).encode()
        with pytest.raises(InvalidChangeError) as caught:
            await composed(uploads, LARGE[0][0], raw)
        assert caught.value.field == field


@pytest.mark.parametrize("padding", [0, 200_000])
async def test_writing_stops_when_a_mail_becomes_too_large(uploads: Uploads, padding: int) -> None:
    raw = json.dumps({"from": "a@b.c", "text": "x" * (padding + 1)}).encode()
    with pytest.raises(MailTooLargeError):
        await composed(uploads, ComposeRequest("json", "application/json", "<fresh@x>", max_bytes=100), raw)


async def test_a_child_has_limits_on_memory_and_time(uploads: Uploads, monkeypatch: Any) -> None:
    raw = json.dumps({"from": "a@b.c", "text": "x" * 3_000_000}).encode()
    with monkeypatch.context() as patch:
        patch.setattr(compose_child, "MEMORY", 24 * 1024**2)
        with pytest.raises(InvalidChangeError, match="memory"):
            await composed(uploads, LARGE[0][0], raw)
    monkeypatch.setattr(compose_child, "PROCESSOR", 1)
    near = b"\r\n--ab" * 2_000_000  # the parser stops at each
    with pytest.raises(InvalidChangeError, match="time"):
        await composed(
            uploads, ComposeRequest("mailgun", "multipart/form-data; boundary=a"), b"--a\r\nA: b\r\n\r\n" + near
        )


async def test_small_json_with_many_values_goes_to_a_child(uploads: Uploads, monkeypatch: Any) -> None:
    seen = []
    monkeypatch.setattr("server.intake.uploads._composed_small", lambda *_: seen.append(1))
    headers = [["X-A", "b"]] * 5_000
    raw = json.dumps({"from": "a@b.c", "text": "x", "headers": headers}, separators=(",", ":")).encode()
    with pytest.raises(InvalidChangeError) as caught:
        await composed(uploads, LARGE[0][0], raw)
    assert caught.value.field == "headers"
    assert not seen


async def test_a_child_that_takes_too_long_is_ended(uploads: Uploads, monkeypatch: Any) -> None:
    children = []
    start = asyncio.create_subprocess_exec

    async def remembered(*arguments: Any, **how: Any) -> Any:
        children.append(await start(*arguments, **how))
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remembered)
    monkeypatch.setattr("server.intake.uploads._PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr("server.intake.uploads.CHILD_TIMEOUT", 0.2)
    with pytest.raises(StoreUnavailableError):
        await composed(uploads, *LARGE[0])
    assert all(child.returncode is not None for child in children)


async def test_a_child_does_not_get_our_environment(uploads: Uploads, monkeypatch: Any) -> None:
    seen = {}
    start = asyncio.create_subprocess_exec

    async def watched(*arguments: Any, **how: Any) -> Any:
        seen.update(how)
        return await start(*arguments, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    monkeypatch.setenv("TUBEPOST_TOKEN", "a-secret")
    await composed(uploads, *LARGE[0])
    assert seen["env"] == {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


async def test_a_body_can_be_discarded_at_any_time(spool: Spool) -> None:
    body = UploadBody(spool)
    await body.add(b"x" * 200_000)
    adding = asyncio.create_task(body.add(b"x" * 200_000))
    await asyncio.sleep(0)
    body.discard()
    await adding
    body.discard()
    other = UploadBody(spool)
    adding = asyncio.create_task(other.add(b"x" * 200_000))
    await asyncio.sleep(0)
    other.discard()
    await adding


async def test_a_mail_with_a_generated_id_is_withdrawn_when_its_put_fails(
    uploads: Uploads, intake: Intake, mailstore: MailStore, monkeypatch: Any
) -> None:
    mail = UploadedMail(b"Message-ID: <fresh@tubepost.invalid>\r\n\r\nx")
    item_id = identity.item_id("claims", mail.head)

    async def lost(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "enqueue", lost)
        with pytest.raises(StoreUnavailableError):
            await uploads.put(mail, origin(), fresh=True)
        with pytest.raises(NotFoundError):
            await mailstore.get_raw_mails(item_id)
        with pytest.raises(StoreUnavailableError):
            await uploads.put(mail, origin())
    assert len(await mailstore.get_raw_mails(item_id)) == 1
    assert [count async for count in put_lost_mail(intake)] == [1]


@pytest.mark.parametrize(("pairs", "accepted"), [(ONE, False), (TWO, True)])
def test_the_addresses_of_one_line_share_its_budget(pairs: list[tuple[str, str]], accepted: bool) -> None:
    for one, other in pairs:
        budget = UploadBudget(3, 1)
        assert [budget.reserve(1, one), budget.reserve(1, other)] == [True, accepted], (one, other)
        budget.release(1, one)
        assert budget.reserve(1, one)


def test_one_network_cannot_use_the_whole_budget() -> None:
    budget = UploadBudget(4, 2)
    assert [budget.reserve(1, "a") for _ in range(3)] == [True, True, False]
    assert [budget.reserve(1, "b") for _ in range(3)] == [True, True, False]
    budget.release(2, "a")
    assert [budget.reserve(1, "b"), budget.reserve(2, "c")] == [False, True]


async def test_a_full_intake_is_reported_before_a_body_is_received(uploads: Uploads) -> None:
    for n in range(3):
        await uploads.check_capacity()
        assert (await uploads.put(UploadedMail(b"Message-ID: <%d@x>\r\n\r\n" % n), origin())).outcome == "new"
    with pytest.raises(IntakeFullError):
        await uploads.check_capacity()


async def test_a_mail_in_a_file_is_put_like_one_in_memory(uploads: Uploads, mailstore: MailStore) -> None:
    raw = b"Message-ID: <m@x>\r\n\r\n" + b"x" * 500_000
    body, mail = await received(uploads.spool, raw)
    assert not isinstance(mail.raw, bytes)
    assert await uploads.put(mail, origin()) == PutResult(identity.item_id("claims", raw), "new")
    body.discard()
    (stored,) = await mailstore.get_raw_mails(identity.item_id("claims", raw))
    assert (stored.raw, stored.sidecar.size) == (raw, len(raw))
