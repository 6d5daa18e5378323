"""The players of other sites: `@eyevinn/webrtc-player` on a page of another origin, watching by WHEP with a bearer token."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.browser.media_files import Devices
from tests.browser.people import People
from tests.browser.server import ROOT, Server
from tests.browser.steps import go_live, hears, sees_picture, until

pytestmark = pytest.mark.one_server

MODULES = ROOT / "node_modules"
# Its package is CommonJS: five lines load it. What it has for advertisements and for another protocol stays away.
PAGE = """<!doctype html><title>Another site</title><video autoplay playsinline></video><script>
const modules = { "@eyevinn/csai-manager": {}, "@eyevinn/whpp-client": {} };
async function load(name, path) {
  const module = { exports: {} };
  new Function("module", "exports", "require", await (await fetch(path)).text())(module, module.exports, id => modules[id]);
  modules[name] = module.exports;
}
window.watch = async (url, authorization) => {
  await load("events", "/modules/events/events.js");
  await load("player", "/modules/@eyevinn/webrtc-player/dist/main.js");
  window.player = new modules.player.WebRTCPlayer({ video: document.querySelector("video"), type: "whep", iceServers: [] });
  await window.player.load(new URL(url), authorization);
};
</script>"""
DECODED = """async () => [...(await player.peer.getStats()).values()]
  .find(row => row.type === "inbound-rtp" && row.kind === "video")?.framesDecoded"""


@pytest.fixture
async def other_site() -> AsyncIterator[str]:
    """Its address; its host differs from the server's, so that the browser asks for CORS."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_static("/modules", MODULES)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.timeout(180)
async def test_another_sites_player_watches(server: Server, people: People, host_devices: Devices, other_site: str) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    customer = await people.open("customer-c3", "/orders")
    token = next(c["value"] for c in await customer.context.cookies() if c["name"] == "tellercast")
    await customer.context.clear_cookies()  # from here on the token alone says who it is
    await customer.goto(other_site)
    await customer.evaluate(
        "([url, auth]) => watch(url, auth)", [f"{server.url}/api/sessions/{session}/whep", f"Bearer {token}"]
    )
    video = customer.locator("video")
    await sees_picture(video)
    await hears(video)
    assert await until(lambda: customer.evaluate(DECODED), "decoded frames") >= 2

    async with customer.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        await customer.evaluate("() => player.unload()")
    answer = await ended.value
    assert answer.status == 200
    again = await customer.context.request.delete(answer.url, headers={"Authorization": f"Bearer {token}"})
    assert again.status == 404  # it is gone, not only said to be
