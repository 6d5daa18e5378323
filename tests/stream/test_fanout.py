"""From one publisher to many: one unbroken stream for each, in as few calls as may be, and no number twice with other bytes."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from typing import Any, cast

import pytest
from pylibsrtp import Policy, Session

from stream import rtcp, rtp
from stream.ice import MediaPort
from stream.peer import Peer
from stream.sender import Control
from stream.srtp import SrtpKeys, SrtpLink
from tests.stream.watchers import House, unbroken

GCM, SHA1 = (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, True), (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, False)


async def test_a_frame_and_the_sound_before_it_leave_in_one_call_where_there_are_many() -> None:
    house = House()
    wires = [house.join()[1] for _ in range(20)]
    house.push(house.frame(1000, 1000, key=True))
    for wire in wires:
        wire.calls.clear()
    house.channel.push(house.sound())
    assert not any(wire.calls for wire in wires)  # it waits a moment for the picture
    house.push(house.frame(1039, 1039, 1040, 1040))
    assert all([len(call) for call in wire.calls] == [5] for wire in wires)
    assert all(len(p.payload) == 1040 for p in wires[0].calls[0][2:4])


async def test_the_sound_waits_a_moment_at_most_and_with_few_not_at_all() -> None:
    house = House()
    _subscriber, wire = house.join()
    house.channel.push(house.sound())
    assert len(wire.calls) == 1
    for _ in range(20):
        house.join()
    house.channel.push(house.sound())
    assert len(wire.calls) == 1
    async with asyncio.timeout(5):
        while len(wire.calls) < 2:
            await asyncio.sleep(0.001)


async def test_a_frame_whose_end_was_lost_goes_out_all_the_same() -> None:
    house = House()
    _subscriber, wire = house.join()
    house.push(house.frame(1000, 1000, 1000, key=True)[:2])
    async with asyncio.timeout(5):
        while len(house.video(wire)) < 2:
            await asyncio.sleep(0.001)


async def test_a_joiner_sees_the_picture_so_far_and_goes_on_with_everybody() -> None:
    house = House()
    _first, early = house.join()
    house.push(house.frame(1000, 900, key=True))
    for _ in range(30):
        house.push(house.frame(1000, 900))
    tail = house.frame(1000, 990)
    house.channel.push(tail[0])  # half of a frame is waiting
    _second, late = house.join()
    async with asyncio.timeout(5):
        while len(house.video(late)) < 62:
            await asyncio.sleep(0.001)
    house.channel.push(tail[1])
    house.push(house.frame(1000))
    for wire in (early, late):
        assert len(house.video(wire)) == 65
        assert unbroken(house.video(wire))
    assert [p.payload for p in house.video(late)] == [p.payload for p in house.video(early)]
    assert house.video(late)[0].sequence < 0x8000
    assert house.asked == ["high"]  # by the first, who saw nothing


async def test_a_late_packet_finds_its_place_and_one_doubled_goes_nowhere() -> None:
    house = House()
    _subscriber, wire = house.join()
    first = house.frame(1000, key=True)
    missing, following = house.frame(500), house.frame(600)
    house.push([*first, *following, *missing, *missing, *following])
    got = house.video(wire)
    assert [len(p.payload) for p in got] == [1000, 600, 500]
    assert [(p.sequence - got[0].sequence) & 0xFFFF for p in got] == [0, 2, 1]
    assert [(p.timestamp - got[0].timestamp) & rtp.MASK32 for p in got] == [0, 6000, 3000]


async def test_a_repeat_comes_as_rtx_where_that_is_agreed_and_as_itself_where_not() -> None:
    house = House()
    _plain, plain = house.join()
    viewer, wire = house.join(rtx=True)
    house.push(house.frame(1039, 1040, key=True))
    first = house.video(wire)[0]
    nack = rtcp.nack(1, house.channel.ssrc("video"), [first.sequence])
    viewer.on_rtcp(nack)
    _plain.on_rtcp(nack)
    again = wire.of(house.channel.ssrc("video", repeats=True))
    assert len(again) == 1
    assert again[0].payload_type == 97
    assert again[0].payload == first.sequence.to_bytes(2) + first.payload
    assert (again[0].timestamp, again[0].marker) == (first.timestamp, first.marker)
    assert house.video(plain)[2] == house.video(plain)[0]
    viewer.on_rtcp(nack)  # at once again: the first is still on its way
    assert len(wire.of(house.channel.ssrc("video", repeats=True))) == 1
    viewer.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), [(first.sequence + 100) & 0xFFFF]))
    assert len(wire.of(house.channel.ssrc("video", repeats=True))) == 1


async def test_a_change_of_quality_waits_for_a_keyframe_and_keeps_the_numbers() -> None:
    house = House()
    viewer, wire = house.join()
    _other, other = house.join()
    house.push(house.frame(1000, 1000, key=True))
    house.push(house.frame(300, lane="low", key=True))
    house.asked.clear()
    viewer.choice.wish = "low"
    viewer.choose()
    assert house.asked == ["low"]
    house.push(house.frame(301, lane="low"))
    house.push(house.frame(1001))
    house.push(house.frame(302, lane="low", key=True))
    house.push(house.frame(1002))
    house.push(house.frame(303, lane="low"))
    assert [len(p.payload) for p in house.video(wire)] == [1000, 1000, 1001, 302, 303]
    assert unbroken(house.video(wire))
    times = [p.timestamp for p in house.video(wire)]
    assert all(0 <= (b - a) & rtp.MASK32 < 1 << 31 for a, b in itertools.pairwise(times))
    assert [len(p.payload) for p in house.video(other)] == [1000, 1000, 1001, 1002]
    viewer.choice.wish = "audio"
    viewer.choose()
    house.push([house.sound(), *house.frame(304, lane="low", key=True)])
    assert len(house.video(wire)) == 5
    assert len(wire.of(house.channel.ssrc("audio"))) == 1
    viewer.choice.wish = "high"
    viewer.choose()  # the picture so far is there: no need to wait
    assert [len(p.payload) for p in house.video(wire)][5:] == [1000, 1000, 1001, 1002]
    assert unbroken(house.video(wire))


async def test_who_leaves_in_the_middle_of_a_frame_can_have_its_packets_repeated_as_they_were() -> None:
    house = House()
    viewer, wire = house.join()
    house.join()
    house.push(house.frame(1000, key=True))
    half, rest = house.frame(1000, 1010)
    house.channel.push(half)
    viewer.choice.wish = "audio"
    viewer.choose()
    house.channel.push(rest)
    viewer.choice.wish = "high"
    viewer.choose()
    numbers = [p.sequence for p in house.video(wire)]
    viewer.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), numbers))
    assert [len(p.payload) for p in house.video(wire)] == [1000, 1000, 1000, 1000, 1010, 1000, 1000, 1000, 1000, 1010]


async def test_sound_that_waits_comes_once_to_who_joins_or_changes_meanwhile() -> None:
    house = House()
    for _ in range(20):
        house.join()
    house.push(house.frame(1000, key=True))
    viewer, changing = house.join()
    house.channel.push(house.sound())
    _joiner, joining = house.join()
    viewer.choice.wish = "audio"
    viewer.choose()
    viewer.choice.wish = "high"
    viewer.choose()
    house.push([*house.frame(1000), house.sound(), *house.frame(1000)])
    audio = house.channel.ssrc("audio")
    assert len(changing.of(audio)) == 2
    assert unbroken(changing.of(audio))
    assert len(joining.of(audio)) == 1  # what came before it is past
    assert len(house.video(joining)) == 3


async def test_a_change_taken_back_before_it_came_about_gives_no_number_twice() -> None:
    house = House()
    viewer, wire = house.join()
    house.push(house.frame(1000, 1000, key=True))
    house.push(house.frame(300, lane="low", key=True))
    for wish in ("low", "audio", "high"):  # low's next keyframe has not come yet
        viewer.choice.wish = wish
        viewer.choose()
    house.push(house.frame(1001))
    assert [len(p.payload) for p in house.video(wire)] == [1000, 1000, 1000, 1000, 1001]
    assert unbroken(house.video(wire))
    for wish in ("low", "high"):
        viewer.choice.wish = wish  # type: ignore[assignment]
        viewer.choose()
    house.push([*house.frame(300, lane="low", key=True), *house.frame(1002, key=True), *house.frame(1003)])
    assert [len(p.payload) for p in house.video(wire)][5:] == [1002, 1003]
    assert unbroken(house.video(wire))


async def test_a_keyframe_after_a_frame_without_its_end_begins_clean() -> None:
    house = House()
    house.join()
    house.push(house.frame(1000, key=True))
    house.push(house.frame(1000, 1000)[:-1])  # waits for its end
    keyframe = house.frame(500, 500, key=True)
    house.channel.push(keyframe[0])
    viewer, wire = house.join()
    house.push([keyframe[1], *house.frame(600)])
    assert [len(p.payload) for p in house.video(wire)] == [500, 500, 600]
    assert unbroken(house.video(wire))
    viewer.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), [p.sequence for p in house.video(wire)]))


async def test_a_viewer_that_changes_its_mind_all_the_time_costs_little() -> None:
    house = House()
    viewer, wire = house.join()
    house.push(house.frame(*[1000] * 20, key=True))
    house.push(house.frame(300, lane="low", key=True))
    house.asked.clear()
    before = len(house.video(wire))
    for i in range(200):
        viewer.wish("audio" if i % 2 else "high", 0)
        viewer.wish("low" if i % 2 else "high", 0)
        house.clock.advance(0.01)
    assert len(house.asked) <= 4
    assert len(house.video(wire)) - before <= 5 * 20


async def test_frames_that_wait_keep_their_times_for_a_joiner_and_in_repeats() -> None:
    house = House()
    house.join()
    house.push(house.frame(1000, key=True))
    house.push(house.frame(900, 900)[:1])
    house.push(house.frame(800, 800)[:1])  # two that wait for their ends
    viewer, wire = house.join()
    house.channel.flush()
    got = house.video(wire)
    assert [len(p.payload) for p in got] == [1000, 900, 800]
    assert all(0 < (b.timestamp - a.timestamp) & rtp.MASK32 < 1 << 31 for a, b in itertools.pairwise(got))
    viewer.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), [p.sequence for p in got]))
    assert house.video(wire)[3:] == got


async def test_what_the_last_viewer_left_behind_comes_to_nobody_twice() -> None:
    house = House()
    only, _wire = house.join()
    house.push(house.frame(1000, key=True))
    half = house.frame(900, 901, 902)
    house.channel.push(half[0])
    house.channel.leave(only)
    house.channel.push(half[1])
    _viewer, wire = house.join()
    house.push([half[2], *house.frame(800)])
    assert [len(p.payload) for p in house.video(wire)] == [1000, 900, 901, 902, 800]


async def test_one_that_breaks_is_ended_and_the_others_go_on() -> None:
    house = House()
    _subscriber, broken = house.join()
    _other, wire = house.join()

    def fail(pieces: list[bytes], control: Control, address: object) -> bool:
        raise RuntimeError("broken")

    broken.send_run = fail  # type: ignore[method-assign,assignment]
    house.push(house.frame(1000, key=True))
    assert broken.ended == "failed"
    assert len(house.video(wire)) == 1


@pytest.mark.parametrize("profile", [GCM, SHA1], ids=["gcm", "sha1"])
@pytest.mark.parametrize("segmenting", [True, False])
async def test_a_real_receiver_opens_what_comes_over_a_real_socket(profile: Any, segmenting: bool) -> None:
    number, key_bytes, salt_bytes, gcm = profile
    house = House()
    port = MediaPort(house.clock)
    await port.open("127.0.0.1", 0)
    assert port.sender is not None
    assert port.sender.segmenting, "this kernel has no UDP_SEGMENT"
    port.sender.segmenting = segmenting
    keys = os.urandom(key_bytes + salt_bytes)
    opener = Session(Policy(key=keys, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        subscriber, wire = house.viewer()
        ice = port.session("user")
        ice.address = udp.getsockname()
        peer = cast("Any", wire)
        subscriber.peer = cast(
            "Peer",
            type("Real", (), {"ice": ice, "link": SrtpLink(SrtpKeys(number, key_bytes, gcm, keys, keys)), "end": peer.end})(),
        )
        house.channel.join(subscriber)
        sent: list[bytes] = []
        for i in range(30):
            frame = house.frame(1000 + i, 1001 + i, 1010, key=i == 0)
            house.push([*frame, house.sound()])
            sent += [*(p.payload for p in frame), bytes(100)]
            got = [rtp.parse(bytes(opener.unprotect(udp.recv(2000)))) for _ in range(4)]
            assert [len(p.payload) for p in got] == [1000 + i, 1001 + i, 1010, 100]
            assert [p.payload for p in got[:3]] == [p.payload for p in frame]
    port.close()
