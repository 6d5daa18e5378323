"""People with browsers: each opens a page as the demo person they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Playwright

from tests.browser.media_files import Devices
from tests.browser.server import ROOT, Server
from tests.browser.wires import Wire

CHROMIUM = "/usr/bin/chromium"
# What everybody saw last, for looking at after a failure.
ARTIFACTS = ROOT / ".artifacts"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
)


@dataclass
class People:
    """Opens the site as somebody. Each set of devices gets a browser process of its own; the rest share one."""

    playwright: Playwright
    url: str
    browsers: dict[str, Browser] = field(default_factory=dict)
    console: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    async def open(
        self,
        name: str,
        path: str,
        *,
        devices: Devices | None = None,
        lang: str = "en",
        viewport: dict[str, int] | None = None,
        init_script: str = "",
        wire: Wire | None = None,
    ) -> Page:
        """A page at `path`, signed in as the demo person `name`."""
        browser = await self._browser(devices)
        context: BrowserContext = await browser.new_context(
            locale={"en": "en-GB", "zh": "zh-CN"}[lang],
            viewport=viewport or DESKTOP,  # type: ignore[arg-type]
            permissions=["camera", "microphone"],
            timezone_id="Asia/Shanghai",
        )
        context.set_default_timeout(20_000)
        answer = await context.request.post(f"{self.url}/api/demo/login", data={"as": name})
        assert answer.ok, await answer.text()
        if init_script:
            await context.add_init_script(init_script)
        page = await context.new_page()
        page.on("console", lambda message: self._heard(name, message.type, message.text))
        page.on("pageerror", lambda error: self._heard(name, "pageerror", str(error)))
        self.pages.append(page)
        if wire is not None:
            await wire.hold(page)
        await page.goto(self.url + path)
        return page

    async def api(self, page: Page, method: str, path: str, body: Any = None) -> Any:
        """An API call as the person the page belongs to; fails with the problem when refused."""
        answer = await page.context.request.fetch(self.url + path, method=method, data=body)
        assert answer.ok, f"{method} {path}: {answer.status} {await answer.text()}"
        return await answer.json() if answer.status != 204 else None

    async def close(self, server: Server, *, pictures: bool = True) -> None:
        """Closes all browsers, after `pictures` of the pages; prints what pages and server said, for pytest to show."""
        for number, page in enumerate(self.pages if pictures else ()):
            ARTIFACTS.mkdir(exist_ok=True)
            await page.screenshot(path=ARTIFACTS / f"{number}-{page.url.split('/')[3].split('?')[0] or 'lobby'}.png")
        for browser in self.browsers.values():
            await browser.close()
        for line in self.console[-60:]:
            print(line)
        print(server.log[-6000:])

    def _heard(self, name: str, kind: str, text: str) -> None:
        if kind in {"error", "pageerror", "warning"}:
            self.console.append(f"{name}: {kind}: {text}")

    async def _browser(self, devices: Devices | None) -> Browser:
        key = devices.camera.stem if devices is not None else ""
        if key not in self.browsers:
            files = _device_flags(devices) if devices is not None else ()
            self.browsers[key] = await self.playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *files])
        return self.browsers[key]


def _device_flags(devices: Devices) -> tuple[str, str]:
    return (
        f"--use-file-for-fake-video-capture={devices.camera}",
        f"--use-file-for-fake-audio-capture={devices.microphone}",
    )
