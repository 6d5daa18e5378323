"""The media process's Prometheus figures. Per-packet counts are kept as plain integers and moved here once a second."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class MediaMetrics:
    """All names start with `tellercast_media_`; no label carries a session or a person."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        prefix = "tellercast_media_"
        self.publishers = Gauge(prefix + "publishers", "Publishers connected", registry=registry)
        self.subscribers = Gauge(prefix + "subscribers", "Subscribers connected", registry=registry)
        self.peers_failed = Counter(prefix + "peers_failed", "Peers that never connected", registry=registry)
        self.received = Counter(prefix + "packets_received", "RTP packets received from publishers", registry=registry)
        self.forwarded = Counter(prefix + "packets_forwarded", "RTP packets sent to subscribers", registry=registry)
        self.dropped = Counter(prefix + "packets_dropped", "Packets not sent or not understood", ["why"], registry=registry)
        self.plis_sent = Counter(prefix + "keyframe_requests_sent", "PLIs sent to publishers", registry=registry)
        self.plis_received = Counter(prefix + "keyframe_requests_received", "PLIs and FIRs from subscribers", registry=registry)
        self.nacks_sent = Counter(prefix + "nacks_sent", "Packets asked again from publishers", registry=registry)
        self.nacks_received = Counter(prefix + "nacks_received", "Packets asked again by subscribers", registry=registry)
        self.retransmitted = Counter(prefix + "packets_retransmitted", "Packets sent again to subscribers", registry=registry)
        self.sink_failures = Counter(prefix + "sink_failures", "Recorder sinks dropped after an error", registry=registry)
        self.feed_backlog = Gauge(
            prefix + "feed_unacknowledged", "Feed records the web side has not acknowledged", registry=registry
        )
        self.feed_write_failures = Counter(
            prefix + "feed_write_failures", "Failed writes of the feed's file", registry=registry
        )
