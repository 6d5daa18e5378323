"""The STUN and TURN servers that clients are told of, and the credentials that our TURN server takes for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from core.clock import Clock


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server told to clients, such as turn:turn.example.org?transport=udp."""

    url: str
    username: str = ""
    credential: str = field(default="", repr=False)

    def link(self) -> str:
        """The `Link` header that names it (RFC 9725 section 4.6)."""
        parts = [f"<{self.url}>", 'rel="ice-server"']
        if self.username:
            parts += [f'username="{self.username}"', f'credential="{self.credential}"', 'credential-type="password"']
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class TurnServers:
    """TURN servers that share `secret` with us and keep no accounts (draft-uberti-behave-turn-rest-00).

    Credentials are made from the secret and the time alone: nothing is kept, and nothing is asked of the TURN server.
    """

    urls: tuple[str, ...]
    secret: bytes = field(repr=False)
    lifetime_s: int
    clock: Clock = field(repr=False, compare=False)

    def for_owner(self, owner: str) -> tuple[IceServer, ...]:
        """Each server with credentials good from now for `lifetime_s` seconds.

        `owner` is told to the TURN server and stands in its log: a name that means nothing outside this installation.
        """
        username = f"{int(self.clock.now().timestamp()) + self.lifetime_s}:{owner}"
        # SHA-1 is what the scheme and every server of it know; as HMAC it is sound.
        credential = base64.b64encode(hmac.digest(self.secret, username.encode(), hashlib.sha1)).decode()
        return tuple(IceServer(url, username, credential) for url in self.urls)
