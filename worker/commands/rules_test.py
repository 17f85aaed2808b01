"""`run.py rules test`: shows what the rules in the settings find in stored mail, beside what was found before.

Nothing is changed: the reading happens in a child of its own, and its result is only counted.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from worker.commands.progress_bar import ProgressLine, format_bar
from worker.jobs.rules_trial import Trial, newest_items, trial_sandbox, try_rules
from worker.jobs.trial_work import short_text
from worker.main import rules
from workitems.base import log as logs
from workitems.base.errors import InvalidChangeError
from workitems.base.redis import connect
from workitems.base.terminal import mark_controls
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.settings import Settings

#: Mails that are read without another number, and at most.
LAST, MOST = 200, 10_000

#: Characters of a value in an example.
WIDTH = 40


async def rules_test(
    settings: Settings,
    *,
    mailbox: str | None = None,
    last: int = LAST,
    as_json: bool = False,
    say: Callable[[str], object] = print,
) -> int:
    """Read the newest *last* mails of *mailbox*, or of all, with the rules in the settings and print what changes.

    Returns 0. Raises InvalidChangeError for an unknown mailbox or number, StoreUnavailableError.
    """
    if mailbox is not None:
        settings.require_mailbox(mailbox)
    if not 1 <= last <= MOST:
        raise InvalidChangeError(f"--last: 1 to {MOST:,} is accepted")
    logs.configure("error")
    redis = connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
    mailstore = MailStore(settings.mail_folder)
    store = ItemStore(redis, max_events=settings.stream.max_feed_events)
    trial, sandbox = Trial(), trial_sandbox(rules(settings), settings.worker)
    line = None if as_json else ProgressLine()
    try:
        items = await newest_items(store, mailbox, last)
        await sandbox.start()
        started = asyncio.get_running_loop().time()

        def show(seen: int) -> None:
            if line is not None:
                line.show(format_bar("mails", seen, len(items), asyncio.get_running_loop().time() - started))

        seconds = settings.worker.retry_read_seconds
        await try_rules(trial, items, mailstore, sandbox, seconds=seconds, on_mail=show)
    finally:
        await sandbox.close()
        mailstore.close()
        await redis.aclose()
    say(json.dumps(asdict(trial), ensure_ascii=False) if as_json else format_trial(trial))
    return 0


def format_trial(trial: Trial) -> str:
    """Format the trial for a person, without characters that control a terminal."""
    if not trial.mails and not trial.unread:
        return "There is no stored mail yet."
    lines = [f"{trial.mails:,} mails were read."]
    if trial.unread:
        lines.append(f"{trial.unread:,} could not be read, or their raw mail is no longer kept.")
    if not trial.fields:
        return "\n".join([*lines, *(["No field was found."] if trial.mails else [])])
    lines += ["", f"{'Field':24} {'before':>8} {'now':>8} {'in doubt':>9}   changes"]
    for name, found in sorted(trial.fields.items()):
        counts = ((found.added, "added"), (found.lost, "lost"), (found.changed, "changed"))
        changes = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "none"
        lines.append(
            f"{name[:24]:24} {_share(found.before, trial.mails)} {_share(found.after, trial.mails)}"
            f" {found.in_doubt:>9,}   {changes}"
        )
        lines += [f"    {reference}: {_short(old)} → {_short(new)}" for reference, old, new in found.examples]
    return "\n".join(map(mark_controls, lines))


def _share(count: int, total: int) -> str:
    return f"{count / total if total else 0:>8.1%}"


def _short(value: Any) -> str:
    return short_text(value, WIDTH) or ("(none)" if value is None else "")
