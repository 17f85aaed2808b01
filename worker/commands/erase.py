"""`run.py erase`: erases all that came from an address, or single items, for ever, and prints what stays."""

import re
import sys
from collections.abc import Callable, Sequence

from workitems.base import log as logs
from workitems.base import terminal
from workitems.base.errors import InvalidChangeError
from workitems.base.redis import RedisClient, connect
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.retention.aof_rewrite import rewrite_aof
from workitems.retention.find_person import ItemMatch, PersonMatches, find_by_address, find_by_ids, is_repair_complete
from workitems.retention.message_links import clean_links
from workitems.settings import Settings
from workitems.status.redis_watch import read_facts

#: Seconds that Redis may take to rewrite its append-only file.
REWRITE = 120.0

#: Items of one batch. First the items of a batch are removed, then their events and files.
BATCH = 200

NOT_COMPARED = """\
Redis was restarted or has deleted keys, and no worker has compared it with the mail store since. Mail that Redis lost
is not found now, and comes back later. Check that a worker runs, and repeat this in some minutes."""

_ITEM = re.compile(r"wi_[a-z2-7]{26}")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")

NOT_REACHED = """\
Not reached from here:
  - the mail in its mailbox: Tubepost never deletes there. Erased mail is not read again, wherever it is.
  - a backup by run.py backup, until the next one into the same folder is complete: make one now.
  - other backups and replicas of Redis and of the data folder, and snapshots (RDB) until the next one is written.
  - programs that got it by the API or the event stream. Tubepost's own logs hold no mail content and no addresses."""


async def erase(
    settings: Settings,
    targets: Sequence[str],
    *,
    is_confirmed: bool,
    say: Callable[[str], object] = print,
    ask: Callable[[str], str] | None = None,
) -> bool:
    """Erase the items that *targets* (addresses and ids) name. False when there are none, the person did not confirm,
    or not all could be found.

    *is_confirmed*: no person is asked. Raises InvalidChangeError, StoreUnavailableError.
    """
    logs.configure("error")  # what matters is printed here
    _check(targets)
    redis = connect(settings.redis_url, timeout=max(10.0, settings.redis.timeout_seconds))
    mailstore = MailStore(settings.mail_folder)
    try:
        durable_state = DurableState(redis, mailstore, max_events=settings.stream.max_feed_events)
        await durable_state.reconcile()
        is_complete = await is_repair_complete(redis, (await read_facts(redis)).repairable_evictions)
        found = await _find(redis, mailstore, targets)
        _print_matches(found, say)
        unknown = [
            each for each in targets if _ITEM.fullmatch(each) and each not in {match.id for match in found.from_person}
        ]
        if unknown:
            say(f"Not known: {', '.join(unknown)}.")
        if not is_complete:
            say(NOT_COMPARED)
        if not found.from_person or not (is_confirmed or _confirm(len(found.from_person), ask)):
            return False
        for start in range(0, len(found.from_person), BATCH):
            batch = [match.id for match in found.from_person[start : start + BATCH]]
            for item_id in batch:
                await durable_state.removal.remove(item_id, who="run.py erase", why="erased")
            await durable_state.removal.finish(batch)
        async for _ in clean_links(redis):
            pass
        say(f"Erased: {len(found.from_person)}. Tombstones stay, so that none of it is read again.")
        say((await rewrite_aof(redis, seconds=REWRITE)).message)
        say(NOT_REACHED)
        return is_complete and not unknown
    finally:
        mailstore.close()
        await redis.aclose()


def _check(targets: Sequence[str]) -> None:
    for each in targets:
        if not _ITEM.fullmatch(each) and not _ADDRESS.fullmatch(each):
            raise InvalidChangeError("accepted are ids such as wi_ and 26 of a-z and 2-7, and mail addresses")


async def _find(redis: RedisClient, mailstore: MailStore, targets: Sequence[str]) -> PersonMatches:
    """Find the items to erase, each once, and those that stay although an address is mentioned in them."""
    sent: dict[str, ItemMatch] = {}
    named: dict[str, ItemMatch] = {}
    for address in (each for each in targets if not _ITEM.fullmatch(each)):
        matches = await find_by_address(redis, mailstore, address)
        sent |= {match.id: match for match in matches.from_person}
        named |= {match.id: match for match in matches.mentioned}
    ids = [each for each in targets if _ITEM.fullmatch(each)]
    sent |= {match.id: match for match in await find_by_ids(redis, mailstore, ids)}
    return PersonMatches(list(sent.values()), [match for match in named.values() if match.id not in sent])


def _print_matches(found: PersonMatches, say: Callable[[str], object]) -> None:
    """Print the items without content: the person at the terminal may not be allowed to read the mail."""
    say(f"{len(found.from_person)} found." if found.from_person else "Nothing was found.")
    for match in found.from_person:
        say(f"  {match.id}  {match.reference or '(not read yet)'}  {match.created}")
    if found.mentioned:
        say(f"{len(found.mentioned)} others name the address, and stay; they can be erased by their ids:")
        for match in found.mentioned:
            say(f"  {match.id}  {match.reference}  {match.created}")


def _confirm(count: int, ask: Callable[[str], str] | None) -> bool:
    if ask is None and not sys.stdin.isatty():
        raise InvalidChangeError("no person can be asked here: use --yes")
    answer = (ask or terminal.ask)(f"Erase {count} for ever? Type yes: ")
    return answer.strip().lower() == "yes"
