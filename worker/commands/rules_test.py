"""`run.py rules test`: shows what the rules in the settings find in stored mail, beside what was found before.

Nothing is changed: the reading happens in a child of its own, and its result is only counted.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from worker.commands.progress_bar import ProgressLine, format_bar
from worker.main import rules
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import Sandbox
from workitems.base import log as logs
from workitems.base.errors import InvalidChangeError, NotFoundError
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient, connect
from workitems.mailstore.store import MailStore
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.settings import Settings

#: Mails that are read without another number, and at most.
LAST, MOST = 200, 10_000

#: Examples of each field, and characters of a value in one.
EXAMPLES, WIDTH = 3, 40

#: Items of one page of the list.
_PAGE = 50

#: Characters by which a mail could control the terminal.
_CONTROL = dict.fromkeys([*range(32), 127, *range(128, 160)], "�")


@dataclass(slots=True)
class FieldTrial:
    """What was found of one field: in how many mails before and now, in how many in doubt, and what changed."""

    before: int = 0
    after: int = 0
    in_doubt: int = 0
    added: int = 0
    lost: int = 0
    changed: int = 0
    #: (reference, value before, value now); None for no value.
    examples: list[tuple[str, Any, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Trial:
    """The result of a trial: how many mails were read, how many could not be, and each field."""

    mails: int = 0
    unread: int = 0
    fields: dict[str, FieldTrial] = field(default_factory=dict)

    def add(self, reference: str, before: Mapping[str, Any], reading: Mapping[str, Any]) -> None:
        """Count one mail: its fields as they were stored, and its new *reading*."""
        self.mails += 1
        after = reading["fields"]
        doubts = {name for name, evidence in reading["evidence"].items() if evidence.get("alternatives")}
        doubts |= {each["name"] for each in reading.get("missing", ()) if each.get("why") == "ambiguous"}
        for name in sorted(before.keys() | after.keys() | doubts):
            found = self.fields.setdefault(name, FieldTrial())
            old, new = before.get(name), after.get(name)
            found.before += old is not None
            found.after += new is not None
            found.in_doubt += name in doubts
            if old == new:
                continue
            found.added += old is None
            found.lost += new is None
            found.changed += old is not None and new is not None
            if len(found.examples) < EXAMPLES:
                found.examples.append((reference, old, new))


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
    limits = ChildLimits(max_memory_bytes=settings.worker.read_memory_bytes)
    sandbox = Sandbox(rules(settings), size=1, spares=0, max_slow=0, limits=limits)
    try:
        items = await _newest(redis, settings, mailbox, last)
        await sandbox.start()
        trial = await _read_all(items, mailstore, sandbox, settings, None if as_json else ProgressLine())
    finally:
        await sandbox.close()
        mailstore.close()
        await redis.aclose()
    say(json.dumps(asdict(trial), ensure_ascii=False) if as_json else format_trial(trial))
    return 0


async def _newest(redis: RedisClient, settings: Settings, mailbox: str | None, last: int) -> list[Item]:
    store = ItemStore(redis, max_events=settings.stream.max_feed_events)
    items: list[Item] = []
    before: int | None = None
    while len(items) < last:
        page = await store.list_items(mailbox=mailbox, before=before, limit=min(_PAGE, last - len(items)))
        items += page.items
        if page.next is None:
            break
        before = int(page.next)
    return items


async def _read_all(
    items: list[Item], mailstore: MailStore, sandbox: Sandbox, settings: Settings, line: ProgressLine | None
) -> Trial:
    trial, started = Trial(), asyncio.get_running_loop().time()
    for n, item in enumerate(items, 1):
        try:
            versions = await mailstore.get_raw_mails(item.id)
            stored = await mailstore.get_reading(item.id)
            raw = max(versions, key=lambda version: len(version.raw)).raw
            found = await sandbox.read(raw, mailbox=item.mailbox, limit=settings.worker.retry_read_seconds)
        except (NotFoundError, ReadFailedError):
            trial.unread += 1
        else:
            trial.add(item.submission_ref, stored.get("fields", {}), found.reading)
        if line is not None:
            line.show(format_bar("mails", n, len(items), asyncio.get_running_loop().time() - started))
    return trial


def format_trial(trial: Trial) -> str:
    """Format the trial for a person, without characters that control a terminal."""
    lines = [f"{trial.mails:,} mails were read."]
    if trial.unread:
        lines.append(f"{trial.unread:,} could not be read, or their raw mail is no longer kept.")
    lines += ["", f"{'Field':24} {'before':>8} {'now':>8} {'in doubt':>9}   changes"]
    for name, found in sorted(trial.fields.items()):
        counts = ((found.added, "added"), (found.lost, "lost"), (found.changed, "changed"))
        changes = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "none"
        lines.append(
            f"{name[:24]:24} {_share(found.before, trial.mails)} {_share(found.after, trial.mails)}"
            f" {found.in_doubt:>9,}   {changes}"
        )
        lines += [f"    {reference}: {_short(old)} → {_short(new)}" for reference, old, new in found.examples]
    return "\n".join(line.translate(_CONTROL) for line in lines)


def _share(count: int, total: int) -> str:
    return f"{count / total if total else 0:>8.1%}"


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else encode_json_str(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
