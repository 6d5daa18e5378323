"""How every package declares its HTTP routes: one `Route` is the handler, its shapes and its documentation at once.

`app/` turns the list into aiohttp routes and `/api/openapi.json`; who may call which stands in `app/permissions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from core.errors import BAD_REQUEST, NOT_SIGNED_IN, Problem, Refused
from core.identity import Person

# Set by the identity middleware; None when nobody is signed in.
PERSON = web.RequestKey("person", object)
LANG = web.RequestKey("lang", str)

_MAX_BODY = 64 * 1024
_MAX_FIELDS = 20
_READ_TIMEOUT_S = 30.0
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Route:
    """One way in over HTTP.

    `handler(request)` or, when `takes` is given, `handler(request, body)` with the decoded body. It answers a msgspec
    Struct (encoded with `status`), None (204), or a ready `web.StreamResponse`. With `form` an HTML form is taken as well.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    summary: str
    takes: Any = None
    gives: Any = None
    status: int = 200
    problems: tuple[Problem, ...] = ()
    form: bool = False


def person(request: web.Request) -> Person:
    """Who is asking. Raises Refused(NOT_SIGNED_IN) when nobody is."""
    someone = request.get(PERSON)
    if not isinstance(someone, Person):
        raise Refused(NOT_SIGNED_IN)
    return someone


def lang(request: web.Request) -> str:
    """ "zh" or "en", as the browser or the person chose."""
    return str(request.get(LANG, "en"))


async def read_body(request: web.Request, shape: Any, *, form: bool = False) -> Any:
    """The JSON body (with `form` also an HTML form's) as `shape`, a msgspec Struct type.

    Raises Refused(BAD_REQUEST) with the field that is wrong.
    """
    raw = await _read(request)
    try:
        if form and request.content_type == FORM:
            fields = dict(parse_qsl(raw.decode(), max_num_fields=_MAX_FIELDS))
            return _plain(msgspec.convert(fields, type=shape, strict=False))
        return _plain(msgspec.json.decode(raw or b"{}", type=shape))
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: wrong UTF-8, too many fields
        raise Refused(BAD_REQUEST, detail=str(error)) from error


async def _read(request: web.Request) -> bytes:
    if request.content_length is not None and request.content_length > _MAX_BODY:
        raise Refused(BAD_REQUEST, detail=f"more than {_MAX_BODY} bytes")
    raw = b""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            while not request.content.at_eof() and len(raw) <= _MAX_BODY:
                raw += await request.content.read(_MAX_BODY + 1 - len(raw))
    except TimeoutError as error:
        raise Refused(BAD_REQUEST, detail=f"it did not arrive within {_READ_TIMEOUT_S:.0f} s") from error
    if len(raw) > _MAX_BODY:
        raise Refused(BAD_REQUEST, detail=f"more than {_MAX_BODY} bytes")
    return raw


def convert(value: Any, shape: Any) -> Any:
    """A Socket.IO payload as `shape`; same errors as `read_body`."""
    try:
        return _plain(msgspec.convert(value if value is not None else {}, type=shape))
    except msgspec.MsgspecError as error:
        raise Refused(BAD_REQUEST, detail=str(error)) from error


def _plain(made: Any) -> Any:
    """As it is. Raises Refused(BAD_REQUEST) for a NUL character: JSON and forms can carry it, no text of PostgreSQL can."""
    if b"\\u0000" in msgspec.json.encode(made).replace(b"\\\\", b""):
        raise Refused(BAD_REQUEST, detail="a NUL character")
    return made
