"""`run.py check`: says in plain words what can be reached, and what to do about what cannot. Never a secret."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from worker.imap import LoginRefusedError
from worker.inspection import inspect
from workitems import log as logs
from workitems.errors import SettingsError, StoreUnavailableError, TubepostError
from workitems.keepsake import Keepsake
from workitems.mailstore import MailStore
from workitems.redis import Client, available
from workitems.redis import connect as connect_redis
from workitems.settings import MailboxSettings, Settings, SourceSettings

#: The oldest Redis that has all that we need (XAUTOCLAIM came with 6.2).
OLDEST = (6, 2)


async def check(settings: Settings, say: Callable[[str], object] | None = None) -> bool:
    """Look at Redis, the mail store and every mailbox, and *say* (print) a line or more for each; True: all is well."""
    logs.configure("error")  # what matters is said here
    say = say or _print
    redis = connect_redis(settings.redis_url, timeout=settings.redis.timeout)
    try:
        reached = await _told(say, "Redis", _redis(redis), settings.redis_advice)
        store = _mailstore(settings, redis if reached else None)
        fine = [reached, await _told(say, "mail store", store, "Check data: its disk, its owner.")]
        fine += [_sourced(say, name, source) for name, source in settings.sources.items()]
        if not settings.mailboxes:
            say("mailboxes: none is set; only posted mail comes in. A table [mailboxes.<name>] adds one.")
        boxes = settings.mailboxes.items()
        found = await asyncio.gather(*(_mailbox(name, mailbox, settings, redis) for name, mailbox in boxes))
        for told, good in found:
            say(told)
            fine.append(good)
        return all(fine)
    finally:
        await redis.aclose()


async def _told(say: Callable[[str], object], what: str, look: Awaitable[str], advice: str = "") -> bool:
    """Say what *look* found, or why it could not look and what can be done about it."""
    try:
        say(f"{what}: {await look}")
    except (TubepostError, OSError, TimeoutError) as error:
        say(_not_reached(what, error, advice))
        return False
    return True


def _not_reached(what: str, error: Exception, advice: str = "") -> str:
    return f"{what}: NOT reached. {error or 'no answer in time'}{_advice(error, advice)}"


async def _mailbox(name: str, mailbox: MailboxSettings, settings: Settings, redis: Client) -> tuple[str, bool]:
    """What is said of one mailbox, kept together while the others are looked at too."""
    try:
        lines, fine = await inspect(name, mailbox, settings, redis)
    except (TubepostError, OSError, TimeoutError) as error:
        return _not_reached(f"mailbox {name}", error), False
    return f"mailbox {name}: " + "\n    ".join(lines), fine


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


async def _mailstore(settings: Settings, redis: Client | None) -> str:
    """*redis* says whether it is the store that it knows; None when it cannot be asked."""
    store = MailStore(settings.mail)
    try:
        if redis:
            await Keepsake(redis, store, history=settings.stream.history).compare()
        await store.check()
    except StoreUnavailableError as error:
        raise StoreUnavailableError(f"{settings.mail} cannot be used: {error}") from error
    finally:
        store.close()
    return f"{settings.mail} can be written"


def _sourced(say: Callable[[str], object], name: str, source: SourceSettings) -> bool:
    """Say whether what is needed to know a posting service again is there."""
    try:
        told = (
            f"SNS topics that are believed: {len(source.topics)}" if source.kind == "ses" else "its secret can be read"
        )
        if source.kind != "ses":
            source.password()
    except SettingsError as error:
        say(f"source {name}: NOT usable. {error}")
        return False
    say(f"source {name}: {source.kind}, filed under {source.mailbox}; {told}")
    return True


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
    if isinstance(error, LoginRefusedError) and error.advice:
        return ""  # it ends with it
    advice = _ADVICE.get(type(error).__name__, otherwise)
    return f"\n    {advice}" if advice else ""


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
