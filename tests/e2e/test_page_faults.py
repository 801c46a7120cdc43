"""What the page shows when a worker or the server is killed and when the network is cut in the middle of an answer."""

import signal

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Scenario
from tests.e2e.test_faults import working_for
from tests.e2e.test_pages import ask
from tests.support.browser import Window
from tests.support.fake_provider import Text
from tests.support.installation import Installation

RECOVERY_MS = 90_000
NETWORK_ERRORS = ("error: WebSocket connection to", "error: Failed to load resource")


def forgive_lost_connections(window: Window) -> None:
    """Drop what browsers report of connections that the test has cut."""
    window.complaints[:] = [text for text in window.complaints if not text.startswith(NETWORK_ERRORS)]


async def expect_whole_answer(window: Window) -> None:
    """Check that the answer is complete, and the same as after a reload."""
    answer = window.page.locator(".message.ASSISTANT")
    await expect(answer).to_have_attribute("data-status", "COMPLETE", timeout=RECOVERY_MS)
    live = await answer.locator(".text").inner_text()
    await window.page.reload()
    await expect(answer.locator(".text")).to_have_text(live, use_inner_text=True, timeout=RECOVERY_MS)


async def begin(window: Window, scenario: Scenario) -> None:
    """Ask for a long answer and wait until it is under way."""
    scenario.provider.script(scenario.script, [Text(tokens=150, tokens_per_s=25)])
    await ask(window.page, "Count", agent=scenario.script)
    await expect(window.page.locator(".message.ASSISTANT .text")).to_contain_text("5", timeout=RECOVERY_MS)


async def test_an_answer_goes_on_after_its_worker_is_killed(
    window: Window, scenario: Scenario, installation: Installation
) -> None:
    await begin(window, scenario)
    working_for(installation, scenario).send_signal(signal.SIGKILL)
    await expect(window.page.locator(".notes")).to_contain_text("Another worker", timeout=RECOVERY_MS)
    await expect_whole_answer(window)


async def test_an_answer_goes_on_after_the_server_is_killed(
    window: Window, scenario: Scenario, installation: Installation
) -> None:
    await begin(window, scenario)
    (server,) = installation.processes(r"nexent_gql\.cli serve")
    server.send_signal(signal.SIGKILL)
    await expect(window.page.locator("#state")).to_have_attribute("data-state", "offline", timeout=RECOVERY_MS)
    await expect(window.page.locator("#state")).to_have_attribute("data-state", "live", timeout=RECOVERY_MS)
    await expect_whole_answer(window)
    forgive_lost_connections(window)


@pytest.mark.slow
async def test_an_answer_goes_on_after_the_network_was_cut_for_a_minute(window: Window, scenario: Scenario) -> None:
    await begin(window, scenario)
    await window.context.set_offline(True)
    await expect(window.page.locator("#state")).to_have_attribute("data-state", "offline", timeout=RECOVERY_MS)
    await window.page.wait_for_timeout(60_000)
    await window.context.set_offline(False)
    await expect(window.page.locator("#state")).to_have_attribute("data-state", "live", timeout=RECOVERY_MS)
    await expect_whole_answer(window)
    forgive_lost_connections(window)
