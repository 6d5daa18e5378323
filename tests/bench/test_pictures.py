"""The show's packets are all of one size and still real H.264 and Opus."""

from __future__ import annotations

import av
import pytest

from bench.pictures import AUDIO_BYTES, GROUP, PACKETS_A_FRAME, VIDEO_BYTES, group, opus, packetise
from stream.h264 import IDR, PPS, SPS, is_keyframe, nal_types


def annex_b(payloads: list[bytes]) -> bytes:
    """What a receiver hands to its decoder (RFC 6184 sections 5.7.1 and 5.8)."""
    out = bytearray()
    for payload in payloads:
        if payload[0] & 0x1F == 24:
            at = 1
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2])
                out += b"\0\0\0\1" + payload[at + 2 : at + 2 + size]
                at += 2 + size
            continue
        if payload[1] & 0x80:
            out += b"\0\0\0\1" + bytes(((payload[0] & 0xE0) | (payload[1] & 0x1F),))
        out += payload[2:]
    return bytes(out)


def test_every_frame_is_five_packets_of_one_size_and_decodes() -> None:
    frames = group()
    assert len(frames) == GROUP
    assert {len(frame) for frame in frames} == {PACKETS_A_FRAME}
    assert {len(payload) for frame in frames for payload in frame} == {VIDEO_BYTES}
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoded = [picture for frame in frames for picture in decoder.decode(av.Packet(annex_b(frame)))] + decoder.decode(None)
    assert len(decoded) == GROUP
    assert {(picture.width, picture.height) for picture in decoded} == {(640, 360)}


def test_only_the_first_frame_begins_a_group() -> None:
    first, *others = group()
    assert set(nal_types(first[0])) >= {SPS, PPS}
    assert IDR in nal_types(first[1])
    assert not any(is_keyframe(payload) for frame in others for payload in frame)


def test_a_picture_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="unit of"):
        packetise([bytes((0x61,)) * (5 * 98 + 2)], 100)


def test_the_sound_decodes_whatever_stands_in_its_last_bytes() -> None:
    decoder = av.CodecContext.create("opus", "r")
    decoder.extradata = b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"
    assert isinstance(decoder, av.AudioCodecContext)
    packet = opus()
    assert len(packet) == AUDIO_BYTES
    (sound,) = decoder.decode(av.Packet(packet[:-16] + b"sixteen bytes ..."[:16]))
    assert (sound.samples, sound.sample_rate) == (960, 48_000)
