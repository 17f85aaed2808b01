"""A work item: what was read from one e-mail (machine part) and what people did with it (person part)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from workitems.base.errors import DecodeError
from workitems.base.json_codec import encode_json, is_too_deep

Json = dict[str, Any]

SCHEMA_VERSION = 1

#: Bytes of JSON that an item's list view may have; evidence and text come by `GET` only.
VIEW_LIMIT = 8_000

#: Bytes of it for what comes from the mail; the publishing script adds ids, reference, status, assignee, version.
_MAX_HEAD_BYTES = VIEW_LIMIT - 700

#: The part of the list view that comes from the mail, with the value for what the mail does not have.
MACHINE_DEFAULTS: Json = {
    "subject": "",
    "from_email": "",
    "from_name": "",
    "reply_to": [],
    "to": [],
    "authentication": None,
    "created_at": "",
    "kind": "human",
    "flags": [],
    "reason": None,
    "preview": "",
    "extracted_fields": {},
    "attachments": [],
    "test": False,
}


def order_seconds(created: datetime) -> int:
    """Return the seconds since 1970 by which lists sort an item, from 1970 to March 2242.

    Times 2^20 and with a running number they make the order key, which must not be negative and must stay below 2^53:
    JavaScript and Redis's sorted sets cannot distinguish larger whole numbers. A mail server may report any time.
    """
    return min(max(int(created.timestamp()), 0), 2**33 - 1)


def new_person() -> Json:
    """Return the person part of an item without changes by people."""
    return {"schema": SCHEMA_VERSION, "corrections": {}}


@dataclass(frozen=True, slots=True)
class Item:
    """An item as Redis has it."""

    id: str
    mailbox: str
    machine: Json
    person: Json
    status: str
    assignee: str | None
    #: Counts changes by people only.
    version: int
    #: Counts readings of the mail that gave another result.
    reading_number: int
    submission_id: str
    submission_ref: str
    #: Order in lists: `order_seconds` of `created_at` times 2^20, plus a running number; from 0 to 2^53 - 1.
    score: int

    @classmethod
    def decode(cls, item_id: str, record: dict[bytes, bytes]) -> Self:
        """Decode the hash in Redis; what a newer program added is ignored. Raises DecodeError for a broken one."""
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
                reading_number=int(text["reading"]),
                submission_id=text["submission"],
                submission_ref=text["reference"],
                score=int(text["score"]),
            )
        except (KeyError, ValueError, RecursionError) as error:
            raise DecodeError(f"item {item_id} cannot be decoded: {type(error).__name__}") from error

    def view(self) -> Json:
        """Return the list view, which lists and events contain."""
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
        raise ValueError("not a JSON object")  # noqa: TRY004, as for all wrong content
    if is_too_deep(value):
        raise ValueError("too deep to be encoded again")
    return value


def view_head(item_id: str, mailbox: str, machine: Json, person: Json) -> Json:
    """Return the list view without what only the publishing script knows; at most VIEW_LIMIT bytes as JSON.

    What does not fit is left out, the least important first: recipients, preview, attachments, then the longest fields;
    the flag `shortened` says so, and `GET` returns everything.
    """
    head = _whole_head(item_id, mailbox, machine, person)
    return head if _fits(head) else _shortened(head)


def encode_view_head(item_id: str, mailbox: str, machine: Json, person: Json) -> bytes:
    """Return `view_head` as JSON; most often it is encoded once."""
    head = _whole_head(item_id, mailbox, machine, person)
    found = encode_json(head)
    return found if len(found) <= _MAX_HEAD_BYTES else encode_json(_shortened(head))


def _whole_head(item_id: str, mailbox: str, machine: Json, person: Json) -> Json:
    head = {"id": item_id, "mailbox": mailbox} | {
        name: machine.get(name, empty) for name, empty in MACHINE_DEFAULTS.items()
    }
    return head | {"extracted_fields": effective_fields(machine, person)}


def effective_fields(machine: Json, person: Json) -> Json:
    """Return the fields that were read, with people's corrections; a correction to null removes the field."""
    fields = machine.get("extracted_fields", {}) | person.get("corrections", {})
    return {name: value for name, value in fields.items() if value is not None}


def _size(value: Json) -> int:
    return len(encode_json(value))


def _fits(head: Json) -> bool:
    return _size(head) <= _MAX_HEAD_BYTES


def _shortened(head: Json) -> Json:
    head = head | {"flags": [*head["flags"], "shortened"], "to": head["to"][:5], "reply_to": []}
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
    head |= {"extracted_fields": _shortest(head["extracted_fields"], _MAX_HEAD_BYTES - _size(head | _NO_FIELDS))}
    if not _fits(head):
        head |= {name: (head[name] or "")[:200] for name in ("subject", "from_name", "from_email", "reason")}
    if not _fits(head):
        # We write nothing like this, but a view that no stream can send would stop them all.
        texts = ("subject", "from_name", "from_email", "reason", "kind", "created_at")
        head |= {name: str(head[name] or "")[:100] for name in texts}
        head |= {"flags": [str(flag)[:32] for flag in head["flags"][:16]] + ["shortened"]}
    return head


_NO_FIELDS: Json = {"extracted_fields": {}}


def _shortest(fields: Json, max_bytes: int) -> Json:
    """Return the fields that fit into *max_bytes*, without the longest ones; each is measured once."""
    sizes = {name: _size({name: value}) for name, value in fields.items()}
    over = sum(sizes.values()) - max_bytes
    left_out = set()
    for name in sorted(fields, key=lambda name: (-sizes[name], name)):
        if over <= 0:
            break
        left_out.add(name)
        over -= sizes[name]
    return {name: value for name, value in fields.items() if name not in left_out}
