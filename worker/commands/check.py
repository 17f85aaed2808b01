"""`run.py check`: prints what can be reached, what is wrong, and what to do about it. Never prints a secret."""

import asyncio
from collections.abc import Callable

from worker.commands.check_confinement import check_confinement
from worker.commands.check_files import check_disk, check_secret_files
from worker.commands.check_mailbox import check_mailbox
from worker.commands.check_report import ERROR, OK, CheckReport
from worker.commands.check_rules import check_rules
from worker.imap import LoginRefusedError
from workitems.base import log as logs
from workitems.base.errors import RestoreIncompleteError, SettingsError, TubepostError, UnreadableStoreIdError
from workitems.base.redis import RedisClient
from workitems.base.redis import connect as connect_redis
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import MailboxSettings, Settings, SourceSettings
from workitems.status.redis_check import check_redis


async def check(settings: Settings, echo: Callable[[str], object] | None = None) -> bool:
    """Check Redis, the files, field rules, all sources and mailboxes, and *echo* lines. Returns whether all work."""
    logs.configure("error")  # what matters is printed here
    boxes = settings.mailboxes.items()
    sources = {f"source {name}": source for name, source in settings.sources.items()}
    parts = ["Redis", "mail store", "children", "secrets", *sources, *(f"mailbox {name}" for name, _ in boxes)]
    report = CheckReport(parts, echo)
    redis = connect_redis(settings.redis_url, timeout=settings.redis.timeout_seconds)
    try:
        said, found = await check_redis(redis, _redis_advice(settings))
        report.add_findings("Redis", said, found)
        usable = redis if said and not report.errors else None
        report.add("mail store", *await _mailstore(settings, usable))
        report.add_findings("disk", *check_disk(settings.data))
        report.add_findings("children", *await check_confinement())
        report.add_findings("secrets", *check_secret_files(settings))
        if usable:
            report.add_findings("rules", *await check_rules(usable, settings))
        for part, source in sources.items():
            report.add(part, *_source(source))
        if not boxes:
            report.add("mailboxes", OK, "none is set; only posted mail comes in. A table [mailboxes.<name>] adds one.")
        for part, *lines in await asyncio.gather(*(_mailbox(name, box, settings, usable) for name, box in boxes)):
            report.add(part, *lines)
        return report.conclude()
    finally:
        await redis.aclose()


def _redis_advice(settings: Settings) -> str:
    tls = " Check that it speaks TLS there; else write redis://." if settings.redis_url.startswith("rediss:") else ""
    return settings.redis_advice + tls


async def _mailbox(
    name: str, mailbox: MailboxSettings, settings: Settings, redis: RedisClient | None
) -> tuple[str, ...]:
    """Check one mailbox. Returns its part of the report, how it is, and the lines, which must stay together."""
    part = f"mailbox {name}"
    try:
        lines, fine = await check_mailbox(name, mailbox, settings, redis)
    except (TubepostError, OSError, TimeoutError) as error:
        return part, ERROR, *_not_reached(error)
    return part, OK if fine else ERROR, *lines


async def _mailstore(settings: Settings, redis: RedisClient | None) -> tuple[str, ...]:
    """Check the mail store. *redis* tells whether it is the right one; None when it is unavailable."""
    store = MailStore(settings.mail_folder)
    try:
        if redis:
            await DurableState(redis, store, max_events=settings.stream.max_feed_events).compare_store_ids()
        await store.check_writable()
    except UnreadableStoreIdError as error:
        return ERROR, error.short_message, f"{error.advice}."
    except RestoreIncompleteError as error:
        return ERROR, str(error)
    except (TubepostError, OSError) as error:
        return ERROR, f"{settings.mail_folder} cannot be used: {error}", "Check data: its disk, its owner."
    finally:
        store.close()
    return OK, f"{settings.mail_folder} can be written"


def _source(source: SourceSettings) -> tuple[str, ...]:
    """Check whether the secret of a source can be read."""
    try:
        detail = f"accepted SNS topics: {len(source.topics)}" if source.kind == "ses" else "its secret can be read"
        if source.kind != "ses":
            source.shared_secret()
    except SettingsError as error:
        return ERROR, f"NOT usable. {error}"
    return OK, f"{source.kind}, filed under {source.mailbox}; {detail}"


#: Class of an error → what a person can do about it.
_ADVICE = {
    "LoginRefusedError": "Check user and password of this mailbox; some providers accept only an app password.",
    "CertificateRefusedError": "Check host; for a certificate of your own set ca_file.",
    "CommandRefusedError": "Check folders: a name is written as the server shows it.",
    "ConnectionLostError": "Check host, port and tls, and that the server is up.",
    "TimedOutError": "Check host and port, and that no firewall is in between.",
    "ProtocolError": "Check port and tls: it does not answer as an IMAP server does.",
}


def _not_reached(error: Exception) -> list[str]:
    """Return why a mailbox is not reached, and what a person can do about it."""
    lines = [f"NOT reached. {error or 'no answer in time'}"]
    if isinstance(error, LoginRefusedError) and error.advice:
        return lines  # its message ends with the advice
    advice = _ADVICE.get(type(error).__name__)
    return [*lines, advice] if advice else lines
