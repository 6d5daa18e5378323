"""Logs, metrics and the measure of how late the event loop runs."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import sys
import time
from typing import TextIO, cast

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram, generate_latest

from core.errors import FORBIDDEN, Refused

_LAG_EVERY_S = 0.5
# Behind a reverse proxy everybody comes from this machine.
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

LAG = Histogram("tellercast_loop_lag_seconds", "Delay of the event loop's timers", buckets=_LAG_BUCKETS)
LAST_LAG = Gauge("tellercast_loop_lag_last_seconds", "The newest such delay")


class _StandardError:
    """Whatever standard error is when a line is written: a logger keeps its file for ever, and a redirected one is closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_STANDARD_ERROR = cast("TextIO", _StandardError())


def configure_logging(*, as_json: bool) -> None:
    """Structured logs to standard error, one line an event, times in UTC."""
    # The default prints the local variables of every frame: tokens, names and texts of customers among them.
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if as_json else plain
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=_STANDARD_ERROR),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=_STANDARD_ERROR, format="%(levelname)s %(name)s %(message)s")


async def watch_lag() -> None:
    """Measures until cancelled how late timers fire: the first sign that a process carries too much."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LAG_EVERY_S)
        lag = max(0.0, time.monotonic() - before - _LAG_EVERY_S)
        LAG.observe(lag)
        LAST_LAG.set(lag)


def metrics_response(request: web.Request, registry: CollectorRegistry, token: str) -> web.Response:
    """The registry in Prometheus's text form, for the token's bearer, or for this machine where no token is set."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token:
        if not secrets.compare_digest(given.encode(errors="surrogateescape"), token.encode()):
            raise Refused(FORBIDDEN)
    elif not _is_local(request.remote) or any(name in request.headers for name in _PROXIED):
        raise Refused(FORBIDDEN)
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _is_local(remote: str | None) -> bool:
    try:
        return remote is not None and ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False
