"""A server whose mail store's disk hangs: what needs it gets 503 in time, and everything else is answered as ever."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime

from tornado.httpclient import HTTPResponse

from server.context import Context
from tests.server.handlers.conftest import PATIENCE, Call, body, error
from tests.server.handlers.test_session import sign_in
from tests.support.exposition import parse_exposition, values
from tests.support.hanging_disk import hanging
from tests.support.waiting import eventually
from workitems.intake.origin import MailOrigin
from workitems.mailstore.store import THREADS
from workitems.settings import Settings

RAW = b"Subject: A claim\n\nText\n"
MAIL = {"Content-Type": "message/rfc822"}

#: More than there are threads for them.
DOWNLOADS = THREADS + 2


async def put(context: Context) -> str:
    """Put a mail and return its id."""
    origin = MailOrigin(mailbox="a", arrived=datetime.now(UTC), source="imap", size=len(RAW))
    return (await context.intake.put(RAW, origin)).id


def waiting(context: Context) -> int:
    """Return how many downloads wait for a thread."""
    return context.mailstore._readers._pool._work_queue.qsize()


def check_refused(answer: HTTPResponse) -> None:
    assert error(answer) == (503, "store_unavailable", None)
    assert "its disk does not answer in time" in body(answer)["error"]["message"]
    assert int(answer.headers["Retry-After"]) > 0


async def ended(*calls: Awaitable[HTTPResponse]) -> list[HTTPResponse]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*calls)


async def test_downloads_that_hang_keep_nothing_else_from_its_answer(call: Call, context: Context) -> None:
    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    item_id = await put(context)
    context.hub.ready.set()
    context.mailstore.seconds = PATIENCE
    with hanging(await context.mailstore.raw_path(item_id)):
        downloads = [asyncio.create_task(call("GET", f"/api/workitems/{item_id}/raw")) for _ in range(DOWNLOADS)]
        await eventually(lambda: waiting(context) == DOWNLOADS - THREADS)
        for path in ("/metrics", "/healthz", "/readyz", "/api/workitems", "/login"):
            assert (await call("GET", path)).code == 200
        assert (await sign_in(call, {"user": "ada", "password": "correct horse"})).code == 303
        for text in (b"x", b"x" * 700_000):
            posted = await call("POST", "/api/email/intake", headers=MAIL, body=b"Subject: another\n\n" + text)
            assert posted.code == 202
        scraped = parse_exposition((await call("GET", "/metrics")).body.decode())
        assert values(scraped, "process_open_fds"), "also what the system says of the process"
        assert not any(each.done() for each in downloads)
    assert {each.code for each in await ended(*downloads)} == {200}


async def test_a_download_from_a_disk_that_hangs_gets_503(call: Call, context: Context) -> None:
    item_id = await put(context)
    raw = await context.mailstore.raw_path(item_id)
    context.mailstore.seconds = 0.1
    with hanging(raw):
        for answer in await ended(*(call("GET", f"/api/workitems/{item_id}/raw") for _ in range(DOWNLOADS))):
            check_refused(answer)
    context.mailstore.seconds = PATIENCE
    assert (await call("GET", f"/api/workitems/{item_id}/raw")).body == RAW


async def test_whatever_needs_a_disk_that_hangs_gets_503_and_the_rest_its_answer(
    call: Call, context: Context, settings: Settings
) -> None:
    await context.auth.accounts.add_user("ada", "correct horse", "viewer")
    item_id = await put(context)
    marker = settings.mail_folder / ".tubepost" / "store"  # everything looks at it before it uses the mail store
    context.mailstore.seconds = context.uploads.spool.seconds = 0.2
    with hanging(marker):
        paths = [f"/api/workitems/{item_id}/{part}" for part in ("raw", "message", "attachments/1")]
        for answer in await ended(*(call("GET", path) for path in paths * 3)):
            check_refused(answer)
        for size in (10, 700_000):
            mail = b"Subject: another\n\n" + b"x" * size
            answers = await ended(*(call("POST", "/api/email/intake", headers=MAIL, body=mail) for _ in range(3)))
            for answer in answers:
                check_refused(answer)
        for path in ("/healthz", "/api/workitems", "/metrics", "/login"):
            assert (await call("GET", path)).code == 200
        assert (await sign_in(call, {"user": "ada", "password": "correct horse"})).code == 303
        assert body(await call("GET", "/readyz"))["parts"]["mail_store"]["up"] is False
    context.mailstore.seconds = context.uploads.spool.seconds = PATIENCE
    assert (await call("GET", f"/api/workitems/{item_id}/raw")).body == RAW, "as soon as the disk answers again"
