"""What the host shows changes, and nobody's connection with it: the screen, another camera, a pause, a return."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.media_files import Devices
from tests.browser.peers import KEEP_PEERS, count, sent
from tests.browser.people import CHROMIUM, FLAGS, People
from tests.browser.steps import go_live, hears, sale_open, sees_picture, until

pytestmark = pytest.mark.one_server

DEVICE = "video => video.srcObject?.getVideoTracks()[0]?.getSettings().deviceId"
FAKE_DEVICE = "--use-fake-device-for-media-stream"
CAMERA_WIDTH, SCREEN_WIDTH = 640, 1920
WEAK_KBPS = 180
# What a page opens is kept, and `refuse` (constraints → an error, or nothing) may say no to it.
KEEP_TRACKS = """(() => {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  const clone = MediaStreamTrack.prototype.clone;
  window.tracks = [];
  window.refuse = () => null;
  window.open_ = kind => window.tracks.filter(track => track.kind === kind && track.readyState === "live");
  devices.getUserMedia = async constraints => {
    const error = window.refuse(constraints);
    if (error) throw error;
    const media = await ask(constraints);
    window.tracks.push(...media.getTracks());
    return media;
  };
  MediaStreamTrack.prototype.clone = function () {
    const copy = clone.call(this);
    window.tracks.push(copy);
    return copy;
  };
})();"""
# Other cameras than the one that is on are in use elsewhere.
OTHERS_BUSY = """video => {
  const first = video.srcObject.getVideoTracks()[0].getSettings().deviceId;
  window.refuse = ({ video }) =>
    video?.deviceId && video.deviceId.exact !== first ? new DOMException("in use", "NotReadableError") : null;
}"""
ONE_AT_A_TIME = """() => {
  window.refuse = ({ video }) => video && open_("video").length ? new DOMException("one at a time", "NotReadableError") : null;
}"""
PULLED_OUT = """() => {
  const all = [...open_("video"), ...open_("audio")];
  for (const track of all) track.stop();
  for (const track of all) track.dispatchEvent(new Event("ended"));
}"""
# A camera and a microphone for a browser that has none: a coloured square that changes, and a tone.
DRAWN_CAMERA = """navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = `hsl(${performance.now() / 20} 80% 50%)`;
    context.fillRect(0, 0, 640, 360);
  }, 33);
  const audio = new AudioContext();
  const [tone, out] = [audio.createOscillator(), audio.createMediaStreamDestination()];
  tone.connect(out);
  tone.start();
  return new MediaStream([...out.stream.getTracks(), ...canvas.captureStream(30).getTracks()]);
};"""


@pytest.mark.timeout(180)
async def test_the_screen_takes_the_cameras_place_and_gives_it_back(people: People, host_devices: Devices) -> None:
    studio, viewer, session = await _on_air(people, host_devices)
    video = viewer.get_by_test_id("video")
    await sees_picture(video)

    await studio.get_by_test_id("share-screen").click()
    await _shows(video, SCREEN_WIDTH)
    await hears(video)
    await expect(studio.get_by_test_id("toggle-video")).to_be_disabled()
    await sale_open(viewer, session)
    await _a_pause_hides_both_sizes(studio, viewer)

    # What the browser's own bar does: the track ends.
    await studio.get_by_test_id("preview").evaluate(
        """video => {
          const [screen] = video.srcObject.getVideoTracks();
          screen.stop();
          screen.dispatchEvent(new Event("ended"));
        }"""
    )
    await sees_picture(video)
    await _shows(video, CAMERA_WIDTH)
    await expect(studio.get_by_test_id("share-screen")).to_have_attribute("data-on", "false")
    assert (await count(studio), await count(viewer)) == (1, 1)


@pytest.mark.timeout(180)
async def test_a_choice_of_screen_that_is_closed_leaves_the_camera_on(people: People, host_devices: Devices) -> None:
    refuse = KEEP_PEERS + (
        """; navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException("closed", "NotAllowedError"))"""
    )
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=refuse)
    session = await go_live(studio)
    await studio.get_by_test_id("share-screen").click()
    await expect(studio.locator(".camera-told")).to_contain_text("Nothing is shared")
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await sees_picture(viewer.get_by_test_id("video"))
    assert await count(studio) == 1


@pytest.mark.timeout(180)
async def test_another_camera_without_a_new_connection(people: People) -> None:
    studio, viewer, _session = await _on_air(people, await _three_cameras(people))
    preview = studio.get_by_test_id("preview")
    video = viewer.get_by_test_id("video")
    await until(lambda: _frames(video), "the first camera's picture")
    voice, face, *_ = await sent(studio)

    # The second of Chromium's fake cameras measures depth, which no encoder takes.
    seen = {await preview.evaluate(DEVICE)}
    for number in (2, 3):
        await studio.get_by_test_id("switch-camera").click()

        async def switched(many: int = number) -> bool:
            device = await preview.evaluate(DEVICE)
            if device:
                seen.add(device)
            return len(seen) == many

        await until(switched, f"camera {number} in the preview")

    async def swapped() -> bool:
        return bool((await sent(studio))[1]["track"] != face["track"])

    await until(swapped, "the third camera on its way")
    await _goes_on(video, "the third camera's picture at the viewer")
    assert (await sent(studio))[0]["track"] == voice["track"], "the voice is not interrupted by another camera"
    assert (await count(studio), await count(viewer)) == (1, 1)


@pytest.mark.timeout(180)
async def test_a_camera_that_is_busy_or_pulled_out_does_not_take_the_picture_off_the_air(people: People) -> None:
    studio = await people.open(
        "adviser-1", "/studio", devices=await _three_cameras(people), init_script=KEEP_TRACKS + KEEP_PEERS
    )
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}", init_script=KEEP_PEERS)
    preview = studio.get_by_test_id("preview")
    video = viewer.get_by_test_id("video")
    first = await preview.evaluate(DEVICE)

    await preview.evaluate(OTHERS_BUSY)
    await studio.get_by_test_id("switch-camera").click()
    await expect(studio.locator(".toast")).to_contain_text("That camera is busy")
    await expect(studio.get_by_test_id("device-problem")).to_have_count(0)
    assert await preview.evaluate(DEVICE) == first
    await _goes_on(video, "the camera of before at the viewer")

    await studio.evaluate(ONE_AT_A_TIME)
    await studio.get_by_test_id("switch-camera").click()

    async def turned() -> bool:
        return await preview.evaluate(DEVICE) not in {None, first}

    await until(turned, "another camera where one opens at a time")
    await expect(studio.get_by_test_id("device-problem")).to_have_count(0)

    await studio.evaluate("() => { window.refuse = () => null; }")
    await studio.evaluate(PULLED_OUT)

    async def both_again() -> bool:
        return bool(await studio.evaluate("() => open_('video').length > 0 && open_('audio').length > 0"))

    await until(both_again, "sound and picture of other devices")
    await _goes_on(video, "the picture after the webcam was pulled out")
    assert (await count(studio), await count(viewer)) == (1, 1)


@pytest.mark.timeout(180)
async def test_a_camera_that_goes_while_the_screen_is_shown_is_told_when_it_ends(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=KEEP_TRACKS + KEEP_PEERS)
    await go_live(studio)
    share = studio.get_by_test_id("share-screen")
    await share.click()
    await expect(share).to_have_attribute("data-on", "true")
    await studio.evaluate("""() => {
      window.refuse = ({ video }) => video ? new DOMException("gone", "NotFoundError") : null;
      for (const track of open_("video")) if (track.getSettings().displaySurface === undefined) track.stop();
    }""")
    await share.click()
    await expect(share).to_have_attribute("data-on", "false")
    await expect(share).to_contain_text("Share screen or slides")
    await expect(studio.locator(".camera-showing")).to_be_hidden()
    problem = studio.get_by_test_id("device-problem")
    await expect(problem).to_contain_text("No camera was found.")
    health = studio.get_by_test_id("health")
    await expect(health).to_have_attribute("data-level", "frozen", timeout=20_000)

    await studio.evaluate("() => { window.refuse = () => null; }")
    await problem.get_by_role("button").click()
    await expect(problem).to_have_count(0)
    await expect(health).not_to_have_attribute("data-level", "frozen", timeout=20_000)


@pytest.mark.timeout(180)
async def test_who_may_not_publish_is_told_that_nothing_is_sent(people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=KEEP_PEERS)
    refusal = '{"code": "forbidden", "status": 403, "title": "You may not publish here."}'
    await studio.route(
        re.compile("/whip$"), lambda route: route.fulfill(status=403, body=refusal, content_type="application/problem+json")
    )
    await go_live(studio)
    await expect(studio.get_by_test_id("health")).to_have_attribute("data-level", "unsent")
    await expect(studio.locator(".live-left > div").first).to_contain_text("You may not publish here.")
    assert await studio.evaluate("() => window.peers.map(peer => peer.connectionState)") == ["closed"]

    # A key that is held is pressed once, and the choice of devices does not outlive the show.
    sound = studio.get_by_test_id("toggle-audio")
    await studio.locator("body").focus()
    await studio.keyboard.down("m")
    await studio.keyboard.down("m")
    await expect(sound).to_have_attribute("data-on", "false")
    await studio.keyboard.up("m")
    await studio.get_by_test_id("devices").click()
    await expect(studio.get_by_test_id("device-dialog")).to_be_visible()
    await studio.go_back()
    await expect(studio.get_by_test_id("device-dialog")).to_have_count(0)


@pytest.mark.timeout(180)
async def test_a_card_that_stands_still_before_a_good_line_is_no_weak_upload(people: People, host_devices: Devices) -> None:
    # Drawn again and again, so that there are frames; of the same colour, so that they need next to nothing.
    card = DRAWN_CAMERA.replace("hsl(${performance.now() / 20} 80% 50%)", "#224466")
    assert card != DRAWN_CAMERA
    studio = await people.open("adviser-1", "/studio", devices=host_devices, init_script=card + KEEP_PEERS)
    await go_live(studio)
    health = studio.get_by_test_id("health")
    await expect(health).not_to_have_attribute("data-level", "starting", timeout=20_000)
    await expect(health).to_have_attribute("data-level", "good", timeout=20_000)
    rate = (await studio.get_by_test_id("health-rate").locator("dd").inner_text()).split()[0]
    assert int(rate.replace(",", "")) < WEAK_KBPS, "the picture is as cheap as the test says"


@pytest.mark.timeout(180)
async def test_a_slide_that_stands_still_is_recorded_and_sold_beside(people: People) -> None:
    # Chromium's fake screen moves; a tab with a title to choose it by does not. Such a browser has no fake camera.
    slides = Devices(Path("slides"), Path())
    flags = [flag for flag in FLAGS if "-fake-" not in flag]
    people.browsers[slides.camera.stem] = await people.playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*flags, "--auto-select-tab-capture-source-by-title=Slides"]
    )
    studio = await people.open("adviser-1", "/studio", devices=slides, init_script=DRAWN_CAMERA + KEEP_PEERS)
    slide = await studio.context.new_page()
    await slide.set_content("<title>Slides</title><h1>Benchmark 2.30% a year, R2</h1>")
    await studio.bring_to_front()
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}")
    await studio.get_by_test_id("share-screen").click()
    await _shows(viewer.get_by_test_id("video"), slide.viewport_size["width"] if slide.viewport_size else 0)
    await sale_open(viewer, session)
    shared_at = await viewer.evaluate("() => performance.now()")
    # Longer than the sale waits for what is on disk.
    await viewer.wait_for_function("since => performance.now() - since > 10_000", arg=shared_at)
    view = await people.api(viewer, "GET", f"/api/sessions/{session}")
    assert view["sale"]["open"], view["sale"]
    await expect(studio.get_by_test_id("health")).to_have_attribute("data-level", "good")


@pytest.mark.timeout(180)
async def test_a_host_who_leaves_and_returns_finds_the_viewers_where_they_were(people: People, host_devices: Devices) -> None:
    studio, viewer, _session = await _on_air(people, host_devices)
    video = viewer.get_by_test_id("video")
    card = viewer.get_by_test_id("state-card")
    await sees_picture(video)

    address = studio.url
    await studio.goto("about:blank")
    await expect(card).to_have_attribute("data-kind", "lost")
    await expect(card).to_contain_text("Back in a moment")
    # Longer than a connection on which nothing comes is kept otherwise.
    gone_at = await viewer.evaluate("() => performance.now()")
    await viewer.wait_for_function("since => performance.now() - since > 8000", arg=gone_at)
    await studio.goto(address)
    await sees_picture(video)
    await expect(card).to_be_hidden()
    assert await count(viewer) == 1


async def _on_air(people: People, devices: Devices) -> tuple[Page, Page, str]:
    studio = await people.open("adviser-1", "/studio", devices=devices, init_script=KEEP_PEERS)
    session = await go_live(studio)
    viewer = await people.open("customer-c3", f"/watch/{session}", init_script=KEEP_PEERS)
    return studio, viewer, session


async def _three_cameras(people: People) -> Devices:
    three = Devices(Path("three-cameras"), Path())
    flags = [flag for flag in FLAGS if flag != FAKE_DEVICE]
    people.browsers[three.camera.stem] = await people.playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*flags, f"{FAKE_DEVICE}=device-count=3"]
    )
    return three


async def _goes_on(video: Locator, what: str) -> None:
    known = await _frames(video)

    async def more() -> bool:
        return bool(await _frames(video) > known + 15)

    await until(more, what)


async def _shows(video: Locator, width: int) -> None:
    async def shown() -> bool:
        return bool(await video.evaluate("video => video.videoWidth") == width)

    await until(shown, f"a picture {width} pixels wide")


async def _a_pause_hides_both_sizes(studio: Page, viewer: Page) -> None:
    await studio.get_by_test_id("pause-show").click()
    await expect(viewer.get_by_test_id("state-card")).to_have_attribute("data-kind", "paused")
    hidden = await sent(studio)
    assert [(one["kind"], one["enabled"]) for one in hidden][:2] == [("audio", False), ("video", False)]
    assert not any(one["enabled"] for one in hidden), hidden
    await studio.get_by_test_id("pause-show").click()
    await expect(viewer.get_by_test_id("state-card")).to_be_hidden()

    async def all_again() -> bool:
        return all(one["enabled"] for one in await sent(studio))

    await until(all_again, "sound and picture")


async def _frames(video: Locator) -> int:
    """How many frames a video element has shown."""
    return int(await video.evaluate("video => video.getVideoPlaybackQuality().totalVideoFrames"))
