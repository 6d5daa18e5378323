"""One stream: at most one publisher, any number of subscribers, and the packets between them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

import structlog

from stream.fanout import Audience, Flow
from stream.forwarding import Entry, LaneName
from stream.lane import Lane
from stream.metrics import StreamFigures, Totals
from stream.origin import Origin
from stream.rtp import MediaPacket
from stream.sink import Kind, StreamKey
from stream.subscriber import Subscriber

_log = structlog.get_logger(__name__)

FlowName = Literal["high", "low", "sound"]


class Channel:
    """Subscribers stay when the publisher goes; the next one's packets continue the same numbers."""

    def __init__(self, key: StreamKey) -> None:
        self.key = key
        self.publisher: Origin | None = None
        self.subscribers: dict[Subscriber, None] = {}
        self.totals = Totals()
        self._counted = Totals()
        names: tuple[LaneName, ...] = ("audio", "high", "low")
        self.lanes: dict[LaneName, Lane] = {name: Lane(name) for name in names}
        self._flows: dict[FlowName, Flow] = {
            "high": Flow(self.lanes["high"], self.totals),
            "low": Flow(self.lanes["low"], self.totals),
            "sound": Flow(None, self.totals),
        }
        self._places: dict[Subscriber, tuple[FlowName, Audience]] = {}
        self._waiting: dict[LaneName, dict[Subscriber, None]] = {name: {} for name in names}
        self._ssrcs: dict[tuple[Kind, bool], int] = {}

    @property
    def empty(self) -> bool:
        return self.publisher is None and not self.subscribers

    def uncounted(self) -> Totals:
        """What has been added to the totals since this was asked last."""
        added = self.totals.since(self._counted)
        self._counted = replace(self.totals)
        return added

    def figures(self, now: float) -> StreamFigures:
        """How the stream stands."""
        lost = [subscriber.lost for subscriber in self.subscribers]
        return StreamFigures(
            self.key.session,
            self.key.stream,
            len(lost),
            replace(self.totals),
            {name: lane.rate for name, lane in self.lanes.items() if lane.alive(now)},
            sum(lost) / len(lost) if lost else 0.0,
        )

    def ssrc(self, kind: Kind, repeats: bool = False) -> int:
        """Our source towards every subscriber: one for all, so that they share headers."""
        known = self._ssrcs.get((kind, repeats), 0)
        while not known or (known in self._ssrcs.values() and (kind, repeats) not in self._ssrcs):
            known = secrets.randbits(32)
        self._ssrcs[kind, repeats] = known
        return known

    def replace(self, publisher: Origin) -> Origin | None:
        """The new publisher takes the stream; returns the one it takes it from."""
        before = self.release(self.publisher) if self.publisher is not None else None
        self.publisher = publisher
        publisher.on_packet = self.push
        return before

    def release(self, publisher: Origin) -> Origin:
        """The publisher sends no more."""
        publisher.on_packet = None
        if self.publisher is publisher:
            self.publisher = None
            self.flush()
            for lane in self.lanes.values():
                lane.forget()
        return publisher

    def join(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None
        subscriber.join(self)

    def leave(self, subscriber: Subscriber) -> None:
        self.subscribers.pop(subscriber, None)
        self.wait(subscriber, None)
        try:
            self._settle(subscriber, None)
        finally:
            subscriber.leave()

    def request_keyframe(self, lane: LaneName = "high") -> None:
        if self.publisher is not None:
            self.publisher.request_keyframe(low=lane == "low")

    def wait(self, subscriber: Subscriber, lane: LaneName | None) -> None:
        """The subscriber begins at that video lane's next keyframe (`Subscriber.begin`); None: at none."""
        for waiting in self._waiting.values():
            waiting.pop(subscriber, None)
        if lane is not None:
            self._waiting[lane][subscriber] = None

    def settle(self, subscriber: Subscriber) -> None:
        """The subscriber's place may have changed: what it gets from now on."""
        self._settle(subscriber, subscriber.place() if subscriber in self.subscribers else None)

    def _settle(self, subscriber: Subscriber, place: tuple[FlowName, Audience] | None) -> None:
        before = self._places.get(subscriber)
        if before == place:
            return
        if before is not None:
            del self._places[subscriber]
            self._flows[before[0]].remove(subscriber, before[1])
        if place is not None:
            self._places[subscriber] = place
            self._flows[place[0]].add(subscriber, place[1])

    def push(self, packet: MediaPacket) -> bool:
        """Hands a packet to everyone; False when it came before. One subscriber's failure ends that subscriber only."""
        lane = self.lanes["audio" if packet.kind == "audio" else "low" if packet.low else "high"]
        if not lane.accept(packet):
            return False
        if lane.cache.overflowed:
            lane.cache.overflowed = False
            self.request_keyframe(lane.name)
        entry = lane.place(packet)
        if entry is None:
            return True
        late = not lane.numbering.advance(entry)
        if lane.cache.begins_group(packet):
            self.flush()  # the end of the picture before is nobody's who begins with this one, now or by a replay
            waiting, self._waiting[lane.name] = self._waiting[lane.name], {}
            _each(waiting, Subscriber.begin, lane, entry)
        if late:
            _each(self.subscribers, Subscriber.late, lane, entry)
        elif lane.name == "audio":
            for flow in self._flows.values():
                flow.put(entry)
        else:
            self._flows["low" if lane.name == "low" else "high"].put(entry)
        return True

    def flush(self) -> None:
        """Sends what waits for its frame to be complete."""
        for flow in self._flows.values():
            flow.flush()


def _each(subscribers: Iterable[Subscriber], act: Callable[[Subscriber, Lane, Entry], None], lane: Lane, entry: Entry) -> None:
    for subscriber in subscribers:
        try:
            act(subscriber, lane, entry)
        except Exception:
            _log.exception("subscriber_failed", session=subscriber.key.session, stream=subscriber.key.stream)
            if subscriber.peer is not None:
                subscriber.peer.end("failed")
