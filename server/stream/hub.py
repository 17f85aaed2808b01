"""The fan-out: each event is encoded once, and the same bytes go to every stream that wants it.

Streams join between two events. While no fan-out runs, every joined stream has been sent everything up to
`replay_buffer.head`, so one number is the cursor of them all.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from time import time

from server.access.authentication import Credential
from server.stream import sse
from server.stream.connection import Stream
from server.stream.deadlines import Deadlines
from server.stream.fan_out import FanOutLock, TimeSlice
from server.stream.filter_group import FilterGroup
from server.stream.histogram import Histogram
from server.stream.replay_buffer import ReplayBuffer
from workitems.base.log import get_logger
from workitems.feed.event import Cursor, Event, blank_events_of, removed_items
from workitems.settings import StreamSettings

log = get_logger("hub")

#: Bytes of events that are kept in memory for returning streams.
_REPLAY_BUFFER_BYTES = 16 * 1024 * 1024


class Hub:
    """Knows all streams of this process, and what they have been sent."""

    def __init__(self, settings: StreamSettings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.replay_buffer = ReplayBuffer(settings.max_replay_events, _REPLAY_BUFFER_BYTES)
        self.deadlines = Deadlines(settings, self.replay_buffer, clock=clock)
        #: Held while events go out; joining, heartbeats and rotation wait for it.
        self.fan_out_lock = FanOutLock()
        self.counts: Counter[str] = Counter()
        #: Seconds from the publishing of an event until it was written to the last stream.
        self.delivery_lag = Histogram()
        #: The longest time in seconds for which a fan-out held the event loop; the reader sets it to 0.
        self.longest_hold = 0.0
        #: Set when the head of the feed is known: before that no stream can be answered.
        self.ready = asyncio.Event()
        self._empty = asyncio.Event()
        self._clock = clock
        self._groups: defaultdict[sse.StreamFilter, FilterGroup] = defaultdict(
            lambda: FilterGroup(self.deadlines.watch_stall)
        )
        #: The streams in replay, in a dictionary for its order.
        self._in_replay: dict[Stream, None] = {}
        #: (event, mailbox, subkey) → the newest message, for streams that join later.
        self._states: dict[tuple[str, str, str], bytes] = {}

    @property
    def joined_streams(self) -> list[Stream]:
        """The streams that get each new event."""
        return [stream for group in self._groups.values() for stream in group]

    @property
    def open_streams(self) -> list[Stream]:
        """All streams, those in replay included."""
        return [*self.joined_streams, *self._in_replay]

    @property
    def is_draining(self) -> bool:
        return self.deadlines.is_draining

    def register(self, stream: Stream) -> None:
        """Take up a new stream, which is in replay until it joins."""
        self.counts["opened"] += 1
        self.deadlines.start(stream)
        if not stream.is_closed:
            self._in_replay[stream] = None
            self._empty.clear()

    def join(self, stream: Stream) -> None:
        """Send *stream* from now on what comes after `replay_buffer.head`. The caller has sent it everything before."""
        self._in_replay.pop(stream, None)
        if stream.is_closed:
            return
        self._groups[stream.filter].add(stream)
        states = b"".join(
            state for (_, mailbox, _), state in self._states.items() if stream.filter.accepts_mailbox(mailbox)
        )
        if states:
            stream.write(stream.encode_payload(states))
        self.deadlines.watch(stream)

    def on_stream_end(self, stream: Stream, reason: str) -> None:
        """Forget a stream that has ended. It calls this itself, once."""
        self.counts[f"closed_{reason}"] += 1
        self._in_replay.pop(stream, None)
        if stream.lifetime_timer is not None:
            stream.lifetime_timer.cancel()
            stream.lifetime_timer = None
        group = self._groups.get(stream.filter)
        if group is not None:
            group.remove(stream)
            if not group:
                del self._groups[stream.filter]
        if not self._groups and not self._in_replay:
            self._empty.set()
        seconds = round(self._clock() - stream.opened_at, 1)
        log.info(
            "stream ended",
            id=stream.id,
            user=stream.slot.user,
            why=reason,
            seconds=seconds,
            bytes=stream.acknowledged_bytes(),
        )

    async def fan_out(self, events: Sequence[Event]) -> None:
        """Send what follows `replay_buffer.head`, in one write for each stream; of a removed item only its removal."""
        async with self.fan_out_lock:
            if items := removed_items(events):
                self.replay_buffer.erase_items(items)
                events = blank_events_of(events, items)
            self.replay_buffer.extend(events)
            self.counts["events"] += len(events)
            await self._deliver(self._select(events))
            now = time()
            for event in events:
                if event.published_at_ms:  # unknown of an entry that could not be decoded
                    self.delivery_lag.observe(max(0.0, now - event.published_at_ms / 1000))

    def _select(self, events: Sequence[Event]) -> Iterator[tuple[FilterGroup, bytes]]:
        """Yield each group with what its filter wants of *events*, which are encoded once for all."""
        encoded = [sse.encode_event(event) for event in events]
        for wanted, group in list(self._groups.items()):
            yield group, wanted.select_all(events, encoded)

    async def reset(self, reason: str, head: Cursor) -> None:
        """Send `reset` to every stream after a loss: its client loads the list again and continues from *head*."""
        async with self.fan_out_lock:
            self.replay_buffer.restart(head)
            self.counts[f"reset_{reason}"] += len(self.joined_streams)
            notice = sse.encode_notice("reset", cursor=head, reason=reason, head=str(head))
            await self._deliver((group, notice) for group in list(self._groups.values()))

    async def publish_state(
        self, name: str, value: dict[str, object], *, is_default: bool = False, mailbox: str = "", subkey: str = ""
    ) -> None:
        """Send a state event, of which only the newest counts; streams that join later get it too, unless *is_default*.

        A state of a *mailbox* goes to the streams that want that mailbox. *subkey* distinguishes several states of one.
        """
        payload, key = sse.encode_notice(name, data=value), (name, mailbox, subkey)
        async with self.fan_out_lock:
            if is_default:
                self._states.pop(key, None)
            else:
                self._states[key] = payload
            groups = [group for wanted, group in self._groups.items() if wanted.accepts_mailbox(mailbox)]
            await self._deliver(((group, payload) for group in groups), kind=key)

    async def _deliver(self, payloads: Iterable[tuple[FilterGroup, bytes]], *, kind: Hashable = None) -> None:
        """Send each group its payload, and let others have the loop in between."""
        time_slice = TimeSlice(self._clock)
        for group, payload in payloads:
            if payload:
                self.counts["deliveries"] += await group.deliver(payload, time_slice, kind=kind)
            if time_slice.is_used_up():
                await time_slice.yield_loop()
        self.longest_hold = max(self.longest_hold, time_slice.stop())

    async def end_revoked(self, credentials: Collection[Credential]) -> None:
        """End the streams of *credentials* that may no longer read: their clients come back and are refused."""
        await self.finish([stream for stream in self.open_streams if stream.credential in credentials], "revoked")

    async def finish(self, streams: Sequence[Stream], reason: str) -> None:
        """End *streams* properly, without holding the loop."""
        async with self.fan_out_lock:
            time_slice = TimeSlice(self._clock)
            for stream in streams:
                stream.finish(reason)
                if time_slice.is_used_up():
                    await time_slice.yield_loop()

    async def run(self) -> None:
        """Do what is due: heartbeats, rotation and slow readers. Never returns."""
        await self.deadlines.wheel.run(lock=self.fan_out_lock)

    async def wait_empty(self, seconds: float) -> None:
        """Wait until the last stream has left, for *seconds* at most."""
        if self._groups or self._in_replay:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
