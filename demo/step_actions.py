"""What each step of a script does. Each action returns what to print about it, '' for nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from demo.fault_router import FaultRouter
from server.handlers.test_item import machine_part, new_item_id
from server.stream.connection import Stream
from workitems.base.errors import NotFoundError
from workitems.base.statuses import STATUSES
from workitems.feed import feed
from workitems.queue.change import ItemChange

#: The mailbox of the script's items, and the person who changes them.
_MAILBOX = _PERSON = "demo"

_SENDERS = ("ana@example.com", "bo@example.org", "chidi@example.net")

#: Seconds between two new items of `items`.
_PAUSE = 0.2

#: Seconds that `streams` waits at most, and between two checks.
_MAX_WAIT_SECONDS = 3_600.0
_POLL_SECONDS = 0.02

#: Seconds that a step waits at most until its events were sent.
_MAX_SEND_SECONDS = 30.0


async def streams(router: FaultRouter, number: float) -> str:
    """Wait until *number* streams are open, without those that were asked to rotate."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _MAX_WAIT_SECONDS
    while (found := len(_staying(router))) < number:
        if loop.time() > deadline:
            return f"only {found} opened; the script continues"
        await asyncio.sleep(_POLL_SECONDS)
    return ""


async def wait(_: FaultRouter, number: float) -> str:
    await asyncio.sleep(number)
    return ""


async def items(router: FaultRouter, number: float) -> str:
    """Add *number* items, one after another."""
    for made in range(int(number)):
        await asyncio.sleep(_PAUSE if made else 0)
        await _item(router)
    return await _sent(router)


async def burst(router: FaultRouter, number: float) -> str:
    """Add *number* items, all at once."""
    await asyncio.gather(*(_item(router) for _ in range(int(number))))
    return await _sent(router)


async def update(router: FaultRouter, number: float) -> str:
    """Set the next status of each of the newest items, and assign them."""
    changed = 0
    for item in (await router.context.store.list_items(limit=int(number))).items:
        status = STATUSES[(STATUSES.index(item.status) + 1) % len(STATUSES)]
        try:
            await router.context.store.change(item.id, ItemChange(status=status, assignee=_PERSON), who=_PERSON)
        except NotFoundError:  # another client removed it in the meantime
            continue
        changed += 1
    return await _sent(router) or _items(changed)


async def remove(router: FaultRouter, number: float) -> str:
    """Remove the *number* newest items for good."""
    newest = [item.id for item in (await router.context.store.list_items(limit=int(number))).items]
    removal = router.context.removal
    gone = [item for item in newest if await removal.remove(item, who=_PERSON, why="by the demo's script")]
    await removal.finish(gone)
    return await _sent(router) or _items(len(gone))


async def reset(router: FaultRouter, _: float) -> str:
    """Have every stream load the list again, as after a loss of events. Nothing is really lost."""
    reached = _streams(router.hub.joined_streams)
    await router.hub.reset("trimmed", router.hub.replay_buffer.head)
    return reached


async def rotate(router: FaultRouter, _: float) -> str:
    """Ask every stream to rotate."""
    async with router.hub.fan_out_lock:
        asked = _staying(router)
        for stream in asked:
            router.hub.deadlines.rotate(stream)
    return _streams(asked)


async def cut(router: FaultRouter, _: float) -> str:
    """Close every stream at once without the end of its body, as a broken connection does."""
    open_ = router.hub.joined_streams
    for stream in open_:
        stream.abort("cut")
    return _streams(open_)


async def unauthorized(router: FaultRouter, number: float) -> str:
    """Refuse all callers for *number* seconds and close all open streams."""
    router.simulate("unauthorized", number)
    return await cut(router, 0)


async def _simulate(router: FaultRouter, number: float, *, fault: str) -> str:
    router.simulate(fault, number)
    return ""


Action = Callable[[FaultRouter, float], Awaitable[str]]

_OWN: tuple[Action, ...] = (streams, wait, items, burst, update, remove, reset, rotate, cut, unauthorized)

#: A step's name → what it does.
STEP_ACTIONS: dict[str, Action] = {
    **{action.__name__: action for action in _OWN},
    **{fault: partial(_simulate, fault=fault) for fault in ("busy", "limited", "silence")},
}


async def _item(router: FaultRouter) -> None:
    router.items_made += 1
    item = {
        "subject": f"Item {router.items_made} of the script",
        "from_email": _SENDERS[router.items_made % len(_SENDERS)],
        "extracted_fields": {"reference": f"AB-{router.items_made:05}"},
    }
    await router.context.store.publish(new_item_id(), _MAILBOX, machine_part(item), who=_PERSON)


async def _sent(router: FaultRouter) -> str:
    """Wait until every event so far was sent to the streams: the next step must not overtake it."""
    loop = asyncio.get_running_loop()
    last, deadline = await feed.head(router.context.redis), loop.time() + _MAX_SEND_SECONDS
    while router.hub.replay_buffer.head < last:
        if loop.time() > deadline:
            return "not sent yet; the script continues"
        await asyncio.sleep(_POLL_SECONDS)
    async with router.hub.fan_out_lock:  # held while the newest event goes out
        return ""


def _staying(router: FaultRouter) -> list[Stream]:
    return [stream for stream in router.hub.joined_streams if not stream.is_rotating]


def _streams(reached: list[Stream]) -> str:
    return "no stream is open" if not reached else f"streams: {len(reached)}"


def _items(reached: int) -> str:
    return f"items: {reached}" if reached else "there is no item; put the step items before it"
