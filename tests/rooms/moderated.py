"""A live show with people in it, for what moderators do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recording import kinds
from tests.rooms.house import House, Tab

HOST, VIEWER, OTHER = "adviser-1", "customer-c3", "customer-c5"
Mark = Callable[[dict[str, Any]], bool]


class Stage:
    """A live show with its host and two viewers in it."""

    def __init__(self, house: House, session: str, host: Tab, viewer: Tab, other: Tab) -> None:
        self.house, self.session, self.host, self.viewer, self.other = house, session, host, viewer, other

    async def say(self, tab: Tab, text: str, **more: Any) -> dict[str, Any]:
        ack = await tab.room("comment", {"session": self.session, "text": text, **more})
        self.house.clock.advance(1)
        return ack

    async def do(self, act: str, comment: str | None = None, by: str = HOST, **more: Any) -> dict[str, Any]:
        body = {"act": act, **more} | ({} if comment is None else {"comment": comment})
        status, answer = await self.house.api(by, "POST", f"/api/sessions/{self.session}/moderation", body)
        assert status == 200, answer
        return dict(answer)

    async def refused(self, act: str, comment: str | None = None, by: str = HOST, **more: Any) -> tuple[int, str]:
        body = {"act": act, **more} | ({} if comment is None else {"comment": comment})
        status, answer = await self.house.api(by, "POST", f"/api/sessions/{self.session}/moderation", body)
        return status, answer["code"]

    async def undo(self, act: int, by: str = HOST) -> tuple[int, dict[str, Any]]:
        status, answer = await self.house.api(by, "DELETE", f"/api/sessions/{self.session}/moderation/{act}")
        return status, dict(answer)

    async def view(self, by: str = HOST) -> dict[str, Any]:
        status, answer = await self.house.api(by, "GET", f"/api/sessions/{self.session}/moderation")
        assert status == 200, answer
        return dict(answer)

    async def seen_by(self, name: str) -> list[str]:
        """The texts of the comments that somebody who comes now is given."""
        tab = await self.house.tab(name)
        joined = await tab.room("join", {"session": self.session})
        assert joined["ok"], joined
        return [one["text"] for one in joined["comments"]]

    async def kinds(self) -> list[str]:
        """The acts in the trail, in order."""
        acts = {kind for kind in kinds.KINDS if kind.startswith(("comment_", "person_", "room_"))}
        return [entry.kind for entry in await self.house.entries(self.session, *acts)]


async def open_stage(house: House) -> Stage:
    """The show has begun, and the three are in it."""
    session = (await house.show())["session"]
    tabs = [await house.tab(name) for name in (HOST, VIEWER, OTHER)]
    for tab in tabs:
        assert (await tab.room("join", {"session": session}))["ok"]
    return Stage(house, session, *tabs)


def says(text: str) -> Mark:
    return lambda payload: any(one["text"] == text for one in payload["comments"])


async def heard_until(tab: Tab, text: str) -> list[str]:
    """All texts that this tab was shown up to and including this one."""
    await tab.hears("comments", says(text))
    return [one["text"] for batch in tab.all("comments") for one in batch["comments"]]
