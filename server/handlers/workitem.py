"""`GET /api/workitems`: a page of the queue, newest first.

`/api/workitems/<id>`: `GET` the whole item, `PATCH` what people change, `DELETE` to erase it.

What was joined wrongly: `POST …/split`, and `POST /api/submissions/<id>/merge`.
"""

import asyncio
import re

from server.context import Context
from server.handlers.base import BaseHandler, RefusalError
from server.http import query_params
from server.http.json_body import checked_string, parse_json_object
from workitems.base.errors import ConflictError, InvalidChangeError, NotFoundError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.queue.change import LONGEST_NAME, ItemChange
from workitems.queue.item import MACHINE_DEFAULTS, Item, Json
from workitems.retention.aof_rewrite import rewrite_aof
from workitems.retention.removal import LONGEST_REASON

log = get_logger("server")

_CHANGEABLE = frozenset({"status", "assignee", "fields", "version"})

_ENTITY_TAG = re.compile(r'(?:W/)?"?(\d{1,15})"?', re.ASCII)

#: Items on a page: by default, and at most.
LIMIT = 50
MAX_LIMIT = 200

#: Above every order key (`workitems.queue.item.order_seconds`): scores of sorted sets are exact up to it.
_MAX_SCORE = 2**53


class WorkitemsHandler(BaseHandler):
    """Answers `{items, next, head}`: `next` is the `before` of the next page; a stream from `head` has no gap."""

    async def get(self) -> None:
        status, mailbox = self._parameter("status"), self._parameter("mailbox")
        submission, before = self._parameter("submission"), self._parameter("before")
        page = await self.context.store.list_items(
            status=query_params.parse_status(status) if status else None,
            mailbox=query_params.parse_mailbox(mailbox) if mailbox else None,
            submission=query_params.parse_submission(submission) if submission else None,
            before=query_params.parse_number(before, "before", least=0, most=_MAX_SCORE) if before else None,
            limit=query_params.parse_number(self._parameter("limit") or str(LIMIT), "limit", least=1, most=MAX_LIMIT),
        )
        self.write_json({"items": [item.view() for item in page.items], "next": page.next, "head": page.head})

    def _parameter(self, name: str) -> str | None:
        return self.get_query_argument(name, None)


class WorkitemHandler(BaseHandler):
    """Answers one item; its ETag is the version, which counts people's changes."""

    def required_scope(self) -> str | None:
        return {"PATCH": "write", "DELETE": "admin"}.get(self.request.method or "", "read")

    async def get(self, item_id: str) -> None:
        try:
            item = await self.context.store.get(item_id)
        except NotFoundError:
            if not await self.context.store.is_waiting(item_id):
                raise
            self.write_json({"status": "pending"}, 202)
            return
        reading, history = await asyncio.gather(self._reading(item_id), self.context.store.history(item_id))
        key = reading.get("message_key")
        also_in = await self.context.store.copies_elsewhere(item_id, key) if key else []
        self.set_header("ETag", f'"{item.version}"')
        self.write_json(full_view(item, reading) | {"also_in": also_in, "history": history})

    async def patch(self, item_id: str) -> None:
        asked = parse_json_object(self.request.body, _CHANGEABLE)
        change = parse_change(asked)
        version = expected_version(self.request.headers.get("If-Match"), asked.get("version"))
        try:
            item = await self.context.store.change(item_id, change, who=self.identity.name, version=version)
        except ConflictError as error:
            raise await _conflict(self.context, item_id, error) from None
        self.set_header("ETag", f'"{item.version}"')
        self.write_json(item.view())

    async def delete(self, item_id: str) -> None:
        """Erase the item; only the tombstone stays, with the caller's name and `?reason=`."""
        reason = checked_string(self.get_query_argument("reason", ""), "reason", max_length=LONGEST_REASON)
        version = expected_version(self.request.headers.get("If-Match"), None)
        removal = self.context.removal
        try:
            is_removed = await removal.remove(item_id, who=self.identity.name, why=reason or "erased", version=version)
        except ConflictError as error:
            raise await _conflict(self.context, item_id, error) from None
        if not is_removed:
            raise NotFoundError("no such item")
        log.info("an item was removed", item=item_id, by=self.identity.name)
        try:
            await removal.finish([item_id])
            message = (await rewrite_aof(self.context.redis, seconds=0)).message
        except StoreUnavailableError as error:
            log.warning("the rest of a removed item is left to the worker", item=item_id, reason=str(error))
            message = "The rest of it is erased as soon as the disk and Redis are available again."
        self.write_json({"status": "removed", "message": message})

    async def _reading(self, item_id: str) -> Json:
        try:
            return await self.context.mailstore.get_reading(item_id)
        except NotFoundError:
            return {}  # a test item has no mail


class SplitHandler(BaseHandler):
    """`POST …/split`: gives the item a submission of its own, and answers the item."""

    scope = "write"

    async def post(self, item_id: str) -> None:
        version = expected_version(self.request.headers.get("If-Match"), None)
        try:
            item = await self.context.submissions.split(item_id, who=self.identity.name, version=version)
        except ConflictError as error:
            raise await _conflict(self.context, item_id, error) from None
        log.info("an item was split off", item=item_id, submission=item.submission_id, by=self.identity.name)
        self.set_header("ETag", f'"{item.version}"')
        self.write_json(item.view())


class MergeHandler(BaseHandler):
    """`POST /api/submissions/<id>/merge`: moves all items into the submission `into`, and answers how many."""

    scope = "write"

    async def post(self, submission: str) -> None:
        into = parse_json_object(self.request.body, frozenset({"into"})).get("into")
        target = query_params.parse_submission(into if isinstance(into, str) else "", "into")
        moved = await self.context.submissions.merge(submission, target, who=self.identity.name)
        log.info("a submission was merged", submission=submission, into=target, items=moved, by=self.identity.name)
        self.write_json({"submission_id": target, "moved": moved})


async def _conflict(context: Context, item_id: str, error: ConflictError) -> RefusalError:
    """Return the answer to a change of another version, with the item as it is now."""
    return RefusalError(409, "conflict", str(error), more={"item": (await context.store.get(item_id)).view()})


def full_view(item: Item, reading: Json) -> Json:
    """Return all of an item: its list view with whole values, and its reading from the mail store."""
    found = reading.get("fields") or item.machine.get("extracted_fields", {})
    corrections = item.person.get("corrections", {})
    machine = {name: item.machine.get(name, empty) for name, empty in MACHINE_DEFAULTS.items()}
    uncut = {name: reading[name] for name in ("subject", "to", "reply_to", "attachments") if name in reading}
    fields = {name: value for name, value in (found | corrections).items() if value is not None}
    return (
        item.view()
        | machine
        | uncut
        | {
            "extracted_fields": fields,
            "corrections": corrections,
            "cc": reading.get("cc", []),
            "date": reading.get("date"),
            "text": reading.get("text", ""),
            "regions": reading.get("regions", []),
            "forwarded": reading.get("forwarded"),
            "evidence": reading.get("evidence", {}),
            "kind_reason": reading.get("kind_reason", ""),
            "bounce": reading.get("bounce"),
            "invitation": reading.get("invitation"),
            "due": fields.get(reading.get("due_field")),
            "missing": [each for each in reading.get("missing", []) if each["name"] not in fields],
            "has_html": bool(reading.get("html")),
        }
    )


def parse_change(asked: Json) -> ItemChange:
    """Return the change of a PATCH. `assignee` null removes it; a null field is removed. Raise InvalidChangeError."""
    status, assignee, fields = asked.get("status"), asked.get("assignee"), asked.get("fields")
    if not {"status", "assignee", "fields"} & asked.keys():
        raise InvalidChangeError("the body has no change; status, assignee and fields are accepted")
    if "status" in asked and not isinstance(status, str):
        raise InvalidChangeError("a string is accepted", "status")
    if assignee is not None and not isinstance(assignee, str):
        message = f"a name of at most {LONGEST_NAME} characters, or null for nobody, is accepted"
        raise InvalidChangeError(message, "assignee")
    if "fields" in asked and not isinstance(fields, dict):
        raise InvalidChangeError("an object of names and values is accepted; null removes a field", "fields")
    return ItemChange(status=status, assignee=(assignee or "") if "assignee" in asked else None, fields=fields)


def expected_version(if_match: str | None, version: object) -> int | None:
    """Return the version that the change is for, by header (RFC 9110 §13.1.1) or body; None: any version."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise InvalidChangeError("a whole number is accepted", "version")
    if if_match is None or if_match.strip() == "*":
        return version
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    if not found or (version is not None and version != int(found[1])):
        raise InvalidChangeError('one version such as "3", the same as in the body, is accepted', "If-Match")
    return int(found[1])
