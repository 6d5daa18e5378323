"""The permission for camera and microphone comes after the person has left: nothing goes on air behind their back."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.people import People
from tests.browser.steps import request_call, until

pytestmark = pytest.mark.one_server

# The prompt stands until the test answers it; `given` are the tracks that came of it.
PROMPTS = """
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.prompts = [];
  window.given = [];
  navigator.mediaDevices.getUserMedia = wanted => new Promise((resolve, reject) => window.prompts.push(async () => {
    const media = await ask(wanted).catch(reject);
    window.given.push(...media.getTracks());
    resolve(media);
  }));
"""


@pytest.mark.timeout(120)
async def test_a_permission_given_after_leaving_opens_no_camera(people: People) -> None:
    await _a_host_goes_back(people)
    await _a_customer_hangs_up_meanwhile(people)


async def _a_host_goes_back(people: People) -> None:
    studio = await people.open("adviser-1", "/studio", init_script=PROMPTS)
    sent = _publications(studio)
    show = await studio.get_by_test_id("show-item").first.get_attribute("data-show")
    session = (await people.api(studio, "POST", f"/api/shows/{show}/start"))["session"]
    await studio.get_by_test_id("show-item").first.click()
    await expect(studio.get_by_test_id("end-show")).to_be_visible()
    await _asked(studio)
    await studio.go_back()
    await expect(studio.get_by_test_id("show-title")).to_be_visible()
    await _permit(studio)
    assert sent == []
    streams = (await people.api(studio, "GET", f"/api/sessions/{session}"))["streams"]
    assert [stream["status"] for stream in streams if stream["status"] == "publishing"] == []
    await people.api(studio, "POST", f"/api/shows/{show}/end")


async def _a_customer_hangs_up_meanwhile(people: People) -> None:
    desk = await people.open("adviser-2", "/desk", init_script=PROMPTS)
    sent = _publications(desk)
    customer = await people.open("customer-c3", "/call")
    await request_call(customer)
    await desk.get_by_test_id("waiting-call").get_by_test_id("accept").click()
    await expect(customer.get_by_test_id("hang-up")).to_be_visible()
    await _asked(desk)
    await customer.get_by_test_id("hang-up").click()
    await expect(desk.get_by_test_id("hang-up")).to_be_hidden()
    await _permit(desk)
    assert sent == []


def _publications(page: Page) -> list[str]:
    """Fills with each offer to publish that the page sends."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/whip"):
            sent.append(request.url)

    page.on("request", note)
    return sent


async def _asked(page: Page) -> None:
    await page.wait_for_function("() => window.prompts.length > 0")


async def _permit(page: Page) -> None:
    """Answers every prompt; all that came of it is stopped."""
    await page.evaluate("() => Promise.all(window.prompts.map(answer => answer()))")

    async def stopped() -> bool:
        return bool(
            await page.evaluate("""() => window.given.length > 0 && window.given.every(t => t.readyState === "ended")""")
        )

    await until(stopped, "every track is stopped", 5)
