"""Tries field rules on stored mail: what they find now, beside what was found before.

Nothing is changed: a reading child reads the mail as always, and its result is only counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.publishing.validation import validate_result
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.frames import EncodedRules
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import Sandbox
from workitems.base.errors import NotFoundError
from workitems.mailstore.store import MailStore
from workitems.queue.item import Item
from workitems.queue.store import ItemStore
from workitems.settings import WorkerSettings

#: Examples of each field.
EXAMPLES = 3

#: Fields of one trial; rules have far fewer, and a child that a mail controls could invent any number.
MAX_FIELDS = 500

#: Items of one page of the list.
_PAGE = 50


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
            if name not in self.fields and len(self.fields) >= MAX_FIELDS:
                continue
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


def trial_sandbox(rules: EncodedRules, settings: WorkerSettings) -> Sandbox:
    """Return a sandbox with one child of its own, confined and limited as those that read new mail."""
    limits = ChildLimits(max_memory_bytes=settings.read_memory_bytes)
    return Sandbox(rules, size=1, spares=0, limits=limits)


async def newest_items(store: ItemStore, mailbox: str | None, last: int) -> list[Item]:
    """Return the newest *last* items of *mailbox*, or of all. Raises StoreUnavailableError."""
    items: list[Item] = []
    before: int | None = None
    while len(items) < last:
        page = await store.list_items(mailbox=mailbox, before=before, limit=min(_PAGE, last - len(items)))
        items += page.items
        if page.next is None:
            break
        before = int(page.next)
    return items


async def try_rules(
    trial: Trial,
    items: Sequence[Item],
    mailstore: MailStore,
    sandbox: Sandbox,
    *,
    seconds: float,
    on_mail: Callable[[int], object],
) -> None:
    """Read the mails of *items* one after another, each within *seconds* of CPU time, and count them in *trial*.

    *on_mail* gets the number of items that were looked at. Raises SandboxUnavailableError, MailStoreUnavailableError.
    """
    for n, item in enumerate(items, 1):
        try:
            versions = await mailstore.get_raw_mails(item.id)
            stored = await mailstore.get_reading(item.id)
            raw = max(versions, key=lambda version: len(version.raw)).raw
            found = validate_result(await sandbox.read(raw, mailbox=item.mailbox, limit=seconds))
        except (NotFoundError, ReadFailedError):
            trial.unread += 1
        else:
            trial.add(item.submission_ref, stored.get("fields", {}), found.reading)
        on_mail(n)
