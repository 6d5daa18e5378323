"""RTP, H.264 and SRTP on the wire."""

from __future__ import annotations

import os

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from stream import h264, rtcp, rtp
from stream.errors import SrtpError
from stream.srtp import Batch, Sealable, SrtpKeys, SrtpLink, number


@given(st.binary(max_size=200))
def test_reading_rtp_never_fails_but_by_value_error(data: bytes) -> None:
    try:
        parsed = rtp.parse(data)
    except ValueError:
        return
    assert len(parsed.payload) <= len(data)


@given(
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, rtp.MASK32),
    st.integers(0, rtp.MASK32),
    st.binary(),
)
def test_a_written_header_is_read_back(
    number: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    data = rtp.header(number, marker, sequence + 0x50000, timestamp, ssrc) + payload
    assert rtp.parse(data) == (marker, number, sequence, timestamp, ssrc, payload)


def test_extensions_and_padding_are_removed() -> None:
    packet = RtpPacket(payload_type=96, sequence_number=5, timestamp=6, ssrc=7, payload=b"media")
    packet.padding_size = 4
    data = bytearray(packet.serialize())
    data[0] |= 0x10
    data[12:12] = b"\xbe\xde\x00\x01\x10\x41\x00\x00"
    assert rtp.parse(bytes(data)).payload == b"media"


@pytest.mark.parametrize(
    ("profile", "elements", "found"),
    [
        (b"\xbe\xde", b"\x10\xaa\x31\x12\x34\x00\x00\x00", b"\x12\x34"),
        (b"\xbe\xde", b"\x00\x00\x31\x12\x34\x00\x00\x00", b"\x12\x34"),
        (b"\xbe\xde", b"\xf0\x31\x12\x34", b""),  # 15 ends them
        (b"\xbe\xde", b"\x10\xaa\x35\x12", b""),  # longer than there is room
        (b"\xbe\xde", b"\x00\x00\x00\x31", b""),
        (b"\x10\x05", b"\x01\x00\x03\x02\x12\x34\x00\x00", b"\x12\x34"),
        (b"\x10\x00", b"\x00\x00\x00\x03", b""),
        (b"\x12\x34", b"\x31\x12\x34\x00", b""),
        (b"\xbe\xde", b"", b""),
    ],
)
def test_a_header_extension_is_found_in_either_form(profile: bytes, elements: bytes, found: bytes) -> None:
    head = bytearray(rtp.header(96, False, 1, 2, 3))
    assert rtp.extension(bytes(head), 3) == b""
    head[0] |= 0x10
    data = bytes(head) + profile + (len(elements) // 4).to_bytes(2) + elements + b"media"
    assert rtp.parse(data).payload == b"media"
    assert rtp.extension(data, 3) == found


@given(st.sampled_from([b"\xbe\xde", b"\x10\x00"]), st.integers(0, 12), st.binary(max_size=40), st.integers(1, 255))
def test_reading_header_extensions_never_fails(profile: bytes, words: int, rest: bytes, number: int) -> None:
    data = b"\x90" + rtp.header(96, False, 1, 2, 3)[1:] + profile + words.to_bytes(2) + rest
    try:
        rtp.parse(data)
    except ValueError:
        return
    assert rtp.extension(data, number) in data


@given(st.binary(max_size=120))
def test_reading_nal_types_never_fails(payload: bytes) -> None:
    h264.is_keyframe(payload)


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x65\x88", True),
        (b"\x67\x42", True),
        (b"\x61\x9a", False),
        (b"\x78\x00\x02\x67\x42\x00\x02\x68\xce\x00\x02\x65\x88", True),
        (b"\x78\x00\x02\x61\x42", False),
        (b"\x7c\x85\x88", True),
        (b"\x7c\x05\x88", False),
        (b"\x7c\x81\x88", False),
        (b"\x7c", False),
        (b"", False),
    ],
)
def test_keyframes_are_known_in_every_packing(payload: bytes, keyframe: bool) -> None:
    assert h264.is_keyframe(payload) is keyframe


PROFILES = [
    (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, True),
    (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, True),
    (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, False),
]


@pytest.mark.parametrize(("profile", "key", "salt", "gcm"), PROFILES)
def test_what_we_seal_libsrtp_opens_over_a_rollover(profile: int, key: int, salt: int, gcm: bool) -> None:
    ours, theirs = os.urandom(key + salt), os.urandom(key + salt)
    link = SrtpLink(SrtpKeys(profile, key, gcm, ours, theirs))
    receiver = Session(Policy(key=ours, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
    for index in range(0xFFF0, 0x10010):
        head = rtp.header(96, False, index, index * 3000, 0xDEADBEEF)
        batch = Batch.of([Sealable(head, b"picture", number(0xDEADBEEF, index))])
        sealed = b"".join(link.seal(batch))
        assert len(sealed) == len(head) + len(b"picture") + link.seal.overhead
        assert receiver.unprotect(sealed) == head + b"picture"
        assert b"".join(link.seal(batch)) == sealed
    assert receiver.unprotect_rtcp(link.seal_rtcp(rtcp.pli(1, 2))) == rtcp.pli(1, 2)


def test_a_forged_packet_is_refused() -> None:
    link = SrtpLink(SrtpKeys(PROFILES[0][0], 16, True, bytes(28), bytes(28)))
    with pytest.raises(SrtpError):
        link.open_rtp(rtp.header(96, False, 1, 1, 1) + bytes(40))
    with pytest.raises(SrtpError):
        link.open_rtcp(rtcp.pli(1, 2) + bytes(30))
    with pytest.raises(SrtpError):
        link.open_rtp(bytes(4000))


def test_a_peer_has_a_handful_of_sources_and_no_more() -> None:
    profile, key, salt, gcm = PROFILES[0]
    secret = bytes(range(key + salt))
    link = SrtpLink(SrtpKeys(profile, key, gcm, secret, secret))
    sender = Session(Policy(key=secret, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
    packets = [sender.protect(rtp.header(96, False, 1, 0, ssrc) + b"x") for ssrc in range(1, 40)]
    for data in packets[:32]:
        link.open_rtp(data)
    with pytest.raises(SrtpError, match="sources"):
        link.open_rtp(packets[32])
    with pytest.raises(SrtpError, match="sources"):
        link.open_rtcp(sender.protect_rtcp(rtcp.pli(1000, 1)))
    link.open_rtp(sender.protect(rtp.header(96, False, 2, 0, 5) + b"x"))


@pytest.mark.parametrize(("profile", "key", "salt", "gcm"), PROFILES)
def test_the_longest_packet_a_peer_can_send_can_be_sent_on(profile: int, key: int, salt: int, gcm: bool) -> None:
    link = SrtpLink(SrtpKeys(profile, key, gcm, bytes(range(key + salt)), bytes(key + salt)))
    sealed = b"".join(link.seal(Batch.of([Sealable(rtp.header(96, False, 1, 0, 7), bytes(1472), number(7, 1))])))
    assert len(sealed) <= 1500
