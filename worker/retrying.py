"""`run.py retry`: mail that could not be read as it should waits to be read again."""

from collections.abc import Callable, Sequence

from workitems import log as logs
from workitems.errors import InvalidChangeError, NoLongerKeptError, NotFoundError
from workitems.mailstore import MailStore
from workitems.quarantine import quarantined
from workitems.quarantine import retry as read_again
from workitems.redis import connect
from workitems.settings import Settings

#: Items of the quarantine that are looked up at once.
PAGE = 200


async def retry(settings: Settings, items: Sequence[str], *, every: bool, say: Callable[[str], object] = print) -> bool:
    """Let the mail of *items* wait again, or that of the whole quarantine; True when all of it could.

    Raises IntakeFullError when there is no room for more, StoreUnavailableError.
    """
    logs.configure("error")
    if every == bool(items):
        raise InvalidChangeError("name items, or say --all")
    redis = connect(settings.redis_url, timeout=settings.redis.timeout)
    mailstore = MailStore(settings.mail)
    waiting, refused = 0, 0
    try:
        wanted = list(items)
        while every and (page := await quarantined(redis, start=len(wanted), limit=PAGE)):
            wanted += [each.id for each in page]
        for item_id in wanted:
            try:
                await read_again(redis, mailstore, item_id, most=settings.intake.most)
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
