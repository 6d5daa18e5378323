"""Which sites are ours: a browser's cookie is proof only from a page of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web


@dataclass(frozen=True, slots=True)
class OwnSite:
    """`public` is the origin people use, "" when none is set: then it is whatever host they asked for.

    A proxy in front may end TLS and pass on neither scheme nor port, so the host alone is compared with what was asked for.
    """

    public: str = ""

    @classmethod
    def at(cls, public_url: str) -> OwnSite:
        """Of the setting PUBLIC_URL; "" for none."""
        parts = urlsplit(public_url)
        return cls(f"{parts.scheme}://{parts.netloc}" if parts.netloc else "")

    def owns(self, origin: str, host: str) -> bool:
        """Whether a request with this Origin, sent to this Host, comes from a page of ours."""
        if self.public and origin == self.public:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc == host
        except ValueError:  # no origin at all
            return False

    def owns_socket(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """The same for python-engineio's `cors_allowed_origins`."""
        return origin is not None and self.owns(origin, str(environ.get("HTTP_HOST", "")))


OWN_SITE = web.AppKey("own_site", OwnSite)
