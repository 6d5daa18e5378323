"""One row of packets of a channel: its sound, its video, or its lower video."""

from __future__ import annotations

import secrets

from stream.cache import PacketCache
from stream.forwarding import Entry, LaneName, Numbering
from stream.rtp import MediaPacket
from stream.sink import Kind

KINDS: dict[LaneName, Kind] = {"audio": "audio", "high": "video", "low": "video"}

# Sound is repeated, never replayed: 4 s of 20 ms packets.
_AUDIO_PACKETS = 200
_CLOCK_RATES: dict[Kind, int] = {"audio": 48_000, "video": 90_000}
# A publisher sends at least a frame a second; one that sends none has stopped this video.
_SILENT_S = 2.0
_RATE_S = 1.0


class Lane:
    """Keeps and numbers what comes. `sent` is the position up to which everything has gone out to whoever follows the lane."""

    def __init__(self, name: LaneName) -> None:
        self.name = name
        self.kind = KINDS[name]
        self.cache = PacketCache(max_packets=_AUDIO_PACKETS) if name == "audio" else PacketCache()
        self.numbering = Numbering(
            _CLOCK_RATES[self.kind], first_position=0x10000 + secrets.randbits(15), first_time=secrets.randbits(31)
        )
        self.sent = -1
        self.rate = 0.0
        """Bits per second of payload, over the last second or so."""
        self._octets = 0
        self._rate_at: float | None = None
        self._heard_at: float | None = None

    def accept(self, packet: MediaPacket) -> bool:
        """Keeps a packet; False when it came before or is too old to tell, and must not go on."""
        if not self.cache.add(packet):
            return False
        self._measure(packet)
        return True

    def place(self, packet: MediaPacket) -> Entry | None:
        """The accepted packet's place, None when it is to be left out: a decoder has to begin at a keyframe."""
        numbering = self.numbering
        if numbering.run != packet.run:
            if self.kind == "video" and not self.cache.begins_group(packet):
                return None
            numbering.begin(packet.run, packet.sequence, packet.timestamp, packet.at)
        return numbering.place(packet)

    def frames(self) -> list[int]:
        """The distinct times of the picture so far, as they came. Only of what has been sent to all: what waits comes live."""
        placed = [entry for packet in self.cache.group if (entry := self.numbering.place(packet)) is not None]
        sent = [entry for entry in placed if entry.position <= self.sent]
        return list(dict.fromkeys(entry.time for entry in sent or placed[:1]))

    def get(self, position: int) -> MediaPacket | None:
        """The kept packet of that position."""
        sequence = self.numbering.sequence_of(position)
        run = self.numbering.run
        return None if sequence is None or run is None else self.cache.get(run, sequence)

    def alive(self, now: float) -> bool:
        """Whether packets are coming."""
        return self._heard_at is not None and now - self._heard_at < _SILENT_S

    def forget(self) -> None:
        """The source is gone."""
        self.cache.forget()
        self._heard_at = self._rate_at = None
        self._octets = 0

    def _measure(self, packet: MediaPacket) -> None:
        self._heard_at = packet.at
        self._octets += len(packet.payload)
        if self._rate_at is None:
            self._rate_at, self._octets = packet.at, 0
        elif packet.at - self._rate_at >= _RATE_S:
            self.rate = self._octets * 8 / (packet.at - self._rate_at)
            self._rate_at, self._octets = packet.at, 0
