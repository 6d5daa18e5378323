"""One kind of media on its way to one subscriber: where in its lane it is, and how its packets look."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping
from typing import NamedTuple

from stream import rtcp
from stream.fanout import sealable
from stream.forwarding import Entry, LaneName, Path, Segment
from stream.lane import Lane
from stream.repair import SenderClock
from stream.reporting import ReportTimes
from stream.roster import Target
from stream.rtp import MediaPacket, header, padded
from stream.sdp import Track
from stream.srtp import Sealable, number


class When(NamedTuple):
    """The moment of a sender report: monotonic seconds, Unix seconds, whether the line is lossy, and who sends."""

    now: float
    wall: float
    lossy: bool
    cname: str


class Leg:
    """One kind of media on its way to one subscriber. `live`: its packets come with everybody's."""

    __slots__ = (
        "_reports", "cursor", "group", "lane", "live", "octets", "packets", "path", "repeat_index", "repeated", "track",
    )  # fmt: skip

    def __init__(self, track: Track) -> None:
        self.track = track
        self.path = Path(track.clock_rate)
        self.lane: Lane | None = None
        self.live = False
        self.group: list[MediaPacket] | None = None
        """The group being replayed, from `cursor` on."""
        self.cursor = 0
        self._reports = ReportTimes()
        self.packets = 0
        self.octets = 0
        self.repeated: dict[int, float] = {}
        self.repeat_index = secrets.randbelow(0x4000)
        """The next number of the source of repeats (RFC 4588)."""

    def target(self) -> Target | None:
        segment = self.path.segment
        if not self.live or segment is None:
            return None
        return Target(self.track.ssrc, self.track.payload_type, segment.shift, segment.time_shift)

    @property
    def follows(self) -> bool:
        """Whether it gets the lane it is meant to."""
        segment = self.path.segment
        return self.live and self.lane is not None and segment is not None and segment.lane == self.lane.name

    def ready(self, segment: Segment, entry: Entry) -> Sealable | None:
        """A packet with a header of this leg's own, None when it lies before the segment."""
        placed = segment.place(entry.position, entry.time)
        if placed is None:
            return None
        target = Target(self.track.ssrc, self.track.payload_type, segment.shift, segment.time_shift)
        return sealable(entry, target, placed[1])

    def repeat(self, segment: Segment, entry: Entry) -> Sealable | None:
        """The packet once more: as an RTX packet (RFC 4588) if agreed, else just as it was."""
        track, packet = self.track, entry.packet
        placed = segment.place(entry.position, entry.time)
        if placed is None or track.rtx is None:
            return self.ready(segment, entry)
        payload = struct.pack("!H", placed[0] & 0xFFFF) + padded(packet.payload, packet.padding)
        index, self.repeat_index = self.repeat_index, self.repeat_index + 1
        head = header(track.rtx, packet.marker, index, placed[1], track.rtx_ssrc, padded=packet.padding > 0)
        return Sealable(head, payload, number(track.rtx_ssrc, index))

    def report(self, lanes: Mapping[LaneName, Lane], senders: SenderClock, sent: tuple[int, int], when: When) -> bytes:
        """A sender report where one is due and there is something to tell. `sent`: packets and bytes of payload."""
        segment = self.path.segment
        if segment is None or not sent[0]:
            return b""
        numbering = lanes[segment.lane].numbering
        if not self._reports.due(when.now, (segment.lane, numbering.run, segment.time_shift), lossy=when.lossy):
            return b""
        source = senders.at("low" if segment.lane == "low" else self.track.kind, when.wall)
        time = numbering.time_of(numbering.run, source) if source is not None and numbering.run is not None else None
        stamp = self.path.time_of(time) if time is not None else None
        if stamp is None:
            return b""
        self._reports.sent(when.now)
        return rtcp.sender_report(self.track.ssrc, when.cname, when.wall, stamp, *sent)
