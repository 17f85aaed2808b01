"""The fan-out: every event is framed once and the same bytes go to every stream that wants it.

Streams join between two events. While nothing is being fanned out, every joined stream has been told everything up to
`ring.head`, so one number is the cursor of them all.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from time import time

from server import sse
from server.auth import Credential
from server.connection import LINGER, Stream
from server.crowd import Crowd
from server.deadlines import Life, Stall
from server.histogram import Histogram
from server.pace import Pace
from server.ring import Ring
from server.turn import Turn
from server.wheel import Wheel
from workitems.event import START, Cursor, Event, removed, without
from workitems.log import get_logger
from workitems.settings import StreamSettings

log = get_logger("hub")

#: Streams that a step of a drain hands on at most.
_SLICE = 64

#: Seconds between two steps of a drain, which hands on as many streams as are due.
_STEP = 0.01

#: Seconds that a stream stays live after `rotate`, while its client opens the next one.
GRACE = 10.0

#: Bytes of events that are kept in memory for returning streams.
_RING_BYTES = 16 * 1024 * 1024


class Hub:
    """The streams of this process and what they have been told."""

    def __init__(self, settings: StreamSettings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.ring = Ring(settings.replay, _RING_BYTES)
        self.wheel = Wheel(min(0.25, settings.heartbeat / 8), clock=clock)
        #: Held while events go out; joining, beats and rotation wait for it.
        self.turn = Turn()
        self.counts: Counter[str] = Counter()
        #: From the publishing of an event until it was written to the last stream.
        self.lag = Histogram()
        #: Seconds for which a fan-out held the event loop, at the longest; whoever reads it sets it to 0.
        self.held = 0.0
        #: Whether the feed's head is known: before that no stream can be answered.
        self.ready = asyncio.Event()
        self.draining = False
        self._empty = asyncio.Event()
        self._grace = GRACE
        self._clock = clock
        self._crowds: defaultdict[sse.Filter, Crowd] = defaultdict(lambda: Crowd(self._fell_behind))
        #: Those whose stall is looked for.
        self._slow: set[Stream] = set()
        #: Those that are being told what they missed.
        self._opening: dict[Stream, None] = {}
        #: (event, mailbox, what of it) → the newest message, for streams that join later.
        self._states: dict[tuple[str, str, str], bytes] = {}
        #: When the last heartbeat was made, with which head, and how it goes out: bare, and as a chunk.
        self._beat: tuple[tuple[float, Cursor], bytes, bytes] = ((-1.0, START), b"", b"")

    @property
    def streams(self) -> list[Stream]:
        """Those that are told what comes."""
        return [stream for crowd in self._crowds.values() for stream in crowd]

    @property
    def open(self) -> list[Stream]:
        """All, those too that are still being told what they missed."""
        return [*self.streams, *self._opening]

    def join(self, stream: Stream) -> None:
        """From now on *stream* gets what comes after `ring.head`. The caller has sent it everything before."""
        self._opening.pop(stream, None)
        if stream.closed:
            return
        self._crowds[stream.filter].add(stream)
        states = b"".join(state for (_, mailbox, _), state in self._states.items() if stream.filter.concerns(mailbox))
        if states:
            stream.write(stream.frame(states))
        end = stream.end_at if stream.rotating else stream.rotate_at
        stream.life = Life(self, stream)
        self.wheel.add(stream.life, min(stream.beat_at, end))
        if self.draining:  # it came over a connection that was open already, and must go on to another process
            self.rotate(stream, self._grace)

    def start(self, stream: Stream) -> None:
        """Give a new stream its deadlines."""
        now = self._clock()
        self.counts["opened"] += 1
        stream.opened_at = now
        stream.beat_at = now + self.next_beat()
        age = self.settings.max_age
        stream.rotate_at = now + random.uniform(0.8, 1.0) * age if age else float("inf")
        if not stream.closed:
            self._opening[stream] = None
            self._empty.clear()

    def _fell_behind(self, stream: Stream) -> None:
        if stream not in self._slow:
            self._slow.add(stream)
            self.wheel.add(Stall(stream, self.settings.stall, self._slow), self._clock() + self.settings.stall)

    def next_beat(self) -> float:
        """Seconds until a stream's next heartbeat: 10 % around the announced ones."""
        return self.settings.heartbeat * random.uniform(0.9, 1.1)

    def ended(self, stream: Stream, reason: str) -> None:
        """Called by the stream itself, once."""
        self.counts[f"closed_{reason}"] += 1
        self._opening.pop(stream, None)
        if stream.life is not None:
            stream.life.leave()
            stream.life = None
        crowd = self._crowds.get(stream.filter)
        if crowd is not None:
            crowd.remove(stream)
            if not crowd:
                del self._crowds[stream.filter]
        if not self._crowds and not self._opening:
            self._empty.set()
        seconds = round(self._clock() - stream.opened_at, 1)
        log.info("stream ended", id=stream.id, user=stream.slot.name, why=reason, seconds=seconds, bytes=stream.sent)

    async def publish(self, events: Sequence[Event]) -> None:
        """Tell everybody what follows `ring.head`, in one write a stream; of an item that is removed, that alone."""
        async with self.turn:
            if items := removed(events):
                self.ring.forget(items)
                events = without(events, items)
            self.ring.extend(events)
            self.counts["events"] += len(events)
            pace, framed = Pace(self._clock), [sse.event(event) for event in events]
            for wanted, crowd in list(self._crowds.items()):
                payload = wanted.frames(events, framed)
                if payload:
                    self.counts["deliveries"] += await crowd.tell(payload, pace)
                if pace.due():
                    await pace.rest()
            self.held = max(self.held, pace.end())
            now = time()
            for event in events:
                self.lag.observe(max(0.0, now - event.at / 1000))

    async def reset(self, reason: str, head: Cursor) -> None:
        """Events were lost: everybody loads the list anew and goes on from *head*."""
        async with self.turn:
            self.ring.restart(head)
            self.counts[f"reset_{reason}"] += len(self.streams)
            told = sse.notice("reset", cursor=head, reason=reason, head=str(head))
            await self._tell(list(self._crowds.values()), told)

    async def state(
        self, name: str, value: dict[str, object], *, usual: bool = False, mailbox: str = "", part: str = ""
    ) -> None:
        """A fact of which only the newest counts; streams that join later are told it too, unless it is *usual*.

        One of a *mailbox* goes to the streams that want that mailbox; *part* tells several facts of one apart.
        """
        payload = sse.notice(name, data=value)
        async with self.turn:
            if usual:
                self._states.pop((name, mailbox, part), None)
            else:
                self._states[name, mailbox, part] = payload
            concerned = [crowd for wanted, crowd in self._crowds.items() if wanted.concerns(mailbox)]
            await self._tell(concerned, payload, kind=(name, mailbox, part))

    async def _tell(self, crowds: Sequence[Crowd], payload: bytes, *, kind: Hashable = None) -> None:
        pace = Pace(self._clock)
        for crowd in crowds:
            self.counts["deliveries"] += await crowd.tell(payload, pace, kind=kind)
            if pace.due():
                await pace.rest()
        self.held = max(self.held, pace.end())

    def heartbeat(self, now: float, *, chunked: bool) -> bytes:
        """The same frame for every stream whose turn comes in one tick."""
        made, bare, chunk = self._beat
        head = self.ring.head
        if made != (now, head):  # the loop's clock stands still within a turn, in which events may have come
            bare = sse.notice("heartbeat", cursor=head, timestamp=round(time(), 3), head=str(head))
            chunk = sse.chunk(bare)
            self._beat = ((now, head), bare, chunk)
        return chunk if chunked else bare

    async def revoke(self, credentials: Collection[Credential]) -> None:
        """End the streams of those who may no longer read: their clients come back and are told so."""
        await self._finish([stream for stream in self.open if stream.credential in credentials], "revoked")

    async def _finish(self, streams: Sequence[Stream], reason: str) -> None:
        async with self.turn:
            pace = Pace(self._clock)
            for stream in streams:
                stream.finish(reason)
                if pace.due():
                    await pace.rest()

    async def run(self) -> None:
        """Beats, rotation and slow readers, for ever."""
        await self.wheel.run(free=self.turn)

    async def drain(self, seconds: float) -> None:
        """Send every stream to another process at a steady pace, then end it; done within about *seconds*."""
        self.draining = True
        streams = self.open
        random.shuffle(streams)
        self._grace = min(GRACE, seconds / 3)
        span, start, asked = seconds - self._grace, self._clock(), 0
        while asked < len(streams) and self.open:
            share = (self._clock() - start) / span if span else 1.0
            due = min(len(streams), asked + _SLICE, 1 + int(share * len(streams)))
            async with self.turn:
                for stream in streams[asked:due]:
                    self.rotate(stream, self._grace)
            asked = max(asked, due)
            await self._emptied(_STEP)
        await self._emptied(self._grace)  # most leave as soon as their next stream is open
        late = self.open
        await self._finish(late, "drain")
        await self._sent(late)

    async def _emptied(self, seconds: float) -> None:
        """Wait until the last stream has left, *seconds* at most."""
        if self._crowds or self._opening:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()

    async def _sent(self, streams: Sequence[Stream]) -> None:
        """Wait until what was accepted has left, as long as an ended stream may take for it."""
        deadline = self._clock() + LINGER
        while any(stream.queued for stream in streams) and self._clock() < deadline:  # noqa: ASYNC110  of many, one wait
            await asyncio.sleep(_STEP)

    def rotate(self, stream: Stream, grace: float = GRACE) -> None:
        """Ask the client to open its next stream; this one stays live meanwhile and counts no more."""
        if stream.closed or stream.rotating:
            return
        stream.rotating = True
        stream.end_at = self._clock() + grace
        stream.slot.release()
        again = sse.retry(random.randint(200, 3_000))
        # Who is still being told what it missed goes on from where it stands, and not from the head.
        told = None if stream in self._opening else self.ring.head
        stream.write(stream.frame(again + sse.notice("rotate", cursor=told)))
