"""`run.py check`: says in plain words what can be reached, and what to do about what cannot. Never a secret."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from worker import baseline
from worker.imap import Connection, Folder, connect
from worker.main import watch
from worker.poller import Watch
from worker.wanted import wanted
from workitems import log as logs
from workitems.errors import StoreUnavailableError, TubepostError
from workitems.mailbox import Checkpoint, Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client, available
from workitems.redis import connect as connect_redis
from workitems.settings import Settings

#: The oldest Redis that has all that we need (XAUTOCLAIM came with 6.2).
OLDEST = (6, 2)

#: Extensions of a mailbox's server that matter, and what they are for.
EXTENSIONS = {"IDLE": "tells of new mail at once", "MOVE": "moves mail", "UIDPLUS": "names moved mail"}


async def check(settings: Settings, say: Callable[[str], object] | None = None) -> bool:
    """Look at Redis, the mail store and every mailbox, and *say* (print) a line or more for each; True: all is well."""
    logs.configure("error")  # what matters is said here
    say = say or _print
    redis = connect_redis(settings.redis_url, timeout=settings.redis.timeout)
    try:
        fine = [
            await _told(say, "Redis", _redis(redis), settings.redis_advice),
            await _told(say, "mail store", _mailstore(settings), "Check data: its disk, its owner."),
        ]
        watches = [watch(name, mailbox, settings) for name, mailbox in settings.mailboxes.items()]
        if not watches:
            say("mailboxes: none is set; only posted mail comes in. A table [mailboxes.<name>] adds one.")
        found = await asyncio.gather(*(_collected(each, redis) for each in watches))
        for lines, good in found:
            for line in lines:
                say(line)
            fine.append(good)
        return all(fine)
    finally:
        await redis.aclose()


async def _told(say: Callable[[str], object], what: str, look: Awaitable[str], advice: str = "") -> bool:
    """Say what *look* found, or why it could not look and what can be done about it."""
    try:
        say(f"{what}: {await look}")
    except (TubepostError, OSError, TimeoutError) as error:
        say(f"{what}: NOT reached. {error or 'no answer in time'}{_advice(error, advice)}")
        return False
    return True


async def _collected(each: Watch, redis: Client) -> tuple[list[str], bool]:
    """The lines of one mailbox, kept together while the others are looked at too."""
    lines: list[str] = []
    good = await _told(lines.append, f"mailbox {each.name}", _mailbox(each, redis))
    return lines, good


async def _redis(redis: Client) -> str:
    with available():
        info = await redis.info()
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < OLDEST:
        raise StoreUnavailableError(f"it is version {info['redis_version']}; 6.2 or newer is needed.")
    name = info.get("server_name") or "redis"
    told = [f"reached, {name} {info.get('valkey_version') or info['redis_version']}"]
    if not info.get("aof_enabled"):
        told.append("WARNING: it is not append-only, so a power cut loses what came last: set appendonly yes")
    if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
        told.append("WARNING: it drops items when it is full: set maxmemory-policy noeviction")
    return ". ".join(told)


async def _mailstore(settings: Settings) -> str:
    store = MailStore(settings.mail)
    try:
        await store.check()
    except StoreUnavailableError as error:
        raise StoreUnavailableError(f"{settings.mail} cannot be written: {error}") from error
    finally:
        store.close()
    return f"{settings.mail} can be written"


async def _mailbox(each: Watch, redis: Client) -> str:
    connection = await connect(each.account())
    try:
        folder = await connection.select(each.folder)
        count = await _would_be_read(each, connection, folder, redis)
        offers = [name for name in EXTENSIONS if name in connection.capabilities]
        lacks = [f"{name} ({why})" for name, why in EXTENSIONS.items() if name not in connection.capabilities]
        return (
            f'signed in, "{each.folder}" holds {folder.exists} mails; {count}\n'
            f"    the server offers {', '.join(offers) or 'none of the extensions that we know'}"
            + (f"; it lacks {', '.join(lacks)}" if lacks else "")
            + f"; keywords are {'kept' if folder.keywords_allowed else 'not kept'}"
        )
    finally:
        await connection.logout_and_close()


async def _would_be_read(each: Watch, connection: Connection, folder: Folder, redis: Client) -> str:
    """How many mails a worker that starts now would read."""
    checkpoint, why = await _checkpoint(each, connection, folder, redis)
    return f"{len(await wanted(connection, checkpoint))} would be read now ({why})"


async def _checkpoint(each: Watch, connection: Connection, folder: Folder, redis: Client) -> tuple[Checkpoint, str]:
    following = folder.uidnext or max(await connection.search(1), default=0) + 1
    fresh = baseline.first_sight(each.start, folder, following, datetime.now(UTC).date())
    try:
        known = await Mailbox(redis, each.name).checkpoint()
    except StoreUnavailableError:
        return fresh, f'by start = "{each.start}"; how far it was read stands in Redis, which cannot be asked'
    if known is None:
        return fresh, f'it was never read; start = "{each.start}"'
    if known.uidvalidity == folder.uidvalidity:
        return known, f"those after number {known.uid}, up to which it was read"
    return baseline.renumbered(known, folder, following), "its server numbered all mail anew; known ones come once only"


#: Class of an error → what a person can do about it.
_ADVICE = {
    "LoginRefusedError": "Check user and password of this mailbox; some providers want a password for programs.",
    "CertificateRefusedError": "Check host; for a certificate of your own set ca_file.",
    "CommandRefusedError": "Check folder: its name is written as the server shows it.",
    "ConnectionLostError": "Check host, port and tls, and that the server is up.",
    "TimedOutError": "Check host and port, and that no firewall is in between.",
    "ProtocolError": "Check port and tls: it does not answer as a mailbox's server does.",
}


def _advice(error: BaseException, otherwise: str) -> str:
    advice = _ADVICE.get(type(error).__name__, otherwise)
    return f"\n    {advice}" if advice else ""


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
