"""One work item: `GET` the whole of it, `PATCH` what people decide about it, `DELETE` it for good."""

import asyncio
import re

from server.body import read_object, text
from server.handlers.base import Handler, RefusalError
from workitems.errors import ConflictError, InvalidChangeError, NotFoundError, StoreUnavailableError
from workitems.item import MACHINE, Item, Json
from workitems.log import get_logger
from workitems.removal import LONGEST_REASON
from workitems.rewriting import rewrite
from workitems.store import LONGEST_NAME, Change

log = get_logger("server")

_CHANGEABLE = frozenset({"status", "assignee", "fields", "version"})

_ENTITY_TAG = re.compile(r'(?:W/)?"?(\d{1,15})"?', re.ASCII)


class WorkitemHandler(Handler):
    """Its ETag is the version, which counts people's changes."""

    def needs(self) -> str | None:
        return {"PATCH": "write", "DELETE": "admin"}.get(self.request.method or "", "read")

    async def get(self, item_id: str) -> None:
        try:
            item = await self.context.store.get(item_id)
        except NotFoundError:
            if not await self.context.store.is_waiting(item_id):
                raise
            self.answer({"status": "pending"}, 202)
            return
        reading, history = await asyncio.gather(self._reading(item_id), self.context.store.history(item_id))
        key = reading.get("message_key")
        also_in = await self.context.store.also_in(item_id, key) if key else []
        self.set_header("ETag", f'"{item.version}"')
        self.answer(whole(item, reading) | {"also_in": also_in, "history": history})

    async def patch(self, item_id: str) -> None:
        asked = read_object(self.request.body, _CHANGEABLE)
        change = as_change(asked)
        version = expected_version(self.request.headers.get("If-Match"), asked.get("version"))
        try:
            item = await self.context.store.change(item_id, change, who=self.identity.name, version=version)
        except ConflictError as error:
            now = await self.context.store.get(item_id)
            raise RefusalError(409, "conflict", str(error), more={"item": now.view()}) from None
        self.set_header("ETag", f'"{item.version}"')
        self.answer(item.view())

    async def delete(self, item_id: str) -> None:
        """Nothing of it stays but the tombstone, which carries who did it and `?reason=`."""
        reason = text(self.get_query_argument("reason", ""), "reason", most=LONGEST_REASON)
        removal = self.context.removal
        if not await removal.remove(item_id, who=self.identity.name, why=reason or "erased"):
            raise NotFoundError("no such item")
        log.info("an item was removed", item=item_id, by=self.identity.name)
        try:
            await removal.finish([item_id])
            told = (await rewrite(self.context.redis, seconds=0)).told
        except StoreUnavailableError as error:
            log.warning("the rest of a removed item is left to the worker", item=item_id, reason=str(error))
            told = "What is left of it is taken away as soon as the disk and Redis serve again."
        self.answer({"status": "removed", "told": told})

    async def _reading(self, item_id: str) -> Json:
        try:
            return await self.context.mailstore.get_reading(item_id)
        except NotFoundError:
            return {}  # a test item never came by mail


def whole(item: Item, reading: Json) -> Json:
    """Everything about an item: its list view without the cuts, and what lies in the mail store."""
    found = reading.get("fields") or item.machine.get("extracted_fields", {})
    corrections = item.person.get("corrections", {})
    machine = {name: item.machine.get(name, empty) for name, empty in MACHINE.items()}
    kept = {name: reading[name] for name in ("subject", "to", "attachments") if name in reading}
    fields = {name: value for name, value in (found | corrections).items() if value is not None}
    return (
        item.view()
        | machine
        | kept
        | {
            "extracted_fields": fields,
            "corrections": corrections,
            "cc": reading.get("cc", []),
            "date": reading.get("date"),
            "text": reading.get("text", ""),
            "evidence": reading.get("evidence", {}),
            "has_html": bool(reading.get("html")),
        }
    )


def as_change(asked: Json) -> Change:
    """What a PATCH asks for. `assignee` null is nobody; a field that is null is taken away. InvalidChangeError."""
    status, assignee, fields = asked.get("status"), asked.get("assignee"), asked.get("fields")
    if not {"status", "assignee", "fields"} & asked.keys():
        raise InvalidChangeError("nothing to change: give status, assignee or fields")
    if "status" in asked and not isinstance(status, str):
        raise InvalidChangeError("a status is a string", "status")
    if assignee is not None and not isinstance(assignee, str):
        raise InvalidChangeError(f"a name of at most {LONGEST_NAME} characters, or null for nobody", "assignee")
    if "fields" in asked and not isinstance(fields, dict):
        raise InvalidChangeError("an object of names and values is accepted; null takes a field away", "fields")
    return Change(status=status, assignee=(assignee or "") if "assignee" in asked else None, fields=fields)


def expected_version(if_match: str | None, version: object) -> int | None:
    """The version that the change was made for, by header (RFC 9110 §13.1.1) or body; None: whatever it is."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise InvalidChangeError("a version is a whole number", "version")
    if if_match is None or if_match.strip() == "*":
        return version
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    if not found or (version is not None and version != int(found[1])):
        raise InvalidChangeError('If-Match is one version such as "3", the same as in the body', "If-Match")
    return int(found[1])
