"""What is handed to the kernel together, by the compiled loop, is what Python would have sent to each."""

from __future__ import annotations

import asyncio
import socket

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from stream.fanout import Audience, Flow
from stream.forwarding import Entry
from stream.ice import MediaPort
from stream.metrics import Totals
from stream.roster import Counts, Target
from stream.sender import Sender
from tests.stream.seats import BOTH, PICTURE, SOUND, Viewer, flow_of, frame, sound


@pytest.mark.parametrize("key_bytes", [16, 32])
async def test_the_compiled_loop_sends_what_python_would(sender: Sender, key_bytes: int) -> None:
    viewers = [Viewer(sender, key_bytes=key_bytes) for _ in range(150)]  # the roster grows on the way
    flow, totals = flow_of(viewers, BOTH)
    entries = [sound(), *frame(1000, 1003, 1001)]
    for entry in entries:
        flow.put(entry)
    for viewer in viewers:
        assert viewer.got() == viewer.sealed(BOTH, entries)
        assert viewer.seat.counts == Counts(3, 3004, 1, 100)
        assert viewer.failures == 0
    assert (totals.packets, totals.octets) == (600, 150 * 3104)
    assert sender.unsent == 0


@settings(max_examples=200, deadline=None)
@given(
    position=st.integers(0, 1 << 40),
    time=st.integers(0, (1 << 32) - 1),
    ssrc=st.integers(0, (1 << 32) - 1),
    payload_type=st.integers(0, 127),
    first=st.integers(0, 0x7FFF),
    time_shift=st.integers(0, (1 << 32) - 1),
    sizes=st.lists(st.integers(1, 1300), min_size=1, max_size=12),
    one_by_one=st.booleans(),
)
def test_whatever_the_numbers_are_both_send_the_same(
    position: int, time: int, ssrc: int, payload_type: int, first: int, time_shift: int, sizes: list[int], one_by_one: bool
) -> None:
    audience = Audience(None, Target(ssrc, payload_type, first - position, time_shift), 16)
    asyncio.run(_both_send_the_same(audience, frame(*sizes, position=position, time=time), one_by_one=one_by_one))


async def _both_send_the_same(audience: Audience, entries: list[Entry], *, one_by_one: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        sender = Sender(udp, ManualClock())
        sender.segmenting = sender.segmenting and not one_by_one
        viewers = [Viewer(sender), Viewer(sender)]
        flow, _totals = flow_of(viewers, audience)
        for entry in entries:
            flow.put(entry)
        for viewer in viewers:
            assert viewer.got() == viewer.sealed(audience, entries)
            viewer.udp.close()
        Viewer.made.clear()
        sender.close()


async def test_who_takes_sound_alone_gets_no_picture(sender: Sender) -> None:
    deaf, blind, whole = Viewer(sender), Viewer(sender), Viewer(sender)
    flow = Flow(None, Totals())
    flow.add(deaf, Audience(None, PICTURE, 16))
    flow.add(blind, Audience(SOUND, None, 16))
    flow.add(whole, BOTH)
    entries = [sound(), *frame(1000)]
    for entry in entries:
        flow.put(entry)
    assert deaf.got() == deaf.sealed(Audience(None, PICTURE, 16), entries)
    assert blind.got() == blind.sealed(Audience(SOUND, None, 16), entries)
    assert sorted(whole.got()) == sorted(whole.sealed(BOTH, entries))
    assert deaf.seat.counts == Counts(1, 1000, 0, 0)
    assert blind.seat.counts == Counts(0, 0, 1, 100)


async def test_one_socket_serves_ipv4_and_ipv6(clock: ManualClock) -> None:
    port = MediaPort(clock)
    await port.open("::", 0)
    assert port.sender is not None
    viewers = [Viewer(port.sender, mapped=True), Viewer(port.sender, socket.AF_INET6)]
    flow, _totals = flow_of(viewers, BOTH)
    entries = frame(1000, 1000)
    for entry in entries:
        flow.put(entry)
    for viewer in viewers:
        assert viewer.got() == viewer.sealed(BOTH, entries)
    port.close()
    flow.put(sound())
    assert viewers[0].got() == []


async def test_a_viewer_that_moves_gets_the_next_frame_where_it_is(sender: Sender) -> None:
    viewer = Viewer(sender)
    flow, _totals = flow_of([viewer], BOTH)
    with viewer.udp:
        viewer.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        viewer.udp.bind(("127.0.0.1", 0))
        viewer.udp.setblocking(False)
    viewer.seat.move(viewer.udp.getsockname())
    entries = frame(900, 900)
    for entry in entries:
        flow.put(entry)
    assert viewer.got() == viewer.sealed(BOTH, entries)


async def test_what_libcrypto_seals_cryptography_opens(sender: Sender) -> None:
    viewer = Viewer(sender)
    flow, _totals = flow_of([viewer], Audience(SOUND, None, 16))
    entry = sound(position=70_001)
    flow.put(entry)
    [data] = viewer.got()
    nonce = int.from_bytes(viewer.sealer.salt) ^ (SOUND.ssrc << 48 | 1)
    assert AESGCM(viewer.sealer.key).decrypt(nonce.to_bytes(12), data[12:], data[:12]) == entry.packet.payload
