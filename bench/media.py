"""A media process as in service, `Hub` on uvloop, with WHIP and WHEP reduced to their core: an offer in, an answer out.

It has no recorder. The page it serves is the viewer of the first-frame figure.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
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
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.settings import MediaSettings
from stream.sink import StreamKey

KEY = StreamKey("ses_bench", "host")
_PAGE = Path(__file__).parent / "first_frame.html"
_HUB = web.AppKey("hub", Hub)


async def _whip(request: web.Request) -> web.Response:
    opened = await request.app[_HUB].publish(KEY, datetime.now(UTC), await request.text())
    return web.Response(status=201, text=opened.sdp, content_type="application/sdp")


async def _whep(request: web.Request) -> web.Response:
    try:
        opened = await request.app[_HUB].subscribe(KEY, await request.text())
    except Unavailable as refused:  # nobody publishes yet, or full: the viewer asks again
        return web.Response(status=503, text=str(refused), headers={"Retry-After": str(refused.retry_after)})
    return web.Response(status=201, text=opened.sdp, content_type="application/sdp")


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text=_PAGE.read_text(), content_type="text/html")


async def serve(host: str) -> None:
    """Until stdin ends; each line there is answered with what the process counts."""
    registry = CollectorRegistry()
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-") as folder:
        feed = Feed(Path(folder) / "feed.jsonl", SystemClock())
        hub = Hub(MediaSettings(bind_host=host), feed, SystemClock(), MediaMetrics(registry))
        await hub.start()
        application = web.Application()
        application[_HUB] = hub
        application.add_routes([web.post("/whip", _whip), web.post("/whep", _whep), web.get("/", _page)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        tell({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"})

        async def figures() -> dict[str, Any]:
            samples = [s for metric in registry.collect() for s in metric.samples if not s.name.endswith("_created")]
            return {",".join((s.name, *s.labels.values())): s.value for s in samples}

        try:
            await answer_lines({"figures": figures})
        finally:
            await runner.cleanup()
            await hub.stop()
            feed.close()


if __name__ == "__main__":
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
        loop_runner.run(serve(sys.argv[1] if sys.argv[1:] else "127.0.0.1"))
