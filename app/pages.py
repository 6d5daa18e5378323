"""The pages and their files, served as they lie in `web/`."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from core.errors import Problem
from core.http import lang

WEB = Path(__file__).resolve().parent.parent / "web"

# Page template → file; who may open which stands in permissions.PAGES.
FILES = {
    "/": "lobby",
    "/login": "login",
    "/watch/{session}": "watch",
    "/call": "call",
    "/assessment": "assessment",
    "/orders": "orders",
    "/receipt/{order}": "receipt",
    "/studio": "studio",
    "/desk": "desk",
    "/console": "console",
    "/deliveries": "deliveries",
    "/catalogue": "catalogue",
}


def add_pages(application: web.Application, problems: Sequence[Problem]) -> None:
    """Registers every page, the static files and the list of problems."""
    for path, name in FILES.items():
        application.router.add_get(path, _page(WEB / "pages" / f"{name}.html"))
    application.router.add_get("/docs/problems", _problems(problems))
    application.router.add_static("/static/", WEB, append_version=False)
    application.on_response_prepare.append(_revalidate)


def _page(file: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    return serve


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    # The served file is the source: browsers ask each time and get a 304 when nothing changed.
    if request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-cache")


def _problems(problems: Sequence[Problem]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        chinese = lang(request) == "zh"
        rows = "".join(
            f'<tr id="{p.code}"><th scope="row"><code>{p.code}</code></th><td>{p.status}</td>'
            f"<td>{html.escape(p.zh if chinese else p.en)}</td><td>{html.escape(p.next_zh if chinese else p.next_en)}</td></tr>"
            for p in sorted(problems, key=lambda p: p.code)
        )
        title = "错误代码" if chinese else "Codes of refusals"
        return web.Response(
            content_type="text/html",
            text=f'<!doctype html><html lang="{"zh-CN" if chinese else "en"}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/static/styles/tokens.css">'
            f'<link rel="stylesheet" href="/static/styles/base.css"><title>{title} · Tellercast</title></head>'
            f"<body><main><h1>{title}</h1><table>{rows}</table></main></body></html>",
        )

    return serve
