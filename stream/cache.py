"""A stream's recent packets: for whoever joins (since the last keyframe) and for whoever lost one. Pure and bounded."""

from __future__ import annotations

from stream.rtp import MediaPacket

# mediasoup keeps 2,500 packets or 2 s; 4 MiB holds 2 s of 16 Mb/s.
MAX_PACKETS = 2500
MAX_BYTES = 4 * 1024 * 1024
# What a joiner is sent at once: about 6 s of 2.5 Mb/s.
MAX_GROUP_PACKETS = 2000
MAX_GROUP_BYTES = 2 * 1024 * 1024


class PacketCache:
    """The packets of one kind of one stream. `group` is the picture so far: all since the last keyframe began, as they came.

    `group` is replaced, not emptied, when the next keyframe begins: who is replaying it sees that by identity.
    """

    def __init__(
        self,
        *,
        max_packets: int = MAX_PACKETS,
        max_bytes: int = MAX_BYTES,
        max_group_packets: int = MAX_GROUP_PACKETS,
        max_group_bytes: int = MAX_GROUP_BYTES,
    ) -> None:
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._max_group_packets = max_group_packets
        self._max_group_bytes = max_group_bytes
        self._run = 0
        self._highest = -1
        self._floor = -1
        self._kept: dict[int, MediaPacket] = {}
        self._bytes = 0
        self._group_bytes = 0
        self.group: list[MediaPacket] = []
        self.overflowed = False
        """The group grew past its bound and was given up: a joiner has to wait for a keyframe, so ask for one."""

    def add(self, packet: MediaPacket) -> bool:
        """Keeps a packet; False when it is a repeat or too old to tell, and must not be forwarded."""
        if packet.run != self._run:
            self._restart(packet.run)
        if packet.sequence in self._kept or packet.sequence <= max(self._floor, self._highest - self._max_packets):
            return False
        self._highest = max(self._highest, packet.sequence)
        self._kept[packet.sequence] = packet
        self._bytes += len(packet.payload)
        while len(self._kept) > self._max_packets or self._bytes > self._max_bytes:
            oldest = next(iter(self._kept))
            self._bytes -= len(self._kept.pop(oldest).payload)
            # What is forgotten must not come again with another content: see `stream/forwarding.py` on nonces.
            self._floor = max(self._floor, oldest)
        self._grow(packet)
        return True

    def begins_group(self, packet: MediaPacket) -> bool:
        """Whether this packet, just added, opened the current group."""
        return bool(self.group) and self.group[0] is packet

    def get(self, run: int, sequence: int) -> MediaPacket | None:
        """A kept packet by its unwrapped number."""
        return self._kept.get(sequence) if run == self._run else None

    def forget(self) -> None:
        """The source is gone: a joiner must not be shown its past as the present."""
        self._restart(self._run)

    def _restart(self, run: int) -> None:
        self._run = run
        self._highest = -1
        self._floor = -1
        self._kept = {}
        self._bytes = 0
        self._group_bytes = 0
        self.group = []
        self.overflowed = False

    def _grow(self, packet: MediaPacket) -> None:
        newer = not self.group or packet.sequence > self.group[0].sequence
        if packet.keyframe and newer and (not self.group or packet.timestamp != self.group[0].timestamp):
            self.group = [packet]
            self._group_bytes = len(packet.payload)
            self.overflowed = False
            return
        if not self.group or not newer:
            return
        self.group.append(packet)
        self._group_bytes += len(packet.payload)
        if len(self.group) > self._max_group_packets or self._group_bytes > self._max_group_bytes:
            self.group = []
            self._group_bytes = 0
            self.overflowed = True
