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
from stream.sdp import MID_URI, TRANSPORT_CC_URI, LocalTransport, negotiate_publish, negotiate_subscribe, read_fragment

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


# What browsers offer besides: repeats under a payload type and a source of their own, and feedback by packet.
EXTENSIONS = [f"a=extmap:3 {TRANSPORT_CC_URI}", f"a=extmap:4/sendrecv {MID_URI}"]


def browser_audio() -> list[str]:
    return [*AUDIO, *EXTENSIONS, "a=rtcp-fb:111 transport-cc", "a=ssrc:10 cname:x"]


def browser_video(mid: str, ssrc: int) -> list[str]:
    """One m-line of Chromium's: the repeats of `ssrc` come as `ssrc` + 1."""
    lines = [line.replace("a=mid:1", f"a=mid:{mid}").replace("102 104 108", "102 104 108 109") for line in VIDEO]
    return [
        *lines,
        *EXTENSIONS,
        "a=rtcp-fb:108 goog-remb",
        "a=rtpmap:109 rtx/90000",
        "a=fmtp:109 apt=108",
        f"a=ssrc-group:FID {ssrc} {ssrc + 1}",
        f"a=ssrc:{ssrc} cname:x",
        f"a=ssrc:{ssrc + 1} cname:x",
    ]


def browser_offer() -> str:
    """Sound and two videos, as the studio sends them."""
    head = [line.replace("BUNDLE 0 1", "BUNDLE 0 1 2") for line in HEAD]
    return offer(head, browser_audio(), browser_video("1", 20), browser_video("2", 30))


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
    agreed = negotiate_subscribe(text, "host", lambda kind, _repeats: 1 if kind == "audio" else 2, "64001f")
    answer = agreed.answer(LOCAL, 7)
    assert {t.kind: t.payload_type for t in agreed.tracks} == {"audio": 111, "video": 102}
    assert answer.count("a=setup:active") == 2
    assert "a=ssrc:2 cname:host" in answer
    assert "a=msid:host audio" in answer
    assert answer.count("a=sendonly") == 2


def test_a_subscriber_that_can_is_repeated_to_under_a_source_of_its_own() -> None:
    text = offer(HEAD, browser_audio(), browser_video("1", 20)).replace("sendonly", "recvonly")
    agreed = negotiate_subscribe(text, "host", lambda kind, repeats: 7 if kind == "audio" else 9 if repeats else 8, "")
    answer = agreed.answer(LOCAL, 7)
    assert [(t.kind, t.payload_type, t.ssrc, t.rtx, t.rtx_ssrc) for t in agreed.tracks] == [
        ("audio", 111, 7, None, 0),
        ("video", 108, 8, 109, 9),
    ]
    video = answer[answer.index("m=video") :].split("\r\n")
    assert video[0] == "m=video 40000 UDP/TLS/RTP/SAVPF 108 109"
    assert {"a=rtpmap:109 rtx/90000", "a=fmtp:109 apt=108", "a=ssrc-group:FID 8 9"} <= set(video)
    assert {"a=ssrc:8 cname:host", "a=ssrc:9 cname:host", "a=ssrc:9 msid:host video"} <= set(video)
    assert "extmap" not in answer  # we number nothing
    assert "transport-cc" not in answer
    assert "goog-remb" in answer


@pytest.mark.parametrize(
    "change",
    [("apt=108", "apt=102"), ("rtx/90000", "rtx/48000"), ("a=fmtp:109 apt=108", ""), ("a=rtcp-fb:* nack\r\n", "")],
)
def test_repeats_that_fit_nothing_are_not_agreed_on(change: tuple[str, str]) -> None:
    text = offer(HEAD, AUDIO, browser_video("1", 20)).replace("sendonly", "recvonly").replace(*change)
    agreed = negotiate_subscribe(text, "host", lambda _kind, _repeats: 1, "")
    assert [(t.rtx, t.rtx_ssrc) for t in agreed.tracks] == [(None, 0)] * 2
    assert "rtx" not in agreed.answer(LOCAL, 7)


def test_a_publisher_that_numbers_its_packets_is_told_by_packet_and_advised_of_no_rate() -> None:
    agreed = negotiate_publish(offer(HEAD, browser_audio(), browser_video("1", 20)), "host", 4_000_000)
    answer = agreed.answer(LOCAL, 7)
    assert [(t.transport_cc, t.mid_extension) for t in agreed.tracks] == [(3, 4)] * 2
    assert answer.count(f"a=extmap:3 {TRANSPORT_CC_URI}\r\n") == 2
    assert answer.count(f"a=extmap:4 {MID_URI}\r\n") == 2
    assert re.findall(r"a=rtcp-fb:(.+)\r", answer) == ["111 transport-cc", "108 nack", "108 nack pli", "108 transport-cc"]
    assert re.findall(r"m=(\w+).*\r\nc=.*\r\nb=AS:(\d+)\r", answer) == [("video", "4000")]
    assert "a=ssrc" not in answer


@pytest.mark.parametrize("missing", ["a=extmap:3 ", "a=rtcp-fb:108 transport-cc", "a=rtcp-fb:111 transport-cc"])
def test_without_numbers_or_without_the_feedback_there_is_none_by_packet(missing: str) -> None:
    text = offer(HEAD, browser_audio(), browser_video("1", 20)).replace(missing, "a=x:")
    audio, video = negotiate_publish(text, "host").tracks
    for track, touched in ((audio, "108" not in missing), (video, "111" not in missing)):
        assert (track.transport_cc == 0) is touched is ("transport-cc" not in track.feedback)
    assert ("goog-remb" in video.feedback) is ("111" not in missing)


def test_one_number_means_one_extension_in_all_lines() -> None:
    other = [line.replace("extmap:3", "extmap:5") for line in browser_video("1", 20)]
    assert [t.transport_cc for t in negotiate_publish(offer(HEAD, browser_audio(), other), "host").tracks] == [3, 0]


def test_two_videos_are_a_better_and_a_lower_one() -> None:
    agreed = negotiate_publish(browser_offer(), "host")
    assert [(t.kind, t.mid, t.low, t.payload_type, t.rtx, t.declared, t.declared_rtx) for t in agreed.tracks] == [
        ("audio", "0", False, 111, None, 10, 0),
        ("video", "1", False, 108, 109, 20, 21),
        ("video", "2", True, 108, 109, 30, 31),
    ]
    answer = agreed.answer(LOCAL, 7)
    assert "a=group:BUNDLE 0 1 2\r\n" in answer
    assert re.findall(r"m=\w+ (\d+) UDP/TLS/RTP/SAVPF (.+)\r", answer) == [("40000", "111")] + [("40000", "108 109")] * 2
    assert answer.count("a=recvonly") == 3


def test_the_lower_video_has_the_profile_of_the_better_one() -> None:
    plain = [line.replace("108 level", "108 packetization-mode=0;x").replace("a=mid:1", "a=mid:1") for line in VIDEO]
    head = [line.replace("BUNDLE 0 1", "BUNDLE 0 1 2") for line in HEAD]
    better = [line for line in plain if not line.startswith("a=fmtp:108")]
    agreed = negotiate_publish(offer(head, AUDIO, better, browser_video("2", 30)), "host")
    assert [t.profile for t in agreed.tracks] == ["", "64001f", "64001f"]


def test_a_lower_video_under_the_sounds_payload_type_is_left_out() -> None:
    first, _, second = browser_offer().rpartition("m=video")
    agreed = negotiate_publish(f"{first}m=video{second.replace('109', '111')}", "host")
    assert [(t.mid, t.low) for t in agreed.tracks] == [("0", False), ("1", False)]


def test_the_source_of_the_repeats_may_be_named_first() -> None:
    lines = browser_offer().splitlines()
    swapped = [*lines[:-2], lines[-1], lines[-2], ""]
    assert swapped != lines
    low = negotiate_publish("\r\n".join(swapped), "host").tracks[-1]
    assert (low.declared, low.declared_rtx) == (30, 31)


@pytest.mark.parametrize(
    "change",
    [
        ("BUNDLE 0 1 2", "BUNDLE 0 1"),
        ("a=mid:2\r\na=sendonly", "a=mid:2\r\na=recvonly"),
        ("a=mid:2\r\na=sendonly\r\na=rtcp-mux", "a=mid:2\r\na=sendonly"),
    ],
)
def test_a_second_video_that_does_not_fit_leaves_the_first_as_it_is(change: tuple[str, str]) -> None:
    text = browser_offer()
    assert change[0] in text
    agreed = negotiate_publish(text.replace(*change), "host")
    assert [(t.mid, t.low) for t in agreed.tracks] == [("0", False), ("1", False)]
    assert re.findall(r"m=\w+ (\d+)", agreed.answer(LOCAL, 7)) == ["40000", "40000", "0"]


def test_of_three_videos_two_are_taken_and_a_viewer_gets_one() -> None:
    head = [line.replace("BUNDLE 0 1", "BUNDLE 0 1 2 3") for line in HEAD]
    text = offer(head, browser_audio(), *(browser_video(mid, 20) for mid in "123"))
    assert re.findall(r"m=\w+ (\d+)", negotiate_publish(text, "host").answer(LOCAL, 7)) == ["40000"] * 3 + ["0"]
    viewer = negotiate_subscribe(text.replace("sendonly", "recvonly"), "host", lambda _kind, _repeats: 1, "")
    assert re.findall(r"m=\w+ (\d+)", viewer.answer(LOCAL, 7)) == ["40000"] * 2 + ["0"] * 2


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


STRANGE = ["a=fmtp:x y", "a=rtpmap:", "m=", "a=rtcp-fb:999 nack", "a=mid:\x00", "m=video 9 X 300", "a=extmap:99 x", "a=ssrc:²"]
LINES = st.sampled_from([*HEAD, *browser_audio(), *browser_video("1", 20), *STRANGE, "a=ssrc-group:FID 1 x"])


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
    many = [f"a=ssrc:{n} x\r\na=ssrc-group:FID {n} {n + 1}\r\na=extmap:1 u{n}" for n in range(400)]
    media = parse_offer(offer(HEAD, AUDIO, many)).media[0]
    assert max(len(media.ssrcs), len(media.repeats), len(media.extensions)) <= 32
