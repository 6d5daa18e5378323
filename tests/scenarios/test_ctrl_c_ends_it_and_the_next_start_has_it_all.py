"""One command starts it, Ctrl-C ends it, and the next start goes on where the last one stopped."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from tests.scenarios.town import Town, until


@pytest.fixture
def database_url(tmp_path: object) -> str:
    """What a first start uses."""
    return f"sqlite+aiosqlite:///{tmp_path}/tellercast.db"


@pytest.mark.timeout(180)
async def test_ctrl_c_leaves_nothing_running_and_nothing_lost(town: Town) -> None:
    await town.start_show()
    [name] = await town.crowd(1)
    camera = await town.camera()
    await town.sale_open()
    order = await town.order(name, "one-order-of-many")
    phone = await town.phone(name)
    comment = (await phone.call("comment", {"session": town.session, "text": "Still here tomorrow?"}))["id"]
    fragments = len(await town.entries("fragment"))
    processes = _all(town)
    assert len(processes) >= 3

    assert await asyncio.to_thread(town.server.stop) == 0
    assert "was killed" not in town.server.log, "a process had to be forced, though nobody but an open socket kept it"
    await camera.vanish()
    await _gone(processes)

    await asyncio.to_thread(town.server.start)
    shows = await town.ask("adviser-1", "GET", "/api/shows")
    assert [show["session"] for show in shows["live"]] == [town.session]
    assert [one["id"] for one in (await town.ask(name, "GET", "/api/orders"))["orders"]] == [order["id"]]
    assert (await town.ask(name, "POST", "/api/orders", town.wish("one-order-of-many")))["id"] == order["id"]
    joined = await (await phone.open()).call("join", {"session": town.session})
    assert [one["id"] for one in joined["comments"]] == [comment]
    # The fragment in progress was written at the end, and is known by now or will be.
    await until(lambda: _more_fragments(town, fragments), "the last fragment is on the record", 30)

    processes = _all(town)
    assert town.server.process is not None
    town.server.process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(town.server.process.wait)
    await _gone(processes)  # the two processes notice that nobody watches over them


def _all(town: Town) -> list[psutil.Process]:
    assert town.server.process is not None
    parent = psutil.Process(town.server.process.pid)
    return [parent, *parent.children(recursive=True)]


async def _gone(processes: list[psutil.Process]) -> None:
    async def none_runs() -> bool:
        return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)

    await until(none_runs, "every process has ended", 30)


async def _more_fragments(town: Town, before: int) -> bool:
    return len(await town.entries("fragment")) > before
