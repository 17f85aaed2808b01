"""The items: publish what was read, change what people decide, list. Every change is one atomic step."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from workitems.base import keys
from workitems.base.errors import ConflictError, DecodeError, NotFoundError, StoreCommandError, TubepostError
from workitems.base.group_commit import GroupCommit
from workitems.base.json_codec import encode_json, encode_json_str
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.feed.event import START_CURSOR, Cursor
from workitems.queue.change import ItemChange, apply_change, check_change
from workitems.queue.item import Item, Json, encode_view_head, new_person, order_seconds
from workitems.queue.participants import Participants

log = get_logger("store")

_publish = Script("feed/feed.lua", "queue/item.lua", "queue/conversation.lua", "queue/publish.lua")
_change = Script("feed/feed.lua", "queue/item.lua", "queue/change.lua")
_list_page = Script("feed/feed.lua", "queue/list.lua")

#: The person part of a new item.
_NOBODY = encode_json_str(new_person())

#: How often a step is repeated because the other part of the item changed in between.
_MAX_CONFLICTS = 20

#: Mails that are published in one step: 3 ms for Redis, and twice as long where each names many submissions.
_MAX_PUBLISH_GROUP = 32

#: Message-IDs of ancestors that are kept for threads.
ANCESTORS = 20

#: Kinds of mail that no person wrote: they join a finished submission without opening it again. People write mail of
#: the kinds list and notification, too: a group of ours or a CRM puts the fields of a list into each customer's mail.
AUTOMATIC_KINDS = frozenset({"auto_reply", "bounce", "receipt"})
#: Kinds that are automatic when the mail says so. Programs send invitations, too, in the name of a person.
_SOMETIMES_AUTOMATIC = frozenset({"list", "notification"})

#: Our references in a subject: how many are looked at, and their form.
_MAX_SUBJECT_REFERENCES = 3
_REFERENCE = re.compile(r"(?<![A-Z0-9-])SUB-[0-9]{4}-[0-9]{6,12}(?![0-9-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The result of a publish: `outcome` is new, renewed, same (no event), gone (the item had been removed), or stale
    (the item was read from variants of its mail that are not among ours, and stays as it is).

    `item` is set when it is new.
    """

    outcome: str
    cursor: str | None = None
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items, newest first; `head` is the cursor to open the stream with; `next` the `before` of the next page."""

    items: list[Item]
    head: str
    next: str | None


class ItemStore:
    """The items of one Redis."""

    def __init__(
        self,
        redis: RedisClient,
        *,
        max_events: int,
        act_on_close: Collection[str] = (),
        reserve: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """*max_events*: what the feed keeps; *act_on_close*: mailboxes whose after-actions are due when items close.

        *reserve* is called before its number is used in a reference (`DurableState.reserve_references`).
        """
        self._redis = redis
        self._max_events = max_events
        self._act_on_close = frozenset(act_on_close)
        self._reserve = reserve
        self._publish_grouped: GroupCommit[Json, list[bytes]] = GroupCommit(
            self._publish_all, max_size=_MAX_PUBLISH_GROUP
        )

    async def publish(
        self,
        item_id: str,
        mailbox: str,
        machine: Json,
        *,
        raws: Sequence[str] = (),
        entry: str = "",
        message_id: str = "",
        references: Sequence[str] = (),
        participants: Participants | None = None,
        date: str | None = None,
        is_automatic: bool = False,
        who: str = "tubepost",
        status: str = "new",
        quarantined: bool = False,
        field_results: Mapping[str, str] | None = None,
    ) -> PublishResult:
        """Create the item or renew its machine part, append its event, and acknowledge the *entry*, in one step.

        *status* is for a new item; *quarantined*: its mail could not be read properly. *field_results*: name of an
        expected field → its result (`field_counts`), which counts if the item is new.
        *machine* needs `created_at`; *message_id* and *references* are `identity.message_key`s, nearest parent first;
        *date* is that of its header; *is_automatic*: it says that no person wrote it. Without *participants* only the
        sender takes part. Changes by people stay.
        """
        participants = participants or Participants.of(machine.get("from_email", ""))
        created = datetime.fromisoformat(machine["created_at"])
        request: Json = {
            "id": item_id,
            "mailbox": mailbox,
            "machine": encode_json(machine).decode(),
            "person": _NOBODY,
            "order_seconds": order_seconds(created),
            "year": created.year,
            "raws": ",".join(raws),
            "entry": entry,
            "message_id": message_id,
            "references": references[:ANCESTORS],
            "subject_references": find_references(machine.get("subject", "")),
            "date": date or "",
            "proof": participants.proof,
            "is_colleague": participants.is_colleague,
            "people": participants.people,
            **({} if participants.sent is None else {"sent": str(participants.sent)}),
            "is_automatic": machine.get("kind")
            in (AUTOMATIC_KINDS | _SOMETIMES_AUTOMATIC if is_automatic else AUTOMATIC_KINDS),
            "who": who,
            "status": status,
            "quarantined": quarantined,
            "field_results": [f"{name}:{result}" for name, result in (field_results or {}).items()],
            "max_events": self._max_events,
            "bounded": self._reserve is not None,
        }
        return await self._publish_request(request, machine)

    async def _publish_request(self, request: Json, machine: Json) -> PublishResult:
        item_id, mailbox = request["id"], request["mailbox"]
        known: Item | None = None  # most are new; the step itself says when one is not
        for _ in range(_MAX_CONFLICTS):
            person = known.person if known else new_person()
            request |= {
                "head": encode_view_head(item_id, mailbox, machine, person).decode(),
                "version": str(known.version) if known else "",
                "reading": str(known.reading_number) if known else "",
            }
            answer = await self._publish_grouped(request)
            outcome = answer[0].decode()
            if outcome == "new":
                return _new(item_id, mailbox, machine, answer)
            if outcome == "reserve" and self._reserve:
                await self._reserve(int(answer[1]))
                continue
            if outcome != "again":
                return PublishResult(outcome, answer[1].decode() if len(answer) > 1 else None)
            known = await self._find(item_id)
        raise TubepostError(f"item {item_id} changes faster than it can be published")

    async def _publish_all(self, requests: Sequence[Json]) -> Sequence[list[bytes] | Exception]:
        """Return the answers to several requests of `publish`; one that Redis cannot understand fails alone."""
        try:
            answers: list[list[bytes]] = await _publish(
                self._redis, keys.FEED, [encode_json(each) for each in requests]
            )
        except StoreCommandError as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in await self._publish_all([request])]
        return answers

    async def change(self, item_id: str, change: ItemChange, *, who: str, version: int | None = None) -> Item:
        """Make the change in the name of *who*. With *version*, only if the item still has it; else ConflictError.

        Raises NotFoundError and InvalidChangeError. A change without effect makes no event.
        """
        check_change(change)
        for _ in range(_MAX_CONFLICTS):
            item = await self.get(item_id)
            if version is not None and version != item.version:
                raise ConflictError(f"version {version} was expected, the item is at {item.version}")
            changed, steps = apply_change(item, change)
            if not steps:
                return item
            request = {
                "id": item_id,
                "version": str(item.version),
                "reading": str(item.reading_number),
                "head": encode_view_head(item_id, item.mailbox, changed.machine, changed.person).decode(),
                "person": encode_json_str(changed.person),
                "status": changed.status,
                "assignee": changed.assignee or "",
                "max_events": self._max_events,
                "who": who,
                "act_on_close": item.mailbox in self._act_on_close,
                "steps": steps,
            }
            outcome = (await _change(self._redis, keys.FEED, [encode_json(request)]))[0].decode()
            if outcome == "changed":
                return changed
            if outcome == "missing":
                raise NotFoundError("no such item")
        raise ConflictError("the item changes faster than this change could be made")

    async def get(self, item_id: str) -> Item:
        """Return an item. Raises NotFoundError."""
        item = await self._find(item_id)
        if item is None:
            raise NotFoundError("no such item")
        return item

    async def is_waiting(self, item_id: str) -> bool:
        """Return whether its mail waits to be read."""
        with translating_errors():
            return bool(await self._redis.exists(keys.attempts(item_id)))

    async def list_items(
        self,
        *,
        status: str | None = None,
        mailbox: str | None = None,
        submission: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> ItemPage:
        """Return a page of the newest items with a score below *before*."""
        index = keys.submission_items(submission) if submission else keys.items(mailbox, status)
        answer = await _list_page(self._redis, keys.FEED, [index, "+inf" if before is None else f"({before}", limit])
        pairs = [
            (item_id.decode(), dict(zip(record[::2], record[1::2], strict=True)))
            for item_id, record in zip(answer[1], answer[2], strict=True)
        ]
        items = [
            item for item in (_readable(item_id, record) for item_id, record in pairs)
            if item and (not status or item.status == status) and (not mailbox or item.mailbox == mailbox)
        ]  # fmt: skip
        scores = [record[b"score"].decode() for _, record in pairs if b"score" in record]
        more = scores[-1] if len(pairs) == limit and scores else None
        return ItemPage(items, str(Cursor.parse(answer[0]) or START_CURSOR), more)

    async def history(self, item_id: str) -> list[Json]:
        """Return who changed what and when, oldest first; at most the newest 500."""
        with translating_errors():
            entries = await self._redis.xrevrange(keys.history(item_id), count=500)
        return [_step(entry, fields) for entry, fields in reversed(entries)]

    async def copies_elsewhere(self, item_id: str, message_key: str) -> list[str]:
        """Return the other items that are the same mail in other mailboxes."""
        with translating_errors():
            named = await self._redis.hget(keys.message_id(message_key), "items")
        return [other for other in (named or b"").decode().split(",") if other and other != item_id]

    async def _find(self, item_id: str) -> Item | None:
        with translating_errors():
            record = await self._redis.hgetall(keys.item(item_id))
        return Item.decode(item_id, record) if record else None


def find_references(subject: str) -> list[str]:
    """Return our references in a subject, such as SUB-2026-000042."""
    return [found[0].upper() for found in islice(_REFERENCE.finditer(subject), _MAX_SUBJECT_REFERENCES)]


def _readable(item_id: str, record: dict[bytes, bytes]) -> Item | None:
    """Return None when the item was removed meanwhile or cannot be decoded: one record must not hide all others."""
    try:
        return Item.decode(item_id, record) if record else None
    except DecodeError as error:
        log.error("an item is left out of a list", item=item_id, reason=str(error))  # noqa: TRY400, nothing to trace
        return None


def _new(item_id: str, mailbox: str, machine: Json, answer: Sequence[bytes]) -> PublishResult:
    cursor, submission, reference, assignee, score, status = (part.decode() for part in answer[1:7])
    item = Item(
        id=item_id,
        mailbox=mailbox,
        machine=machine,
        person=new_person(),
        status=status,
        assignee=assignee or None,
        version=1,
        reading_number=1,
        submission_id=submission,
        submission_ref=reference,
        score=int(score),
    )
    return PublishResult("new", cursor, item)


def _step(entry: bytes, fields: dict[bytes, bytes]) -> Json:
    at = _moment(int(entry.split(b"-")[0]))
    return {"at": at} | {name.decode(): value.decode() for name, value in fields.items()}


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
