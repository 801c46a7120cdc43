"""The two pages in a real browser, against a running installation."""

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from nexent_gql.pages.files import VENDOR
from tests.e2e.conftest import CREATE_AGENT, REGISTER
from tests.support.fake_provider import FakeProvider, Reasoning, Text, Usage
from tests.support.graphql_client import Client
from tests.support.installation import Installation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
PATIENCE_MS = 15_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")


@pytest.fixture
async def page(installation: Installation) -> AsyncGenerator[Page]:
    """A browser window; what the console complains about fails the test."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text}")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-sync", *QUIET]
        )
        window = await browser.new_page(
            base_url=f"http://127.0.0.1:{installation.port}", viewport={"width": 1280, "height": 800}
        )
        window.set_default_timeout(PATIENCE_MS)
        window.on("console", note)
        window.on("pageerror", lambda error: complaints.append(str(error)))
        yield window
        await browser.close()
    assert complaints == []


async def send(page: Page, text: str) -> None:
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator("#agent").select_option(label="Assistant")
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")


async def test_a_newcomer_asks_and_watches_the_answer_arrive(page: Page) -> None:
    await send(page, "What is 12 * 34?")
    answer = page.locator(".message.ASSISTANT")
    await expect(answer).to_have_attribute("data-status", "COMPLETE", timeout=PATIENCE_MS)
    await expect(answer.locator(".text")).to_contain_text("408")
    await expect(answer.locator(".tool summary")).to_contain_text("calculator")
    await expect(answer.locator(".account")).to_have_text("offline")  # the built-in model has no price
    assert await page.locator("#events li").count() > 3
    await expect(page.locator("#events li").last).to_contain_text("RunFinished")
    await expect(page.locator("#conversations li").first).to_be_visible()
    if os.environ.get("NEXENT_SCREENSHOTS"):
        await take_pictures(page)


async def take_pictures(page: Page) -> None:
    """Write the pictures of the documentation."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    await page.locator("#log summary").click()
    await page.locator(".tool summary").click()
    await page.screenshot(path=IMAGES / "page.png")
    await page.emulate_media(color_scheme="dark")
    await page.screenshot(path=IMAGES / "page-dark.png")
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 390, "height": 780})
    await page.screenshot(path=IMAGES / "page-phone.png")


async def test_reasoning_is_folded_and_model_and_cost_are_shown(
    page: Page, client: Client, provider: FakeProvider
) -> None:
    provider.script("priced", [Reasoning("Let me think."), Text("Fine."), Usage(1_000, 200)])
    model = await client.one(
        REGISTER,
        input={"name": "Priced", "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": "priced"},
    )
    await client.one(CREATE_AGENT, input={"name": "Pricey", "modelId": model["model"]["id"]})
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator("#agent").select_option(label="Pricey")
    await page.locator("#text").fill("Hi")
    await page.keyboard.press("Enter")
    answer = page.locator(".message.ASSISTANT")
    for _ in ("live", "reloaded"):
        await expect(answer).to_have_attribute("data-status", "COMPLETE", timeout=PATIENCE_MS)
        await expect(answer.locator(".account")).to_have_text("priced \u00b7 $0.003", timeout=PATIENCE_MS)
        thinking = answer.locator("details", has_text="Thinking")
        await expect(thinking.locator("pre")).to_be_hidden()
        await thinking.locator("summary").click()
        await expect(thinking.locator("pre")).to_have_text("Let me think.")
        await page.reload()


async def test_stop_keeps_what_was_said(page: Page) -> None:
    await send(page, "Write a long story of 400 words about the sea.")
    answer = page.locator(".message.ASSISTANT .text")
    await expect(answer).not_to_be_empty(timeout=PATIENCE_MS)
    await page.locator("#stop").click()
    await expect(page.locator(".message.ASSISTANT")).to_have_attribute("data-status", "STOPPED", timeout=PATIENCE_MS)
    answer_text = await answer.inner_text()
    assert answer_text
    await page.reload()
    await expect(page.locator(".message.ASSISTANT .text")).to_have_text(answer_text, timeout=PATIENCE_MS)


async def test_a_reload_in_mid_answer_sees_it_go_on(page: Page) -> None:
    await send(page, "Write a long story of 150 words about the sea.")
    answer = page.locator(".message.ASSISTANT")
    await expect(answer.locator(".text")).not_to_be_empty(timeout=PATIENCE_MS)
    before = await answer.locator(".text").inner_text()
    await page.reload()
    await expect(answer).to_have_attribute("data-status", "COMPLETE", timeout=2 * PATIENCE_MS)
    after = await answer.locator(".text").inner_text()
    assert after.startswith(before.rstrip()[:20])
    assert len(after) > len(before)


async def test_markup_in_an_answer_stays_text(page: Page) -> None:
    await send(page, "Repeat after me: <img src=x onerror=alert(1)><b>bold</b>")
    await expect(page.locator(".message.ASSISTANT")).to_have_attribute("data-status", "COMPLETE", timeout=PATIENCE_MS)
    assert await page.locator("#messages img, #messages b").count() == 0


@pytest.mark.skipif(not VENDOR.is_dir(), reason="GraphiQL's files are not here: make assets")
async def test_graphiql_runs_the_examples(page: Page) -> None:
    await page.goto("/graphql")
    button = page.locator("button.graphiql-execute-button")
    await expect(button).to_be_visible(timeout=PATIENCE_MS)
    await button.click()
    await expect(page.locator(".result-window")).to_contain_text('"effectiveModel"', timeout=PATIENCE_MS)


async def test_the_demo_session_is_for_this_machine_alone(installation: Installation) -> None:
    url = f"http://127.0.0.1:{installation.port}/session/demo"
    json = {"Content-Type": "application/json"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.post(url, headers=json)).status_code == 200
        for headers in (
            {},
            {"Content-Type": "text/plain"},
            {**json, "Host": "evil.example"},
            {**json, "Origin": "http://evil.example"},
            {**json, "Origin": "null"},
            {**json, "Origin": f"http://evil@127.0.0.1:{installation.port}"},
            {**json, "Origin": f"ftp://127.0.0.1:{installation.port}"},
            {**json, "Host": f"evil@127.0.0.1:{installation.port}"},
            {**json, "Host": "localhost:evil"},
            {**json, "Host": f"evil.example\\@localhost:{installation.port}"},
            {**json, "Host": f"127.0.0.1:{installation.port}/evil"},
            {**json, "Host": f"127.0.0.1.evil.example:{installation.port}"},
            {**json, "Host": "2130706433"},
            {**json, "Host": "[::1"},
            {**json, "X-Forwarded-For": "10.0.0.1"},
        ):
            answer = await http.post(url, headers=headers)
            assert answer.status_code in (400, 403, 421), headers
            assert "accessToken" not in answer.text
        for path in ("/", "/graphql"):
            page = await http.get(f"http://127.0.0.1:{installation.port}{path}", headers={"Accept": "text/html"})
            assert page.status_code == 200
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            own = f"connect-src 'self' ws://127.0.0.1:{installation.port} wss://127.0.0.1:{installation.port};"
            assert path != "/" or own in policy
            assert " ws: " not in policy
            assert " wss:;" not in policy
        missing = await http.get(f"http://127.0.0.1:{installation.port}/static/..%2f__init__.py")
        assert missing.status_code == 404
