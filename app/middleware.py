"""What every request passes: language, identity, origin, permission, errors as problem+json or a page, safe headers."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from app.identity import Identity
from app.origin import OWN_SITE
from app.permissions import FROM_ANYWHERE, PAGES, may_call, may_open
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, NOT_SIGNED_IN, Problem, Refused, Unavailable
from core.failures import failed
from core.http import FORM, LANG, PERSON
from core.identity import Person
from stream import whip

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

IDENTITY = web.AppKey("identity", Identity)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Never refused: files of the pages themselves, and Socket.IO, which identifies on its own.
OPEN_PREFIXES = ("/static/", "/socket.io/")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

METHOD_NOT_ALLOWED = Problem(
    "method_not_allowed", 405,
    "This address does not take {method}.", "此地址不支持 {method} 方法。",
    "See /api/openapi.json for what it takes.", "请参阅 /api/openapi.json。",
)  # fmt: skip
ORIGIN_REFUSED = Problem(
    "origin_refused", 403,
    "The request came from another site.", "请求来自其他网站，已被拒绝。",
    "Open the page here and try again.", "请在本站打开页面后重试。", "lobby",
)  # fmt: skip
PROBLEMS = (METHOD_NOT_ALLOWED, ORIGIN_REFUSED)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """on_response_prepare: also what streams and files send, and what is refused, carries the headers."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/api/"):  # somebody's own; what may be kept says so itself
        response.headers.setdefault("Cache-Control", "no-store")
    if whip.is_media(request.path):
        for name, value in whip.cors().items():
            response.headers.setdefault(name, value)


@web.middleware
async def outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Language and identity in; every refusal and failure out as an answer that explains itself."""
    request[LANG] = _language(request)
    try:
        return await _guarded(request, handler)
    except Refused as refusal:
        return _answer(request, refusal)
    except web.HTTPNotFound:
        return _answer(request, Refused(NOT_FOUND))
    except web.HTTPMethodNotAllowed as error:
        answer = _answer(request, Refused(METHOD_NOT_ALLOWED, method=request.method))
        answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except web.HTTPRequestEntityTooLarge:
        return _answer(request, Refused(BAD_REQUEST, detail="too large"))
    except web.HTTPException:
        raise
    except ConnectionResetError:
        raise  # the reader went away; there is nobody to answer
    except Exception as error:
        return _answer(request, failed(error, "request", method=request.method, path=request.path))


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(OPEN_PREFIXES):
        return await handler(request)
    if "%00" in request.raw_path:  # no text of PostgreSQL can hold it
        raise Refused(BAD_REQUEST, detail="a NUL character")
    person, by_cookie = request.app[IDENTITY].from_request(request)
    request[PERSON] = person
    resource = request.match_info.route.resource
    template = resource.canonical if resource is not None else ""
    if by_cookie and request.method not in SAFE_METHODS and (request.method, template) not in FROM_ANYWHERE:
        _check_origin(request)
    if request.match_info.http_exception is not None:
        return await handler(request)  # 404 and 405 say so themselves
    allowed = may_open(person, template) if template in PAGES else may_call(person, request.method, template)
    if not allowed:
        raise Refused(NOT_SIGNED_IN if person is None else FORBIDDEN)
    return await handler(request)


def _check_origin(request: web.Request) -> None:
    """A cookie is proof only from our own pages. Browsers send Origin with every unsafe request; other clients need not."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise Refused(ORIGIN_REFUSED)
        return
    if not request.app[OWN_SITE].owns(origin, request.host):
        raise Refused(ORIGIN_REFUSED)


def _language(request: web.Request) -> str:
    for choice in (request.query.get("lang"), request.cookies.get("lang")):
        if choice in {"zh", "en"}:
            return choice
    for part in request.headers.get("Accept-Language", "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"


def _answer(request: web.Request, refusal: Refused) -> web.Response:
    by_link = request.method in {"GET", "HEAD"} and not request.path.startswith("/api/")
    by_form = request.method == "POST" and request.content_type == FORM
    if (by_link or by_form) and "text/html" in request.headers.get("Accept", ""):
        if by_link and refusal.problem is NOT_SIGNED_IN:
            return web.Response(status=302, headers={"Location": f"/login?next={quote(request.path_qs)}"})
        return _page(request, refusal)
    response = web.Response(
        body=msgspec.json.encode(refusal.to_json(request[LANG])),
        status=refusal.problem.status,
        content_type="application/problem+json",
    )
    wait_s = refusal.retry_after if isinstance(refusal, Unavailable) else refusal.params.get("wait_s")
    if wait_s is not None:
        response.headers["Retry-After"] = str(wait_s)
    if refusal.problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _page(request: web.Request, refusal: Refused) -> web.Response:
    """A refusal as a plain page: the sentence, the next step and a way on."""
    said = refusal.to_json(request[LANG])
    chinese = request[LANG] == "zh"
    person = request.get(PERSON)
    others = "切换身份" if chinese else "Sign in as someone else"
    home = "返回首页" if chinese else "Back to the lobby"
    who = f"{html.escape(person.name)} · " if isinstance(person, Person) else ""
    ways = f'<a class="button button-primary" href="/">{home}</a> <a href="/login">{others}</a>'
    body = f"""<!doctype html>
<html lang="{"zh-CN" if chinese else "en"}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(said["title"])} · Tellercast</title>
<link rel="stylesheet" href="/static/styles/tokens.css"><link rel="stylesheet" href="/static/styles/base.css">
<link rel="stylesheet" href="/static/styles/components.css"></head>
<body><main class="page-message"><p class="page-message-code">{who}{said["status"]}</p><h1>{html.escape(said["title"])}</h1>
<p>{html.escape(said["next"])}</p>
<p class="page-message-ways">{ways}</p></main></body></html>"""
    return web.Response(text=body, status=refusal.problem.status, content_type="text/html")
