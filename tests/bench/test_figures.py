"""What the benchmark counts and how it shows it, without a packet on the wire."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import viewers_report
from bench.crowd import Outcome
from bench.descriptions import answer, offer
from bench.peer import Remote
from bench.processes import cpu_seconds, resident_kb
from bench.sink import Flow
from bench.stage import Window
from stream.offer import parse_offer

TRANSPORT = (
    "a=rtcp-mux",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789abcdef01234567",
    "a=fingerprint:sha-256 " + "AB:" * 31 + "AB",
)
WINDOW = Window(
    took_s=60.0, cpu_s=30.0, packets=999_500, bytes=10**9, expected=1_000_000, sent=12_000,
    repeated=0, unauthentic=0, stalled=0, ended_by_server=0, late_ms=1.0, waited_s=0.6,
)  # fmt: skip


def outcome(**changed: Any) -> Outcome:
    delays = {"samples": 10, "p50_ms": 1.0, "p99_ms": 15.0, "max_ms": 30.0}
    churn = {"joined": 600, "left": 600, "failed": 0}
    whole = Outcome(600, WINDOW, delays, delays, delays, churn, kb_each=180.0, outside=0)
    return replace(whole, **changed)


@given(
    first=st.integers(0, 0xFFFF),
    count=st.integers(2, 300),
    lost=st.sets(st.integers(1, 298)),
    swapped=st.integers(1, 297),
)
def test_a_flow_misses_what_was_lost_across_the_wrap_and_in_any_order(
    first: int, count: int, lost: set[int], swapped: int
) -> None:
    numbers = [n for n in range(count) if n not in lost or n == count - 1]
    if swapped + 1 < len(numbers):
        numbers[swapped], numbers[swapped + 1] = numbers[swapped + 1], numbers[swapped]
    flow = Flow(first)
    assert all(flow.seen((first + n) & 0xFFFF) for n in numbers)
    assert flow.expected - flow.received == count - len(numbers)
    assert not any(flow.seen((first + n) & 0xFFFF) for n in numbers)
    assert (flow.received, flow.repeated) == (len(numbers), len(numbers))


def test_a_window_divides_the_servers_time_by_what_arrived() -> None:
    assert WINDOW.us_per_packet == pytest.approx(30.0 / 999_500 * 1e6)
    assert WINDOW.loss == pytest.approx(0.0005)
    assert WINDOW.cpu_percent == 50.0
    assert WINDOW.waited_percent == pytest.approx(1.0)


@pytest.mark.parametrize(
    "broken",
    [
        {"window": replace(WINDOW, packets=998_000)},
        {"window": replace(WINDOW, stalled=1)},
        {"window": replace(WINDOW, ended_by_server=1)},
        {"overall": {"samples": 10, "p50_ms": 1.0, "p99_ms": 20.5, "max_ms": 30.0}},
        {"overall": {"samples": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}},
        {"outside": 1},
        {"window": replace(WINDOW, unauthentic=1)},
    ],
)
def test_a_crowd_holds_only_when_all_are_served(broken: dict[str, Any]) -> None:
    assert outcome().holds
    assert not outcome(**broken).holds


def test_an_offer_is_one_that_the_server_reads() -> None:
    offered = parse_offer(offer([*TRANSPORT, "a=setup:active"], "recvonly"))
    assert [media.kind for media in offered.media] == ["audio", "video"]
    assert offered.ufrag == "abcd"


def test_an_answer_keeps_the_offers_names_and_formats() -> None:
    offered = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\n"
    lines = answer(offered, TRANSPORT).splitlines()
    assert "a=group:BUNDLE a v" in lines
    assert [line for line in lines if line.startswith("m=")] == [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
    ]
    assert lines.count("a=recvonly") == 2


def test_the_servers_address_is_its_first_ipv4_one() -> None:
    candidates = (
        "a=candidate:1 1 udp 2130706431 fd00::2 5000 typ host",
        "a=candidate:2 1 tcp 2130706431 192.0.2.2 9 typ host",
        "a=candidate:3 1 udp 2130706431 192.0.2.2 5001 typ host",
    )
    remote = Remote.read("\r\n".join([*TRANSPORT, *candidates]))
    assert remote.address == ("192.0.2.2", 5001)
    with pytest.raises(KeyError):
        Remote.read("\r\n".join(TRANSPORT))


def test_a_processs_time_and_memory_are_seen_by_its_number() -> None:
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.04 < cpu_seconds(os.getpid()) - before < 5.0
    assert resident_kb(os.getpid()) > 1000


FIGURES: dict[str, Any] = {
    "us_per_packet": 2.5, "delay_p50_ms": 1.0, "delay_p99_ms": 9.0, "loss": 0.0, "srtp": "GCM", "subscribers": 100,
    "packets_per_s": 20_000, "mean_bytes": 958, "floor_us_per_packet": 2.0, "floor_ratio": 1.25, "ratio_janus": 6.0,
    "janus_us_per_packet": 15.0, "janus_delay_p50_ms": 2.0, "janus_delay_p99_ms": 9.0, "janus_loss": 0.0, "janus_srtp": "GCM",
    "crowd_seconds": 60.0, "crowd_subscribers": 600, "joined": 600, "left": 600, "crowd_outside": 0,
    "rss_per_subscriber_kb": 180,
    "crowd_ladder": [{"subscribers": 600, "loss": 0.0, "delay_p99_ms": 25.0, "cpu_percent": 40.0, "holds": False}],
    "join200_seeing": 200, "join200_all_s": 2.1, "keyframes_asked": 0, "chromium_first_frame_p50_ms": 60,
    "chromium_first_frame_p95_ms": 120, "chromium_joins": 50,
    **{
        f"processes_{part}_{name}": value
        for part in ("one", "edge", "both_home", "both_edge")
        for name, value in {
            "cpu_percent": 14.0, "us_per_packet": 7.0, "loss": 0.0, "delay_p50_ms": 2.0, "delay_p99_ms": 16.5,
        }.items()
    },
    "processes_subscribers": 100, "processes_home_idle_cpu_percent": 4.0, "processes_edge_idle_cpu_percent": 2.0,
    "processes_line_cpu_percent": 1.0, "processes_home_each_cpu_percent": 0.1, "processes_edge_each_cpu_percent": 0.2,
    "processes_share_percent": 50, "processes_one_carries": 460, "processes_two_carry": 690, "processes_ratio": 1.5,
    "processes_full_one_carries": 960, "processes_full_two_carry": 1440, "processes_full_ratio": 1.5,
}  # fmt: skip


def test_the_figures_are_shown_beside_each_other() -> None:
    text = viewers_report.table(FIGURES)
    assert "| ours | 2.5 µs |" in text
    assert "| 600 | 0.0000% | 25.0 ms | 40.0% | no |" in text
    assert "| one process, 100 viewers | 14.0% | 7.0 µs | 0.0000% | 2.0 ms | 16.5 ms |" in text


def test_the_plots_bars_are_as_long_as_their_values() -> None:
    root = ElementTree.fromstring(viewers_report.plot(FIGURES))  # noqa: S314 - our own
    widths = [float(rect.get("width", "0")) for rect in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    floor, own, janus, crowd = widths
    assert own / floor == pytest.approx(1.25, rel=0.01)
    assert janus / own == pytest.approx(6.0, rel=0.01)
    line = next(root.iter("{http://www.w3.org/2000/svg}line"))
    assert (float(line.get("x1", "0")) - 190) / crowd == pytest.approx(20 / 25, rel=0.01)
