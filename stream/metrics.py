"""The media process's Prometheus figures. What happens per packet is counted in plain integers and moved here once a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX = "tellercast_media_"
_COLLECTION_BUCKETS = (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1)
_LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1)
# Streams told one by one, those with the most subscribers first: each is a dozen lines.
_STREAMS_TOLD = 100


@dataclass(slots=True)
class Totals:
    """What one stream's subscribers have been sent and have asked for, since the stream began."""

    packets: int = 0
    octets: int = 0
    nacks: int = 0
    repeats: int = 0
    keyframe_requests: int = 0

    def since(self, before: Totals) -> Totals:
        """What has been added since `before`."""
        return Totals(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(Totals)))


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream as it stands. Rates in bits per second, loss as a fraction of what was sent lately, 0 to 1."""

    session: str
    stream: str
    subscribers: int
    totals: Totals
    rates: dict[str, float]
    loss: float


class MediaMetrics:
    """All names start with `tellercast_media_`; no label carries a person."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.streams: Sequence[StreamFigures] = ()
        """The streams one by one, as they stood a moment ago; a scrape tells of the hundred largest."""
        registry.register(_Streams(self))
        prefix = _PREFIX
        self.publishers = Gauge(prefix + "publishers", "Publishers connected", registry=registry)
        self.subscribers = Gauge(prefix + "subscribers", "Subscribers connected", registry=registry)
        self.peers_failed = Counter(prefix + "peers_failed", "Peers that never connected", registry=registry)
        self.refused = Counter(prefix + "subscribers_refused", "Subscribers turned away", ["why"], registry=registry)
        self.received = Counter(prefix + "packets_received", "RTP packets received from publishers", registry=registry)
        self.forwarded = Counter(prefix + "packets_forwarded", "RTP packets sent to subscribers", registry=registry)
        self.forwarded_bytes = Counter(prefix + "bytes_forwarded", "RTP payload sent to subscribers", registry=registry)
        self.dropped = Counter(prefix + "packets_dropped", "Packets not sent or not understood", ["why"], registry=registry)
        self.plis_sent = Counter(prefix + "keyframe_requests_sent", "PLIs sent to publishers", registry=registry)
        self.plis_received = Counter(prefix + "keyframe_requests_received", "PLIs and FIRs from subscribers", registry=registry)
        self.nacks_sent = Counter(prefix + "nacks_sent", "Packets asked again from publishers", registry=registry)
        self.nacks_received = Counter(prefix + "nacks_received", "Packets asked again by subscribers", registry=registry)
        self.retransmitted = Counter(prefix + "packets_retransmitted", "Packets sent again to subscribers", registry=registry)
        self.sink_failures = Counter(prefix + "sink_failures", "Recorder sinks dropped after an error", registry=registry)
        self.relays = Gauge(prefix + "relays", "Streams being sent to other media processes", registry=registry)
        self.relays_cut = Counter(prefix + "relays_cut", "Relays ended because the other was too slow", registry=registry)
        self.lag = Histogram(
            prefix + "loop_lag_seconds", "How late timers fire, fifty times a second", buckets=_LAG_BUCKETS, registry=registry
        )
        self.collections = Histogram(
            prefix + "collection_seconds",
            "How long Python's garbage collections held everything up",
            ["generation"],
            buckets=_COLLECTION_BUCKETS,
            registry=registry,
        )
        self.feed_backlog = Gauge(
            prefix + "feed_unacknowledged", "Feed records the web side has not acknowledged", registry=registry
        )
        self.feed_write_failures = Counter(
            prefix + "feed_write_failures", "Failed writes of the feed's file", registry=registry
        )

    def count(self, added: Totals) -> None:
        """Moves what subscribers were sent and asked for into the sums."""
        self.forwarded.inc(added.packets)
        self.forwarded_bytes.inc(added.octets)
        self.nacks_received.inc(added.nacks)
        self.retransmitted.inc(added.repeats)
        self.plis_received.inc(added.keyframe_requests)


class _Streams(Collector):
    """Runs in whatever thread scrapes, so it touches nothing that changes."""

    def __init__(self, metrics: MediaMetrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()  # the streams change; without this the registry would ask for them to learn the names

    def collect(self) -> Iterable[Metric]:
        largest = sorted(self._metrics.streams, key=lambda one: -one.subscribers)[:_STREAMS_TOLD]
        names, prefix = ("session", "stream"), _PREFIX + "stream_"
        subscribers = GaugeMetricFamily(prefix + "subscribers", "Subscribers of a stream", labels=names)
        loss = GaugeMetricFamily(prefix + "loss_ratio", "Lost on the way to its subscribers, lately", labels=names)
        rates = GaugeMetricFamily(prefix + "bits_per_second", "What its publisher sends", labels=(*names, "lane"))
        counters = {
            field.name: CounterMetricFamily(prefix + field.name, f"{field.name} of a stream, to its subscribers", labels=names)
            for field in fields(Totals)
        }
        for one in largest:
            labels = (one.session, one.stream)
            subscribers.add_metric(labels, one.subscribers)
            loss.add_metric(labels, one.loss)
            for lane, rate in one.rates.items():
                rates.add_metric((*labels, lane), rate)
            for name, family in counters.items():
                family.add_metric(labels, getattr(one.totals, name))
        yield from (subscribers, loss, rates, *counters.values())
