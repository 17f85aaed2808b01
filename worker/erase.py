"""`run.py erase`: all that came from an address, or single items, goes for ever; says what was found and stays."""

import re
import sys
from collections.abc import Callable, Sequence

from workitems import log as logs
from workitems import terminal
from workitems.errors import InvalidChangeError
from workitems.keepsake import Keepsake
from workitems.mailstore import MailStore
from workitems.redis import Client, connect
from workitems.rewriting import rewrite
from workitems.settings import Settings
from workitems.traces import Trace, Traces, are_compared, by_address, by_ids

#: Seconds that Redis may take to rewrite its append-only file.
REWRITE = 120.0

#: Items that are removed before their events and files are.
BATCH = 200

NOT_COMPARED = """\
Redis started anew, and no worker has compared it with the mail store since: mail that Redis lost is not found now, and
comes back. See that a worker runs, and do this once more in a minute."""

_ITEM = re.compile(r"wi_[a-z2-7]{26}")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")

BEYOND = """\
Not reached from here:
  - the mail in its mailbox: Tubepost never deletes there. What was erased is not read again, wherever it lies.
  - backups and replicas of Redis and of the data folder, and snapshots (RDB) until the next one is written.
  - programs that got it by the API or the event stream. Tubepost's own logs hold no mail content and no addresses."""


async def erase(
    settings: Settings,
    wanted: Sequence[str],
    *,
    sure: bool,
    say: Callable[[str], object] = print,
    ask: Callable[[str], str] | None = None,
) -> bool:
    """Erase the items that *wanted* (addresses and ids) leads to; False when there are none, nobody agreed, or not
    all could be found.

    *sure*: nobody is asked. Raises InvalidChangeError, StoreUnavailableError.
    """
    logs.configure("error")  # what matters is said here
    _check(wanted)
    redis = connect(settings.redis_url, timeout=max(10.0, settings.redis.timeout))
    mailstore = MailStore(settings.mail)
    try:
        keepsake = Keepsake(redis, mailstore, history=settings.stream.history)
        await keepsake.settle()
        compared = await are_compared(redis)
        found = await _found(redis, mailstore, wanted)
        _tell(found, say)
        unknown = [each for each in wanted if _ITEM.fullmatch(each) and each not in {trace.id for trace in found.sent}]
        if unknown:
            say(f"Not known: {', '.join(unknown)}.")
        if not compared:
            say(NOT_COMPARED)
        if not found.sent or not (sure or _agreed(len(found.sent), ask)):
            return False
        for start in range(0, len(found.sent), BATCH):
            batch = [trace.id for trace in found.sent[start : start + BATCH]]
            for item_id in batch:
                await keepsake.removal.remove(item_id, who="run.py erase", why="erased")
            await keepsake.removal.finish(batch)
        say(f"Erased: {len(found.sent)}. Tombstones stay, so that nothing of it is read again.")
        say((await rewrite(redis, seconds=REWRITE)).told)
        say(BEYOND)
        return compared and not unknown
    finally:
        mailstore.close()
        await redis.aclose()


def _check(wanted: Sequence[str]) -> None:
    for each in wanted:
        if not _ITEM.fullmatch(each) and not _ADDRESS.fullmatch(each):
            raise InvalidChangeError("accepted are ids such as wi_ and 26 of a-z and 2-7, and mail addresses")


async def _found(redis: Client, mailstore: MailStore, wanted: Sequence[str]) -> Traces:
    """What is to be erased, each once; and what would stay though an address stands in it."""
    sent: dict[str, Trace] = {}
    named: dict[str, Trace] = {}
    for address in (each for each in wanted if not _ITEM.fullmatch(each)):
        traces = await by_address(redis, mailstore, address)
        sent |= {trace.id: trace for trace in traces.sent}
        named |= {trace.id: trace for trace in traces.named}
    ids = [each for each in wanted if _ITEM.fullmatch(each)]
    sent |= {trace.id: trace for trace in await by_ids(redis, mailstore, ids)}
    return Traces(list(sent.values()), [trace for trace in named.values() if trace.id not in sent])


def _tell(found: Traces, say: Callable[[str], object]) -> None:
    """No content: who reads the terminal need not be who may read the mail."""
    say(f"{len(found.sent)} found." if found.sent else "Nothing was found.")
    for trace in found.sent:
        say(f"  {trace.id}  {trace.reference or '(not read yet)'}  {trace.created}")
    if found.named:
        say(f"{len(found.named)} others name the address, and stay; they can be erased by their ids:")
        for trace in found.named:
            say(f"  {trace.id}  {trace.reference}  {trace.created}")


def _agreed(count: int, ask: Callable[[str], str] | None) -> bool:
    if ask is None and not sys.stdin.isatty():
        raise InvalidChangeError("nobody can be asked here: say --yes")
    answer = (ask or terminal.ask)(f"Erase {count} for ever? Type yes: ")
    return answer.strip().lower() == "yes"
