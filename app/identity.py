"""Signed tokens that say who somebody is, in a cookie or as a bearer. Nothing is kept on our side."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from aiohttp import web
from itsdangerous import BadData, URLSafeTimedSerializer

from core.identity import Person, Role

COOKIE = "tellercast"
# A working day; a bank signs people in again the next.
TOKEN_AGE_S = 12 * 3600


class Identity:
    """Issues and reads tokens under one secret."""

    def __init__(self, secret: bytes, *, secure_cookie: bool) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="tellercast.identity.v1")
        self._secure = secure_cookie

    def token(self, person: Person) -> str:
        """A token that proves `person` for `TOKEN_AGE_S` seconds."""
        return str(self._signer.dumps({"id": person.id, "role": person.role.value, "name": person.name}))

    def person(self, token: str | None) -> Person | None:
        """Whom a token proves; None for one that is missing, forged or too old."""
        if not token:
            return None
        try:
            claims = self._signer.loads(token, max_age=TOKEN_AGE_S)
            return Person(str(claims["id"]), Role(claims["role"]), str(claims["name"]))
        except (BadData, KeyError, TypeError, ValueError):
            return None

    def from_request(self, request: web.Request) -> tuple[Person | None, bool]:
        """Who asks, and whether a cookie came along to say so (then the origin has to be checked too)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.person(token.strip()), False
        cookie = request.cookies.get(COOKIE)
        return self.person(cookie), cookie is not None

    def from_socket(self, environ: Mapping[str, Any], auth: object) -> Person | None:
        """Who opens a Socket.IO connection: `auth: {token}` first, then the cookie."""
        if isinstance(auth, dict) and isinstance(auth.get("token"), str):
            return self.person(auth["token"])
        try:
            jar = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        except CookieError:
            return None
        return self.person(jar[COOKIE].value) if COOKIE in jar else None

    def set_cookie(self, response: web.StreamResponse, token: str) -> None:
        response.set_cookie(COOKIE, token, max_age=TOKEN_AGE_S, httponly=True, samesite="Lax", secure=self._secure, path="/")


def clear_cookie(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/")
