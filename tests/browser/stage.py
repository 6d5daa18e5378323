"""One server for many tests: each finds the demo's host with one show to begin, and nobody on air."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from core.clock import SystemClock, to_text
from tests.browser.server import Server

HOST = "adviser-1"
_ANSWERS_WITHIN_S = 20


class Stage:
    """A running server in demo mode, made ready for the next test by `clear`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._token = ""
        self._token = str(self._ask("POST", "/api/demo/login", {"as": HOST})["token"])
        [seeded] = self._shows("upcoming")
        self._shelf = [product["id"] for product in self._ask("GET", f"/api/shows/{seeded['id']}/shelf")["products"]]

    def clear(self) -> None:
        """Ends what is on air, and plans the next show with the seeded one's shelf where none is planned."""
        for show in self._shows("live"):
            self._ask("POST", f"/api/shows/{show['id']}/end")
        if not self._shows("upcoming"):
            plan = {"title": "稳健理财公开课", "starts_at": to_text(SystemClock().now())}
            show = self._ask("POST", "/api/shows", plan)
            self._ask("PUT", f"/api/shows/{show['id']}/shelf", {"products": self._shelf})

    def _shows(self, which: str) -> list[dict[str, Any]]:
        return [show for show in self._ask("GET", "/api/shows")[which] if show["mine"]]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers; urllib raises when it refuses."""
        head = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = json.dumps({} if body is None else body).encode() if method != "GET" else None
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.server.http_port}{path}",
            data=data,
            headers={**head, "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=_ANSWERS_WITHIN_S) as answer:  # noqa: S310
            return json.load(answer)
