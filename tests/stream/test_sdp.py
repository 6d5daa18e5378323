"""Reading offers and writing answers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from stream.errors import BAD_OFFER, UNSUPPORTED_MEDIA
from stream.ice import Credentials
from stream.offer import parse_offer
from stream.sdp import LocalTransport, negotiate_publish, negotiate_subscribe, read_fragment

LOCAL = LocalTransport(Credentials("abcd1234", "p" * 32), "AA:BB", ("192.0.2.7", "127.0.0.1"), 40_000)
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
HEAD = [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0 1",
    "a=ice-ufrag:user",
    "a=ice-pwd:" + "x" * 24,
    FINGERPRINT,
]
AUDIO = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 9",
    "a=mid:0",
    "a=sendonly",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=setup:actpass",
]
VIDEO = [
    "m=video 9 UDP/TLS/RTP/SAVPF 96 102 104 108",
    "a=mid:1",
    "a=sendonly",
    "a=rtcp-mux",
    "a=setup:actpass",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:102 H264/90000",
    "a=fmtp:102 packetization-mode=1;profile-level-id=64001f",
    "a=rtpmap:104 H264/90000",
    "a=fmtp:104 packetization-mode=0;profile-level-id=42e01f",
    "a=rtpmap:108 H264/90000",
    "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42E01F",
    "a=rtcp-fb:* nack",
    "a=rtcp-fb:108 nack pli",
    "a=rtcp-fb:108 transport-cc",
]


def offer(*parts: list[str]) -> str:
    return "\r\n".join(line for part in parts for line in part) + "\r\n"


def test_a_publisher_is_answered_with_one_format_a_track() -> None:
    agreed = negotiate_publish(offer(HEAD, AUDIO, VIDEO), "host")
    answer = agreed.answer(LOCAL, 7)
    assert {t.kind: t.payload_type for t in agreed.tracks} == {"audio": 111, "video": 108}
    assert agreed.dtls_role == "server"
    assert answer.count("a=recvonly") == 2
    assert answer.count("a=setup:passive") == 2
    assert "a=ice-lite\r\n" in answer
    assert "a=group:BUNDLE 0 1\r\n" in answer
    assert re.findall(r"a=rtcp-fb:108 (.+)\r", answer) == ["nack", "nack pli"]
    assert re.findall(r"a=candidate:\d+ 1 udp \d+ (\S+) 40000 typ host", answer)[:2] == ["192.0.2.7", "127.0.0.1"]


@pytest.mark.parametrize("rate", [48_000, 8_000, 90_001, 0])
def test_a_clock_no_codec_has_is_not_answered(rate: int) -> None:
    """The answer would name the right one, and what follows be recorded by nobody."""
    others = [line.replace("H264/90000", f"H264/{rate}") for line in VIDEO]
    with pytest.raises(Refused) as refused:
        negotiate_publish(offer(HEAD, AUDIO, others), "host")
    assert refused.value.problem is UNSUPPORTED_MEDIA
    one_right = [line.replace("108 H264/90000", f"108 H264/{rate}") for line in VIDEO]
    assert [t.payload_type for t in negotiate_publish(offer(HEAD, AUDIO, one_right), "host").tracks] == [111, 102]


def test_a_subscriber_gets_our_sources_and_its_own_numbers() -> None:
    text = offer(HEAD, AUDIO, VIDEO).replace("sendonly", "recvonly").replace("actpass", "passive")
    agreed = negotiate_subscribe(text, "host", lambda kind: 1 if kind == "audio" else 2, "64001f")
    answer = agreed.answer(LOCAL, 7)
    assert {t.kind: t.payload_type for t in agreed.tracks} == {"audio": 111, "video": 102}
    assert answer.count("a=setup:active") == 2
    assert "a=ssrc:2 cname:host" in answer
    assert "a=msid:host audio" in answer
    assert answer.count("a=sendonly") == 2


def test_lines_that_are_not_ours_are_refused_one_by_one() -> None:
    data = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2"]
    second = [line.replace("a=mid:1", "a=mid:3") for line in VIDEO]
    answer = negotiate_publish(offer(HEAD, AUDIO, VIDEO, data, second), "host").answer(LOCAL, 7)
    assert re.findall(r"m=(\w+) (\d+)", answer) == [
        ("audio", "40000"),
        ("video", "40000"),
        ("application", "0"),
        ("video", "0"),
    ]
    assert "a=group:BUNDLE 0 1\r\n" in answer


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", BAD_OFFER),
        ("hello", BAD_OFFER),
        (offer(HEAD), BAD_OFFER),
        (offer(HEAD, VIDEO).replace("H264", "VP9"), UNSUPPORTED_MEDIA),
        (offer(HEAD, AUDIO).replace("opus", "G722"), UNSUPPORTED_MEDIA),
        (offer(HEAD, VIDEO).replace("packetization-mode=1", "packetization-mode=0"), UNSUPPORTED_MEDIA),
        (offer(HEAD, VIDEO).replace("sendonly", "recvonly"), BAD_OFFER),
        (offer(HEAD, VIDEO).replace("a=rtcp-mux\r\n", ""), BAD_OFFER),
        (offer(HEAD, AUDIO, VIDEO).replace("a=group:BUNDLE 0 1\r\n", ""), BAD_OFFER),
        (offer(HEAD, VIDEO).replace(FINGERPRINT, "a=fingerprint:md5 AA"), BAD_OFFER),
        (offer(HEAD, VIDEO).replace("a=ice-pwd", "a=nothing"), BAD_OFFER),
        (offer(HEAD, VIDEO).replace("actpass", "holdconn"), BAD_OFFER),
        (offer(HEAD, ["a=ice-lite"], VIDEO), BAD_OFFER),
        (offer(HEAD, VIDEO, VIDEO), BAD_OFFER),
        (offer(HEAD, AUDIO, VIDEO) + "a=x\r\n" * 30_000, BAD_OFFER),
    ],
)
def test_what_can_not_be_answered_is_refused_with_its_reason(text: str, problem: object) -> None:
    with pytest.raises(Refused) as refused:
        negotiate_publish(text, "host")
    assert refused.value.problem is problem
    assert refused.value.to_json()["title"]
    assert refused.value.to_json("zh")["title"]


LINES = st.sampled_from(
    [*HEAD, *AUDIO, *VIDEO, "a=fmtp:x y", "a=rtpmap:", "m=", "a=rtcp-fb:999 nack", "a=mid:\x00", "m=video 9 X 300"]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=40))
def test_hostile_offers_end_in_a_refusal_and_nothing_else(lines: list[str]) -> None:
    try:
        offered = parse_offer("\r\n".join(["v=0", *lines]))
    except Refused as refused:
        problem = refused.problem
    else:
        problem = BAD_OFFER
        assert offered.media
    assert problem is BAD_OFFER


def test_fragments() -> None:
    assert read_fragment("a=ice-ufrag:new\r\na=ice-pwd:secret\r\nm=audio 9 X 0\r\na=mid:0\r\n") == ("new", "secret")
    assert read_fragment("a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n") == ("", "")
    with pytest.raises(Refused):
        read_fragment("hello there")


@pytest.mark.parametrize("line", ["m=audio 9 UDP/TLS/RTP/SAVPF 11²", "m=audio ١ UDP/TLS/RTP/SAVPF 111"])
def test_digits_of_other_scripts_are_no_numbers(line: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_offer("\r\n".join([*HEAD, line, *AUDIO[1:]]))
    assert refused.value.problem is BAD_OFFER
    parse_offer("\r\n".join([*HEAD, *AUDIO, "a=rtcp-fb:² nack", "a=rtpmap:١ x/1"]))  # unknown lines are passed over


def test_an_offer_costs_no_more_than_its_size() -> None:
    every = " ".join(str(n) for n in range(128))
    settings = ";".join(f"{n:x}" for n in range(6000))
    lines = [*HEAD, f"m=audio 9 UDP/TLS/RTP/SAVPF {every}", *AUDIO[1:], f"a=fmtp:* {settings}", f"a=fmtp:111 {settings}"]
    media = parse_offer("\r\n".join(lines)[:32_000]).media[0]
    assert sum(len(f.fmtp) for f in media.formats.values()) <= 16
