"""From declared `Route`s to aiohttp handlers: decode, call, encode; nothing else happens here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec
from aiohttp import web

from core.http import Route, read_body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(application: web.Application, routes: Iterable[Route]) -> None:
    """Registers each route. Raises ValueError when two claim the same method and path."""
    seen: set[tuple[str, str]] = set()
    for route in routes:
        if (route.method, route.path) in seen:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        seen.add((route.method, route.path))
        application.router.add_route(route.method, route.path, adapt(route))


def adapt(route: Route) -> Handler:
    """The aiohttp handler for one route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.takes is None:
            answer = await route.handler(request)
        else:
            answer = await route.handler(request, await read_body(request, route.takes, form=route.form))
        if isinstance(answer, web.StreamResponse):
            return answer
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=msgspec.json.encode(answer), status=route.status, content_type="application/json")

    handle.__name__ = getattr(route.handler, "__name__", "handle")
    return handle
