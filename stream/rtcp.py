"""RTCP on the wire, through aiortc's public classes. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from stream.repair import Report
from stream.rtp import to_ntp64

_SDES_CNAME = 1
_NACKS_A_PACKET = 200


def parse(data: bytes) -> list[AnyRtcpPacket]:
    """The packets of a compound; raises ValueError for what can't be read."""
    try:
        return RtcpPacket.parse(data)
    except (struct.error, IndexError) as error:
        raise ValueError(str(error)) from error


def is_keyframe_request(packet: AnyRtcpPacket) -> bool:
    """PLI or FIR."""
    return isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR)


def nacked(packet: AnyRtcpPacket) -> list[int]:
    """The 16-bit numbers a NACK asks for; empty for anything else."""
    if not isinstance(packet, RtcpRtpfbPacket) or packet.fmt != RTCP_RTPFB_NACK:
        return []
    return [number & 0xFFFF for number in packet.lost]


def pli(ours: int, theirs: int) -> bytes:
    """A keyframe request."""
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=ours, media_ssrc=theirs))


def nack(ours: int, theirs: int, numbers: Sequence[int]) -> bytes:
    """A request to send packets again, by their unwrapped numbers in rising order."""
    lost = [number & 0xFFFF for number in numbers[:_NACKS_A_PACKET]]
    # aiortc packs by plain differences, so a run across the 16-bit wrap is cut in two there.
    cut = next((i for i in range(1, len(lost)) if lost[i] < lost[i - 1]), len(lost))
    parts = [lost[:cut], lost[cut:]]
    return b"".join(bytes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, ours, theirs, part)) for part in parts if part)


def receiver_report(ours: int, reports: Iterable[tuple[int, Report, int, int]], bitrate: int, advised: list[int]) -> bytes:
    """RR for each (ssrc, figures, last SR, delay since it in 1/65536 s), with REMB for the `advised` sources if any."""
    infos = [
        RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=r.fraction_lost,
            packets_lost=r.lost,
            highest_sequence=r.highest,
            jitter=r.jitter,
            lsr=lsr,
            dlsr=dlsr,
        )
        for ssrc, r, lsr, dlsr in reports
    ]
    data = bytes(RtcpRrPacket(ssrc=ours, reports=infos))
    if advised:
        data += bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ours, media_ssrc=0, fci=pack_remb_fci(bitrate, advised)))
    return data


def sender_report(ssrc: int, cname: str, wall: float, timestamp: int, packets: int, octets: int) -> bytes:
    """SR and SDES: our wall clock `wall` (Unix seconds) is `timestamp` on this source."""
    info = RtcpSenderInfo(to_ntp64(wall), timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    described = RtcpSourceInfo(ssrc=ssrc, items=[(_SDES_CNAME, cname.encode())])
    return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=info)) + bytes(RtcpSdesPacket(chunks=[described]))
