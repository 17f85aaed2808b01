"""A work item: what was read from one e-mail (machine part) and what people did with it (person part)."""

import json
from dataclasses import dataclass
from typing import Any, Self

from workitems.errors import DecodeError
from workitems.event import encoded, is_deeper

Json = dict[str, Any]

SCHEMA = 1

STATUSES = ("new", "in_progress", "waiting", "done", "dismissed")

#: Bytes of JSON that an item's list view may have; evidence and text come by `GET` only.
VIEW_LIMIT = 8_000

#: What of it the publish step leaves to the mail: it joins ids, reference, status, assignee, version.
_ROOM = VIEW_LIMIT - 700

#: The part of the list view that comes from the mail, with what stands where the mail gave nothing.
MACHINE: Json = {
    "subject": "",
    "from_email": "",
    "from_name": "",
    "to": [],
    "created_at": "",
    "kind": "human",
    "flags": [],
    "reason": None,
    "preview": "",
    "extracted_fields": {},
    "attachments": [],
    "test": False,
}


def new_person() -> Json:
    """The person part of an item that nobody has touched."""
    return {"schema": SCHEMA, "corrections": {}}


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it lies in Redis."""

    id: str
    mailbox: str
    machine: Json
    person: Json
    status: str
    assignee: str | None
    #: Counts changes by people alone.
    version: int
    #: Counts readings of the mail that gave something else.
    reading: int
    submission_id: str
    submission_ref: str
    #: Order in lists: seconds of `created_at` times 2^20, plus a running number.
    score: int

    @classmethod
    def decode(cls, item_id: str, record: dict[bytes, bytes]) -> Self:
        """From the hash in Redis; what a newer program added is ignored. Raises DecodeError for a broken one."""
        try:
            text = {key.decode(): value.decode() for key, value in record.items()}
            machine, person = _table(text["machine"]), _table(text["person"])
            return cls(
                id=item_id,
                mailbox=text["mailbox"],
                machine=machine,
                person=person,
                status=text["status"],
                assignee=text["assignee"] or None,
                version=int(text["version"]),
                reading=int(text["reading"]),
                submission_id=text["submission"],
                submission_ref=text["reference"],
                score=int(text["score"]),
            )
        except (KeyError, ValueError, RecursionError) as error:
            raise DecodeError(f"item {item_id} cannot be understood: {type(error).__name__}") from error

    def view(self) -> Json:
        """The list view: what lists and events carry."""
        return view_head(self.id, self.mailbox, self.machine, self.person) | {
            "submission_id": self.submission_id,
            "submission_ref": self.submission_ref,
            "status": self.status,
            "assignee": self.assignee,
            "version": self.version,
            "seq": self.score,
        }


def _table(text: str) -> Json:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004, as for all that is not what it should be
    if is_deeper(value):
        raise ValueError("too deep to be written again")
    return value


def view_head(item_id: str, mailbox: str, machine: Json, person: Json) -> Json:
    """The list view without what the publish step alone knows; at most VIEW_LIMIT bytes as JSON.

    What does not fit is cut in the order of least harm: recipients, preview, attachments, then the longest fields;
    the flag `shortened` says so, and the whole comes by `GET`.
    """
    head = _whole_head(item_id, mailbox, machine, person)
    return head if _fits(head) else _shortened(head)


def encoded_view_head(item_id: str, mailbox: str, machine: Json, person: Json) -> bytes:
    """`view_head` as JSON, which most often is written once."""
    head = _whole_head(item_id, mailbox, machine, person)
    found = encoded(head)
    return found if len(found) <= _ROOM else encoded(_shortened(head))


def _whole_head(item_id: str, mailbox: str, machine: Json, person: Json) -> Json:
    head = {"id": item_id, "mailbox": mailbox} | {name: machine.get(name, empty) for name, empty in MACHINE.items()}
    return head | {"extracted_fields": effective_fields(machine, person)}


def effective_fields(machine: Json, person: Json) -> Json:
    """What was read, with people's corrections over it; a correction to null takes the field away."""
    fields = machine.get("extracted_fields", {}) | person.get("corrections", {})
    return {name: value for name, value in fields.items() if value is not None}


def _size(value: Json) -> int:
    return len(encoded(value))


def _fits(head: Json) -> bool:
    return _size(head) <= _ROOM


def _shortened(head: Json) -> Json:
    head = head | {"flags": [*head["flags"], "shortened"], "to": head["to"][:5]}
    cuts: tuple[Json, ...] = (
        {"preview": ""},
        {"attachments": head["attachments"][:5]},
        {"attachments": []},
        {"to": []},
    )
    for cut in cuts:
        if _fits(head):
            return head
        head = head | cut
    head |= {"extracted_fields": _shortest(head["extracted_fields"], _ROOM - _size(head | _NO_FIELDS))}
    if not _fits(head):
        head |= {name: (head[name] or "")[:200] for name in ("subject", "from_name", "from_email", "reason")}
    if not _fits(head):
        # Nothing that we write is like this; a view that no stream can carry would stop them all.
        texts = ("subject", "from_name", "from_email", "reason", "kind", "created_at")
        head |= {name: str(head[name] or "")[:100] for name in texts}
        head |= {"flags": [str(flag)[:32] for flag in head["flags"][:16]] + ["shortened"]}
    return head


_NO_FIELDS: Json = {"extracted_fields": {}}


def _shortest(fields: Json, room: int) -> Json:
    """The fields that fit into *room* bytes, the longest left out first; each is measured once."""
    sizes = {name: _size({name: value}) for name, value in fields.items()}
    over = sum(sizes.values()) - room
    left_out = set()
    for name in sorted(fields, key=lambda name: (-sizes[name], name)):
        if over <= 0:
            break
        left_out.add(name)
        over -= sizes[name]
    return {name: value for name, value in fields.items() if name not in left_out}
