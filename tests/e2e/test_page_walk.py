"""The way of somebody who has never seen the page, on a phone: from an empty account to a cited passage."""

from uuid import uuid4

from playwright.async_api import Page, expect

from tests.e2e.test_page_screens import SEA
from tests.e2e.test_pages import expect_status
from tests.support.browser import PATIENCE_MS
from tests.support.fake_provider import FakeProvider, Text, Tool
from tests.support.graphql_client import Client

_SLOW_MS = 60_000


async def add_model(page: Page, provider: FakeProvider, name: str) -> None:
    """Register a model that the provider lists, without knowing how it is called here."""
    await page.get_by_role("link", name="Add a model").click()
    await page.get_by_role("button", name="Add a model").click()
    await page.get_by_label("Provider", exact=True).select_option("COMPATIBLE")
    await page.get_by_label("Base URL").fill(provider.base_url)
    await page.get_by_role("button", name="List the models of the provider").click()
    await expect(page.locator(".remote").get_by_role("status")).to_contain_text("Choose one", timeout=PATIENCE_MS)
    assert name in await page.locator("datalist option").evaluate_all("nodes => nodes.map(({ value }) => value)")
    await page.get_by_label("Model of the provider").fill(name)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".card h2")).to_contain_text(name, timeout=PATIENCE_MS)


async def add_documents(page: Page) -> None:
    """Create a knowledge base with a document."""
    await page.get_by_role("link", name="Add documents").click()
    await page.get_by_role("button", name="Create a knowledge base").click()
    await page.get_by_label("Name", exact=True).fill("Nature")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.locator("#title")).to_have_text("Nature", timeout=PATIENCE_MS)
    file = {"name": "sea.md", "mimeType": "text/markdown", "buffer": SEA}
    await page.get_by_label("Add files").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await expect(page.locator("li[data-state=READY]")).to_contain_text("sea.md", timeout=_SLOW_MS)


async def test_a_newcomer_finds_the_way_to_a_cited_passage(
    page: Page, own_user: Client, provider: FakeProvider
) -> None:
    assert own_user
    name = f"walk-{uuid4().hex[:8]}"
    provider.script(name, [Tool("knowledge_search", {"query": "whales"})], [Text("Whales swim in the sea [1].")])
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto("/")
    await expect(page.get_by_role("heading", name="Three steps")).to_be_visible(timeout=PATIENCE_MS)
    await add_model(page, provider, name)
    await page.go_back()
    await add_documents(page)
    await page.get_by_role("link", name="Create an agent with it").click()
    await expect(page.get_by_role("checkbox", name="Nature")).to_be_checked(timeout=PATIENCE_MS)
    await page.get_by_label("Name", exact=True).fill("Biologist")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Ask it").click()
    await expect(page.locator("#agent option:checked")).to_have_text("Biologist", timeout=PATIENCE_MS)
    await page.locator("#text").fill("Do whales swim?")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect_status(page, "COMPLETE")
    await page.locator("button.cite").click()
    await expect(page.locator(".citation blockquote")).to_contain_text("Whales swim", timeout=PATIENCE_MS)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("link", name="Open in the document").click()
    await expect(page.locator(".chunk.target")).to_contain_text("Whales swim", timeout=PATIENCE_MS)
