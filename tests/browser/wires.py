"""The page's own WebSocket, in the test's hands: what passes is seen, and the wire is cut at the message one chooses."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.async_api import Page, WebSocketRoute


@dataclass
class Wire:
    """Everything passes until a message holds `cut_before` (from the page) or `cut_after` (from the server).

    That message is lost, and the connection with it; then all passes again.
    """

    cut_before: str = ""
    cut_after: str = ""
    lost: list[str] = field(default_factory=list)

    async def hold(self, page: Page) -> None:
        """Takes the wire of a page that is yet to be loaded."""
        await page.route_web_socket(lambda url: "/socket.io/" in url, self._routed)

    def _routed(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        async def cut(message: str | bytes) -> None:
            self.lost.append(str(message))
            await server_side.close()
            await page_side.close()

        async def from_page(message: str | bytes) -> None:
            if self.cut_before and self.cut_before in str(message):
                self.cut_before = ""
                return await cut(message)
            return server_side.send(message)

        async def from_server(message: str | bytes) -> None:
            if self.cut_after and self.cut_after in str(message):
                self.cut_after = ""
                return await cut(message)
            return page_side.send(message)

        page_side.on_message(from_page)
        server_side.on_message(from_server)
