"""The page with much of everything: long answers, many conversations, many files; and without a mouse."""

from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Scenario
from tests.e2e.test_page_screens import create_base
from tests.e2e.test_pages import ask, expect_status
from tests.support.browser import PATIENCE_MS
from tests.support.fake_provider import Text
from tests.support.graphql_client import Client

LENGTH = 100_000
CONVERSATIONS = 120
FILES = 500
MAX_ROWS = 250  # of documents and uploads, whatever the number of files
BLOCK = "## Section {0}\n\nSome **bold** words and `code` in it.\n\n- one\n- two\n\n```python\nprint({0})\n```\n\n"


@pytest.mark.slow
async def test_an_answer_of_100_000_characters_is_shown_whole(page: Page, scenario: Scenario) -> None:
    text = "".join(BLOCK.format(number) for number in range(LENGTH // len(BLOCK)))
    scenario.provider.script(scenario.script, [Text(text)])
    await ask(page, "Write much", agent=scenario.script)
    answer = page.locator(".message.ASSISTANT .text")
    for _ in ("live", "reloaded"):
        await expect(answer.locator("h2")).to_have_count(LENGTH // len(BLOCK), timeout=90_000)
        await expect(answer.locator("pre").last).to_contain_text(f"print({LENGTH // len(BLOCK) - 1})")
        await page.reload()


async def test_a_long_list_of_conversations_is_read_in_pages_and_rendered_in_part(page: Page, client: Client) -> None:
    agents = await client.one("{ agents(first: 1) { nodes { id } } }")
    create = """mutation ($input: CreateConversationInput!) {
      createConversation(input: $input) { ... on Error { message } }
    }"""
    for _ in range(CONVERSATIONS):
        await client.one(create, input={"agentId": agents["nodes"][0]["id"]})
    await page.goto("/")
    rows = page.locator("#conversations li")
    await expect(rows.first).to_be_visible(timeout=PATIENCE_MS)
    pane = page.locator(".windowed").first
    first = await rows.first.locator("a").get_attribute("href")
    for _ in range(4):
        await pane.evaluate("(node) => (node.scrollTop = node.scrollHeight)")
        await page.wait_for_timeout(300)
    await expect(rows.first.locator("a")).not_to_have_attribute("href", first or "")
    assert await rows.count() < CONVERSATIONS / 2
    height = await pane.evaluate("(node) => node.scrollHeight")
    assert height >= CONVERSATIONS * 40


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_500_files_are_dropped_at_once(page: Page) -> None:
    await create_base(page)
    await page.locator(".screen").evaluate(
        """(node, count) => {
          const transfer = new DataTransfer();
          for (let number = 0; number < count; number++) {
            transfer.items.add(new File([`Note ${number}`], `note-${number}.txt`, { type: "text/plain" }));
          }
          node.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        FILES,
    )
    await expect(page.locator(".documents")).to_contain_text("more", timeout=PATIENCE_MS)
    assert await page.locator(".documents > li").count() <= MAX_ROWS
    await expect(page.locator("#documents-title")).to_have_text(f"Documents ({FILES})", timeout=480_000)
    await expect(page.locator(".documents .error")).to_have_count(0)
    assert await page.locator(".documents > li").count() <= MAX_ROWS
    await page.get_by_role("button", name="Delete", exact=True).first.click()
    await page.get_by_role("button", name="Really delete?").click()
    await expect(page.locator("#title")).to_have_text("Knowledge", timeout=PATIENCE_MS)


async def test_the_keyboard_is_enough(page: Page, scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=400, tokens_per_s=20)])
    await page.goto("/")
    await page.locator("#agent").select_option(label=scenario.script)
    await page.locator(".skip").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await page.keyboard.press("/")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type(f"Count {uuid4().hex}")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ASSISTANT .text")).not_to_be_empty(timeout=PATIENCE_MS)
    await page.keyboard.press("Escape")
    await expect_status(page, "STOPPED")
    await page.keyboard.press("Control+Shift+O")
    await expect(page.locator("#title")).to_have_text("New conversation")
