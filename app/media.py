"""The media processes' composition roots: transports, forwarding, recorder, and the internal API web reaches them by."""

from __future__ import annotations

import asyncio
import os

import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from app.process import attend, only_one, taking
from app.settings import Settings, SettingsError
from app.telemetry import watch_lag
from core.clock import SystemClock
from recording.archive import FolderArchive
from recording.recorder import Recorder
from stream.carrier import Carrier
from stream.client import MediaClient
from stream.collecting import Collecting
from stream.edge import Edge
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.routes import edge_app, internal_app
from stream.settings import MediaSettings

log = structlog.get_logger()

_HIGHEST_PORT = 65_535


async def run_media(settings: Settings, stopping: asyncio.Event) -> int:
    """The home: serves until `stopping`; answers the exit code. What a killed predecessor left on disk is announced first."""
    _held = only_one(settings.data_dir / "media.lock")
    clock = SystemClock()
    metrics = MediaMetrics(REGISTRY)
    feed = await asyncio.to_thread(_open_feed, settings, metrics)
    recorder = Recorder(_archive(settings), feed, clock)
    recovered = await asyncio.to_thread(recorder.recover)
    if recovered:
        log.warning("fragments of a killed process were announced", count=recovered)
    recorder.start()
    hub = Hub(
        _media_settings(settings, 0), feed, clock, metrics,
        sink_factory=recorder.sink_factory, flush=lambda _session: recorder.flush(),
    )  # fmt: skip
    runner = web.AppRunner(internal_app(hub, feed, settings.media_secret), access_log=None)
    try:
        await _open(hub, runner, settings, 0)
        collecting = Collecting(metrics, lambda: hub.peers)
        return await attend(stopping, {"recorder": recorder.run, "lag": watch_lag, "collecting": collecting.run})
    finally:
        await hub.stop()
        await recorder.stop()
        await runner.cleanup()
        await asyncio.to_thread(feed.close)


async def run_edge(settings: Settings, stopping: asyncio.Event, number: int) -> int:
    """A media process beside the home, number 1 or above: subscribers alone. Serves until `stopping`; answers the exit code."""
    _held = only_one(settings.data_dir / f"media-{number}.lock")
    home = MediaClient(settings.media_home, settings.media_secret, connections=0)  # the edge bounds its relays
    metrics = MediaMetrics(REGISTRY)
    edge = Edge(_media_settings(settings, number), SystemClock(), metrics, home)
    runner = web.AppRunner(edge_app(edge, settings.media_secret), access_log=None)
    try:
        await _open(edge, runner, settings, number)
        return await attend(stopping, {"lag": watch_lag, "collecting": Collecting(metrics, lambda: edge.peers).run})
    finally:
        await edge.stop()
        await runner.cleanup()


async def _open(carrier: Carrier, runner: web.AppRunner, settings: Settings, number: int) -> None:
    udp_port = _port_of(settings, number)
    with taking(f"UDP port {udp_port}", "TELLERCAST_MEDIA_UDP_PORT"):
        await carrier.start()
    await runner.setup()
    await _listen(runner, settings, number)
    log.info("media process ready", number=number, udp_port=carrier.port)


def recover_archive(settings: Settings, *, dry_run: bool) -> int:
    """`tellercast recover`: announces unannounced fragments, or only names them. The media process must not run."""
    archive = _archive(settings)
    if dry_run:
        for path in archive.unannounced():
            print(path)
        return 0
    feed = _open_feed(settings, MediaMetrics(REGISTRY))
    try:
        count = Recorder(archive, feed, SystemClock()).recover()
    finally:
        feed.close()
    print(f"{count} fragments announced; the web process enters them in their trails.")
    return 0


def _open_feed(settings: Settings, metrics: MediaMetrics) -> Feed:
    return Feed(settings.data_dir / "feed.jsonl", SystemClock(), on_write_failure=metrics.feed_write_failures.inc)


def _archive(settings: Settings) -> FolderArchive:
    settings.archive_root.mkdir(parents=True, exist_ok=True)
    return FolderArchive(settings.archive_root, settings.archive_free_floor_mb * 1024 * 1024)


def _port_of(settings: Settings, number: int) -> int:
    return settings.media_udp_port + number if settings.media_udp_port else 0


def _media_settings(settings: Settings, number: int) -> MediaSettings:
    public = tuple(part.strip() for part in settings.public_address.split(",") if part.strip())
    return MediaSettings(bind_host=settings.media_udp_host, port=_port_of(settings, number), public_addresses=public)


async def _listen(runner: web.AppRunner, settings: Settings, number: int) -> None:
    if settings.media_listen:
        host, _, port = settings.media_listen.rpartition(":")
        if not host or not port.isdigit() or int(port) + number > _HIGHEST_PORT:
            raise SettingsError(f"TELLERCAST_MEDIA_LISTEN is {settings.media_listen!r}; host:port is wanted")
        if not settings.media_secret:
            raise SettingsError("TELLERCAST_MEDIA_LISTEN opens a port: TELLERCAST_MEDIA_SECRET must be set")
        with taking(f"port {int(port) + number}", "TELLERCAST_MEDIA_LISTEN"):
            await web.TCPSite(runner, host, int(port) + number).start()
        return
    path = settings.media_socket_of(number)
    path.unlink(missing_ok=True)  # left by a killed predecessor
    old = os.umask(0o177)  # for its owner alone
    try:
        await web.UnixSite(runner, str(path)).start()
    finally:
        os.umask(old)
