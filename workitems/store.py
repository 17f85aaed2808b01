"""The items: publishing what was read, changing what people decide, listing. Every change is one atomic step."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from workitems import keys
from workitems.errors import ConflictError, DecodeError, InvalidChangeError, NotFoundError, TubepostError
from workitems.event import START, Cursor, dumps, encoded
from workitems.item import STATUSES, Item, Json, effective_fields, encoded_view_head, new_person
from workitems.log import get_logger
from workitems.redis import Argument, Client, Script, available
from workitems.together import Together

log = get_logger("store")

_publish = Script("feed.lua", "publish.lua")
_change = Script("feed.lua", "change.lua")
_list_page = Script("feed.lua", "list.lua")

#: The person part of a new item.
_NOBODY = encoded(new_person())

#: How often a step is tried anew because the other part of the item changed in between.
_AGAIN = 20

#: Mails that are published in one step: no longer than 3 ms for Redis.
_TOGETHER = 32

#: Message-IDs of ancestors that are remembered for threads.
ANCESTORS = 20

#: Characters of an assignee's name.
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did: `outcome` is new, renewed, same (nothing to tell anybody), gone (it had been removed), or
    stale (the item was read from versions of its mail that are not among ours, and stays as it is).

    `item` is there when it is new.
    """

    outcome: str
    cursor: str | None = None
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Items, newest first; `head` is the cursor to open the stream with; `next` the `before` of the next page."""

    items: list[Item]
    head: str
    next: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a person wants: only what is given changes. `assignee` '' = nobody; a field set to None is taken away."""

    status: str | None = None
    assignee: str | None = None
    fields: Mapping[str, Any] | None = None


class Store:
    """The items of one Redis."""

    def __init__(
        self,
        redis: Client,
        *,
        history: int,
        settled: Collection[str] = (),
        reserve: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """*history*: events that the feed keeps; *settled*: mailboxes whose mail is dealt with as items close.

        *reserve* is asked before the number that it is given stands in a reference (`Keepsake.reserve`).
        """
        self._redis = redis
        self._history = history
        self._settled = frozenset(settled)
        self._reserve = reserve
        self._publish_soon: Together[list[Argument], list[bytes]] = Together(self._publish_all, most=_TOGETHER)

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
        who: str = "tubepost",
        status: str = "new",
        quarantined: bool = False,
    ) -> Published:
        """Create the item or renew its machine part, tell the feed, and acknowledge the intake *entry*, in one step.

        *status* is that of a new item; *quarantined*: its mail could not be read as it should.
        *machine* needs `created_at`; *message_id* and *references* are `identity.message_key`s, nearest parent first.
        What people did to the item stays as it is.
        """
        created = datetime.fromisoformat(machine["created_at"])
        whole = encoded(machine)
        known: Item | None = None  # most are new; the step itself says when one is not
        for _ in range(_AGAIN):
            head = encoded_view_head(item_id, mailbox, machine, known.person if known else new_person())
            arguments: list[Argument] = [
                item_id, mailbox, head, whole, _NOBODY,
                int(created.timestamp()), created.year, ",".join(raws), entry, self._history,
                known.version if known else "", known.reading if known else "", who,
                status, "1" if quarantined else "", "1" if self._reserve else "", message_id, *references[:ANCESTORS],
            ]  # fmt: skip
            answer = await self._publish_soon(arguments)
            outcome = answer[0].decode()
            if outcome == "new":
                return _new(item_id, mailbox, machine, status, answer)
            if outcome == "reserve" and self._reserve:
                await self._reserve(int(answer[1]))
                continue
            if outcome != "again":
                return Published(outcome, answer[1].decode() if len(answer) > 1 else None)
            known = await self._find(item_id)
        raise TubepostError(f"item {item_id} changes faster than it can be published")

    async def _publish_all(self, mails: Sequence[list[Argument]]) -> Sequence[list[bytes] | Exception]:
        """The answers to what `publish` asks for several mails; one that Redis cannot understand fails alone."""
        arguments = [each for mail in mails for each in (len(mail), *mail)]
        try:
            answers: list[list[bytes]] = await _publish(self._redis, keys.FEED, arguments)
        except ResponseError as error:
            if len(mails) == 1:
                return [error]
            return [answer for mail in mails for answer in await self._publish_all([mail])]
        return answers

    async def change(self, item_id: str, wanted: Change, *, who: str, version: int | None = None) -> Item:
        """Carry out what *who* wants. With *version*, only when nobody was faster: else ConflictError.

        Raises NotFoundError and InvalidChangeError. A change that changes nothing is no event.
        """
        _check(wanted)
        for _ in range(_AGAIN):
            item = await self.get(item_id)
            if version is not None and version != item.version:
                raise ConflictError(f"version {version} was expected, the item is at {item.version}")
            changed, steps = _apply(item, wanted)
            if not steps:
                return item
            arguments: list[Argument] = [
                item_id, item.version, item.reading,
                encoded_view_head(item_id, item.mailbox, changed.machine, changed.person), dumps(changed.person),
                changed.status, changed.assignee or "", self._history, who,
                "1" if item.mailbox in self._settled else "", *steps,
            ]  # fmt: skip
            outcome = (await _change(self._redis, keys.FEED, arguments))[0].decode()
            if outcome == "changed":
                return changed
            if outcome == "missing":
                raise NotFoundError("no such item")
        raise ConflictError("the item changes faster than this change could be made")

    async def get(self, item_id: str) -> Item:
        """Raises NotFoundError."""
        item = await self._find(item_id)
        if item is None:
            raise NotFoundError("no such item")
        return item

    async def is_waiting(self, item_id: str) -> bool:
        """Whether its mail waits to be read."""
        with available():
            return bool(await self._redis.exists(keys.attempts(item_id)))

    async def page(
        self,
        *,
        status: str | None = None,
        mailbox: str | None = None,
        submission: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of the newest items with a score below *before*."""
        index = keys.submission_items(submission) if submission else keys.items(mailbox, status)
        answer = await _list_page(self._redis, keys.FEED, [index, f"({before}" if before else "+inf", limit])
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
        return Page(items, str(Cursor.parse(answer[0]) or START), more)

    async def history(self, item_id: str) -> list[Json]:
        """Who changed what and when, oldest first; at most the newest 500."""
        with available():
            entries = await self._redis.xrevrange(keys.history(item_id), count=500)
        return [_step(entry, fields) for entry, fields in reversed(entries)]

    async def also_in(self, item_id: str, message_key: str) -> list[str]:
        """Other items that are the same mail in other mailboxes."""
        with available():
            named = await self._redis.hget(keys.message_id(message_key), "items")
        return [other for other in (named or b"").decode().split(",") if other and other != item_id]

    async def _find(self, item_id: str) -> Item | None:
        with available():
            record = await self._redis.hgetall(keys.item(item_id))
        return Item.decode(item_id, record) if record else None


def _readable(item_id: str, record: dict[bytes, bytes]) -> Item | None:
    """None when the item was removed meanwhile, or cannot be understood: one such record must not hide all others."""
    try:
        return Item.decode(item_id, record) if record else None
    except DecodeError as error:
        log.error("an item is left out of a list", item=item_id, reason=str(error))  # noqa: TRY400, nothing to trace
        return None


def _new(item_id: str, mailbox: str, machine: Json, status: str, answer: Sequence[bytes]) -> Published:
    cursor, submission, reference, assignee, score = (part.decode() for part in answer[1:6])
    item = Item(
        id=item_id,
        mailbox=mailbox,
        machine=machine,
        person=new_person(),
        status=status,
        assignee=assignee or None,
        version=1,
        reading=1,
        submission_id=submission,
        submission_ref=reference,
        score=int(score),
    )
    return Published("new", cursor, item)


def _check(wanted: Change) -> None:
    if wanted.status is not None and wanted.status not in STATUSES:
        raise InvalidChangeError(f"{wanted.status!r:.60} is no status; accepted: {', '.join(STATUSES)}", "status")
    if wanted.assignee is not None and (len(wanted.assignee) > LONGEST_NAME or not wanted.assignee.isprintable()):
        raise InvalidChangeError(f"a name of at most {LONGEST_NAME} printable characters is accepted", "assignee")
    for name, value in (wanted.fields or {}).items():
        if not 1 <= len(name) <= 64 or not name.isprintable() or len(_json(value)) > 4_000:
            raise InvalidChangeError(
                "a field has a name of 1 to 64 printable and a value of at most 4,000 characters", "fields"
            )
    if len(wanted.fields or ()) > 100:
        raise InvalidChangeError("at most 100 fields are corrected at once", "fields")


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:  # NaN and Infinity, which Python reads from what calls itself JSON
        raise InvalidChangeError("a field has a value that JSON can carry", "fields") from error


def _apply(item: Item, wanted: Change) -> tuple[Item, list[str]]:
    """The item after the change, and `field, before, after` for each thing that is really another."""
    status = wanted.status or item.status
    assignee = item.assignee if wanted.assignee is None else wanted.assignee or None
    before = effective_fields(item.machine, item.person)
    # Compared as JSON, where 1 and true are not the same.
    corrections = {
        name: value for name, value in (wanted.fields or {}).items() if dumps(before.get(name)) != dumps(value)
    }
    steps = [] if status == item.status else ["status", item.status, status]
    steps += [] if assignee == item.assignee else ["assignee", item.assignee or "", assignee or ""]
    for name, value in corrections.items():
        steps += [f"fields.{name}", dumps(before.get(name)), dumps(value)]
    person = item.person | {"corrections": item.person.get("corrections", {}) | corrections}
    if len(person["corrections"]) > 200:
        raise InvalidChangeError("an item carries at most 200 corrected fields", "fields")
    changed = replace(item, status=status, assignee=assignee, person=person, version=item.version + bool(steps))
    return changed, steps


def _step(entry: bytes, fields: dict[bytes, bytes]) -> Json:
    at = _moment(int(entry.split(b"-")[0]))
    return {"at": at} | {name.decode(): value.decode() for name, value in fields.items()}


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
