"""Who may send picture and sound, and who may see them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from core.errors import Refused
from core.http import PERSON
from recording import kinds
from rooms.door import RoomDoor
from tests.rooms.house import PEOPLE, House
from tests.rooms.test_calls import begin


def asked(name: str) -> Any:
    request = make_mocked_request("POST", "/")
    request[PERSON] = PEOPLE[name]
    return request


async def refused(waiting: Any) -> str:
    with pytest.raises(Refused) as caught:
        await waiting
    return caught.value.problem.code


async def test_in_a_show_the_host_sends_and_everybody_sees_while_it_runs(house: House) -> None:
    door = RoomDoor(house.db, house.trail)
    show = await house.show(live=False)
    session = show["session"]
    assert await refused(door.publish_grant(asked("adviser-1"), session)) == "session_not_live"
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/start")
    grant = await door.publish_grant(asked("adviser-1"), session)
    assert (grant.stream, grant.started_at) == ("host", house.clock.now())
    for name in ("customer-c3", "adviser-2"):
        assert await refused(door.publish_grant(asked(name), session)) == "forbidden"
        assert (await door.subscribe_grant(asked(name), session, None)).stream == "host"
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/pause")
    assert (await door.publish_grant(asked("adviser-1"), session)).stream == "host"
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/end")
    assert await refused(door.subscribe_grant(asked("customer-c3"), session, None)) == "session_not_live"
    assert await refused(door.subscribe_grant(asked("customer-c3"), "ses_none", None)) == "not_found"


async def test_in_a_call_each_sends_his_own_and_sees_the_other(house: House) -> None:
    door = RoomDoor(house.db, house.trail)
    customer, adviser = await house.tab("customer-c5"), await house.tab("adviser-1")
    live = await begin(house, customer, adviser)
    session = live["session"]
    assert (await door.publish_grant(asked("customer-c5"), session)).stream == "customer"
    assert (await door.publish_grant(asked("adviser-1"), session)).stream == "adviser"
    assert (await door.subscribe_grant(asked("customer-c5"), session, None)).stream == "adviser"
    assert (await door.subscribe_grant(asked("adviser-1"), session, "customer")).stream == "customer"
    assert await refused(door.subscribe_grant(asked("adviser-1"), session, "adviser")) == "forbidden"
    assert await refused(door.subscribe_grant(asked("customer-c3"), session, None)) == "call_not_yours"
    assert await refused(door.publish_grant(asked("supervisor-1"), session)) == "forbidden"
    for stream in ("adviser", "customer"):
        assert (await door.subscribe_grant(asked("supervisor-1"), session, stream)).stream == stream
    assert len(await house.entries(session, kinds.CALL_LISTENED)) == 2
