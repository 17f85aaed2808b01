"""What each step of a script does on a stage. Each answers what there is to tell of it, '' for nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from demo.stage import Stage
from server.connection import Stream
from server.handlers.testitem import as_machine, fresh_id
from workitems.errors import NotFoundError
from workitems.item import STATUSES
from workitems.store import Change

#: The mailbox of the script's items, and the person who changes them.
_MAILBOX = _PERSON = "demo"

_SENDERS = ("ana@example.com", "bo@example.org", "chidi@example.net")

#: Seconds between two of `items`.
_PAUSE = 0.2

#: Seconds that `streams` waits at most, and between two looks.
_PATIENCE = 3_600.0
_LOOK = 0.02


async def streams(stage: Stage, number: float) -> str:
    """Wait until so many streams are open; one that was asked to rotate counts no more."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    while (found := len(_staying(stage))) < number:
        if loop.time() > deadline:
            return f"only {found} came, it goes on"
        await asyncio.sleep(_LOOK)
    return ""


async def wait(_: Stage, number: float) -> str:
    await asyncio.sleep(number)
    return ""


async def items(stage: Stage, number: float) -> str:
    """New items, one after another."""
    for made in range(int(number)):
        await asyncio.sleep(_PAUSE if made else 0)
        await _item(stage)
    return ""


async def burst(stage: Stage, number: float) -> str:
    """New items, all at once."""
    await asyncio.gather(*(_item(stage) for _ in range(int(number))))
    return ""


async def update(stage: Stage, number: float) -> str:
    """Give each of the newest items its next status, and to somebody."""
    changed = 0
    for item in (await stage.context.store.page(limit=int(number))).items:
        status = STATUSES[(STATUSES.index(item.status) + 1) % len(STATUSES)]
        try:
            await stage.context.store.change(item.id, Change(status=status, assignee=_PERSON), who=_PERSON)
        except NotFoundError:  # somebody else removed it meanwhile
            continue
        changed += 1
    return _items(changed)


async def remove(stage: Stage, number: float) -> str:
    """Remove the newest items for good."""
    newest = [item.id for item in (await stage.context.store.page(limit=int(number))).items]
    removal = stage.context.removal
    gone = [item for item in newest if await removal.remove(item, who=_PERSON, why="by the demo's script")]
    await removal.finish(gone)
    return _items(len(gone))


async def reset(stage: Stage, _: float) -> str:
    """As after a loss: every stream is to load the list again. Nothing is really lost."""
    told = _streams(stage.hub.streams)
    await stage.hub.reset("trimmed", stage.hub.ring.head)
    return told


async def rotate(stage: Stage, _: float) -> str:
    """Ask every stream to rotate."""
    async with stage.hub.turn:
        asked = _staying(stage)
        for stream in asked:
            stage.hub.rotate(stream)
    return _streams(asked)


async def cut(stage: Stage, _: float) -> str:
    """Close every stream at once, without the end of its body, as a bad line does."""
    open_ = stage.hub.streams
    for stream in open_:
        stream.abort("cut")
    return _streams(open_)


async def unauthorized(stage: Stage, number: float) -> str:
    """Nobody is known for so many seconds; who was loses the open streams."""
    stage.wish("unauthorized", number)
    return await cut(stage, 0)


async def _wish(stage: Stage, number: float, *, wish: str) -> str:
    stage.wish(wish, number)
    return ""


Act = Callable[[Stage, float], Awaitable[str]]

_OWN: tuple[Act, ...] = (streams, wait, items, burst, update, remove, reset, rotate, cut, unauthorized)

#: A step's name → what it does.
ACTS: dict[str, Act] = {
    **{act.__name__: act for act in _OWN},
    **{wish: partial(_wish, wish=wish) for wish in ("busy", "limited", "silence")},
}


async def _item(stage: Stage) -> None:
    stage.made += 1
    asked = {
        "subject": f"Item {stage.made} of the script",
        "from_email": _SENDERS[stage.made % len(_SENDERS)],
        "extracted_fields": {"reference": f"AB-{stage.made:05}"},
    }
    await stage.context.store.publish(fresh_id(), _MAILBOX, as_machine(asked), who=_PERSON)


def _staying(stage: Stage) -> list[Stream]:
    return [stream for stream in stage.hub.streams if not stream.rotating]


def _streams(reached: list[Stream]) -> str:
    return "no stream is open" if not reached else f"streams: {len(reached)}"


def _items(reached: int) -> str:
    return f"items: {reached}" if reached else "there is no item: put items before it"
