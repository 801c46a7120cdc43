"""A browser for tests of the pages. What the console reports, and every request to another host, fails the test."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
_OPTIONS = [
    "--no-sandbox",
    "--disable-sync",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


@dataclass
class Window:
    """A browser profile with one page; `complaints` has what the page did wrong."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list[str])

    async def open_tab(self) -> Page:
        """Open a second page of the same profile."""
        page = await self.context.new_page()
        watch(page, self.complaints)
        return page


def watch(page: Page, complaints: list[str]) -> None:
    """Note errors and warnings of a page, and requests to other hosts."""
    page.set_default_timeout(PATIENCE_MS)

    def note_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text}")

    def note_request(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in {"http", "https", "ws", "wss"} and url.hostname != "127.0.0.1":
            complaints.append(f"request: {request.url}")

    page.on("console", note_message)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note_request)


@asynccontextmanager
async def browser_window(port: int, *, width: int = 1280, height: int = 800) -> AsyncGenerator[Window]:
    """Open a browser on an installation."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        context = await browser.new_context(
            base_url=f"http://127.0.0.1:{port}", viewport={"width": width, "height": height}, locale="en-US"
        )
        window = Window(context, await context.new_page())
        watch(window.page, window.complaints)
        yield window
        await browser.close()
