"""A media process as in service, `Hub` on uvloop, with WHIP and WHEP reduced to their core: an offer in, an answer out.

It has no recorder. The page it serves is the viewer of the first-frame figure. With `--home` it is an `Edge` of another one of
these, by way of the internal API that each has on a Unix socket, as in service.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from bench.processes import allow_many_files, answer_lines, tell
from core.clock import SystemClock
from core.errors import Unavailable
from stream.carrier import Carrier
from stream.client import MediaClient
from stream.collecting import Collecting
from stream.edge import Edge
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.routes import CARRIER, HUB, edge_app, internal_app
from stream.settings import MediaSettings
from stream.sink import StreamKey

KEY = StreamKey("ses_bench", "host")
_PAGE = Path(__file__).parent / "first_frame.html"


async def _whip(request: web.Request) -> web.Response:
    opened = await request.app[HUB].publish(KEY, datetime.now(UTC), await request.text())
    return web.Response(status=201, text=opened.sdp, content_type="application/sdp")


async def _whep(request: web.Request) -> web.Response:
    try:
        opened = await request.app[CARRIER].subscribe(KEY, await request.text())
    except Unavailable as refused:  # nobody publishes yet, or full: the viewer asks again
        return web.Response(status=503, text=str(refused), headers={"Retry-After": str(refused.retry_after)})
    return web.Response(status=201, text=opened.sdp, content_type="application/sdp")


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text=_PAGE.read_text(), content_type="text/html")


async def serve(host: str, home: str) -> None:
    """The home, or an edge of the one whose internal API is at the socket `home`. Until stdin ends; each line there is answered
    with what the process counts."""
    registry = CollectorRegistry()
    metrics = MediaMetrics(registry)
    with (
        tempfile.TemporaryDirectory(prefix="tellercast-bench-") as folder,
        closing(Feed(Path(folder) / "feed.jsonl", SystemClock())) as feed,
    ):
        carrier = _carrier(MediaSettings(bind_host=host), feed, metrics, home)
        await carrier.start()
        api = Path(folder) / "media.sock"
        runners = [web.AppRunner(app, access_log=None) for app in (_door(carrier), _internal(carrier, feed))]
        for runner in runners:
            await runner.setup()
        await web.TCPSite(runners[0], "127.0.0.1", 0).start()
        await web.UnixSite(runners[1], str(api)).start()
        collecting = asyncio.create_task(Collecting(metrics, lambda: carrier.peers).run())
        tell({"url": f"http://127.0.0.1:{runners[0].addresses[0][1]}", "api": str(api)})

        async def figures() -> dict[str, Any]:
            samples = [s for metric in registry.collect() for s in metric.samples if not s.name.endswith("_created")]
            return {",".join((s.name, *s.labels.values())): s.value for s in samples}

        try:
            await answer_lines({"figures": figures})
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
            for runner in runners:
                await runner.cleanup()
            await carrier.stop()


def _carrier(settings: MediaSettings, feed: Feed, metrics: MediaMetrics, home: str) -> Hub | Edge:
    if home:
        return Edge(settings, SystemClock(), metrics, MediaClient(home, "", connections=0))
    return Hub(settings, feed, SystemClock(), metrics)


def _internal(carrier: Hub | Edge, feed: Feed) -> web.Application:
    return edge_app(carrier, "") if isinstance(carrier, Edge) else internal_app(carrier, feed, "")


def _door(carrier: Carrier) -> web.Application:
    """Where the source, the sinks and Chromium come in."""
    door = web.Application()
    door[CARRIER] = carrier
    door.add_routes([web.post("/whep", _whep), web.get("/", _page)])
    if isinstance(carrier, Hub):
        door[HUB] = carrier
        door.add_routes([web.post("/whip", _whip)])
    return door


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.media")
    parser.add_argument("host", nargs="?", default="127.0.0.1", help="where media is received")
    parser.add_argument("--home", metavar="SOCKET", default="", help="be an edge of the process with this internal API")
    arguments = parser.parse_args()
    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
        loop_runner.run(serve(arguments.host, arguments.home))


if __name__ == "__main__":
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    main()
