"""A host and a viewer whose networks let no UDP through to us: the TURN server carries both, by UDP or by TCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.server import ROOT, Server
from tests.browser.steps import go_live, hears, sees_picture
from tests.coturn import SECRET, Coturn

LOOPBACK = "127.0.0.1"
# Every connection of a page, to ask for its statistics.
PEERS = """
  window.peers = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); window.peers.push(this); }
  };
"""
# The way that the page's last connection took, and how many frames went over it.
WAY = """async () => {
  const rows = [...(await window.peers.at(-1).getStats()).values()];
  const row = id => rows.find(one => one.id === id);
  const pair = row(rows.find(one => one.type === "transport").selectedCandidatePairId);
  const local = row(pair.localCandidateId);
  const video = rows.find(one => ["inbound-rtp", "outbound-rtp"].includes(one.type) && one.kind === "video");
  return {
    type: local.candidateType, protocol: local.relayProtocol, frames: video.framesDecoded ?? video.framesEncoded,
    connections: window.peers.length,
  };
}"""


@pytest.fixture(params=["udp", "tcp"])
def coturn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Coturn]:
    """With "tcp" it takes no UDP from clients, as if their network let none out at all."""
    running = Coturn(tmp_path / "coturn", LOOPBACK, udp=request.param == "udp")
    try:
        yield running.start()
    finally:
        running.stop()
        print(running.log[-4000:])


@pytest.fixture
def server(coturn: Coturn, tmp_path: Path) -> Iterator[Server]:
    """Its media port hears the relay and nobody else."""
    running = Server(tmp_path / "tellercast")
    running.environ = {
        "TELLERCAST_MEDIA_UDP_HOST": LOOPBACK,
        "TELLERCAST_TURN_URLS": coturn.urls,
        "TELLERCAST_TURN_SECRET": SECRET,
        "PYTHONPATH": str(ROOT / "tests" / "firewall"),
        "FIREWALL_PORT": str(running.udp_port),
        "FIREWALL_OPEN_TO": f"{coturn.relays.start}-{coturn.relays.stop - 1}",
    }
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.timeout(180)
async def test_who_can_not_send_udp_to_us_takes_part_through_turn(
    server: Server, coturn: Coturn, people: People, host_devices: Devices
) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=PEERS)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}", init_script=PEERS)
    video = viewer.get_by_test_id("video")
    await sees_picture(video)
    await hears(video)
    for page in (studio, viewer):
        way = await page.evaluate(WAY)
        assert (way["type"], way["protocol"]) == ("relay", "udp" if coturn.udp else "tcp")
        assert way["frames"] > 0
        assert way["connections"] == 1, "the first connection knows the TURN server already"
    assert _dropped(server.udp_port) > 0, "the direct way was tried, and was shut"


def _dropped(port: int) -> int:
    """Datagrams to the port that its firewall kept out (the last column of /proc/net/udp)."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)
