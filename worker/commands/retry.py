"""`run.py retry`: lets mail of the quarantine be read again."""

from collections.abc import Callable, Sequence

from workitems.base import log as logs
from workitems.base.errors import InvalidChangeError, NoLongerKeptError, NotFoundError
from workitems.base.redis import connect
from workitems.mailstore.store import MailStore
from workitems.queue.quarantine import list_quarantined, retry_item
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings

#: Items of the quarantine that are listed at once.
PAGE = 200


async def retry(
    settings: Settings, items: Sequence[str], *, all_items: bool, say: Callable[[str], object] = print
) -> bool:
    """Add the mail of *items*, or of the whole quarantine, to the intake again. Returns whether all could be added.

    Raises IntakeFullError when the intake is full, StoreUnavailableError.
    """
    logs.configure("error")
    if all_items == bool(items):
        raise InvalidChangeError("name items, or use --all")
    redis = connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
    mailstore = MailStore(settings.mail_folder)
    waiting, refused = 0, 0
    try:
        await DurableState(redis, mailstore, max_events=settings.stream.max_feed_events).identify()
        item_ids = list(items)
        while all_items and (page := await list_quarantined(redis, start=len(item_ids), limit=PAGE)):
            item_ids += [each.id for each in page]
        for item_id in item_ids:
            try:
                await retry_item(redis, mailstore, item_id, max_waiting=settings.intake.max_waiting)
                waiting += 1
            except NoLongerKeptError:
                refused += 1
                say(f"{item_id}: its raw mail is no longer kept.")
            except NotFoundError:
                refused += 1
                say(f"{item_id}: there is no such item, or it did not come by mail.")
    finally:
        say(f"{waiting} wait to be read again.")
        mailstore.close()
        await redis.aclose()
    return not refused
