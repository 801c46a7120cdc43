"""The page with much of everything: long answers, many conversations, many files; and without a mouse."""

import json
from base64 import b64decode
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.e2e.conftest import CREATE_AGENT, Scenario
from tests.e2e.test_page_screens import create_base
from tests.e2e.test_pages import ask, expect_status
from tests.support.browser import PATIENCE_MS
from tests.support.fake_provider import Text
from tests.support.graphql_client import Client
from tests.support.installation import Installation

LENGTH = 100_000
CONVERSATIONS = 20_000
PAGES = 12
_COPY = """
INSERT INTO conversation
  (id, tenant_id, owner_id, agent_id, title, title_key, title_source, event_seq, created_at, updated_at)
SELECT gen_random_uuid(), tenant_id, owner_id, agent_id, 'Number ' || n, 'number ' || n, title_source, 0,
  created_at - n * interval '1 second', updated_at - n * interval '1 second'
FROM conversation, generate_series(1, CAST(:count AS int)) AS n WHERE id = :id
"""
FILES = 500
MAX_ROWS = 250  # of documents and uploads, whatever the number of files
BLOCK = "## Section {0}\n\nSome **bold** words and `code` in it.\n\n- one\n- two\n\n```python\nprint({0})\n```\n\n"


@pytest.mark.slow
async def test_an_answer_of_100_000_characters_is_shown_whole(page: Page, scenario: Scenario) -> None:
    blocks = "".join(BLOCK.format(number) for number in range(LENGTH // len(BLOCK)))
    scenario.provider.script(scenario.script, [Text(blocks)])
    await ask(page, "Write much", agent=scenario.script)
    answer = page.locator(".message.ASSISTANT .text")
    for _ in ("live", "reloaded"):
        await expect(answer.locator("h2")).to_have_count(LENGTH // len(BLOCK), timeout=90_000)
        await expect(answer.locator("pre").last).to_contain_text(f"print({LENGTH // len(BLOCK) - 1})")
        await page.reload()


async def add_conversations(installation: Installation, user: Client) -> None:
    """Copy a conversation of a user in the database, as the tenant of that user."""
    agent = await user.one(CREATE_AGENT, input={"name": "Agent"})
    create = """mutation ($input: CreateConversationInput!) {
      createConversation(input: $input) { ... on CreateConversationPayload { conversation { id } } }
    }"""
    answer = await user.one(create, input={"agentId": agent["agent"]["id"]})
    viewer = await user.one("{ viewer { tenant { id } } }")
    connection: dict[str, str] = json.loads((installation.state_dir / "connection.json").read_text())
    engine = create_async_engine(connection["database_url"])
    async with engine.begin() as database:
        tenant = {"tenant": str(row_id(viewer["tenant"]["id"]))}
        await database.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), tenant)
        copies = {"id": row_id(answer["conversation"]["id"]), "count": CONVERSATIONS}
        await database.execute(text(_COPY), copies)
    await engine.dispose()


def row_id(global_id: str) -> UUID:
    """Return the key of an object in the database."""
    return UUID(b64decode(global_id).decode().split(":")[1])


async def test_20_000_conversations_are_read_in_pages_and_rendered_in_part(
    page: Page, own_user: Client, installation: Installation
) -> None:
    await add_conversations(installation, own_user)
    await page.goto("/")
    rows = page.locator("#conversations li")
    await expect(rows.nth(10)).to_be_visible(timeout=PATIENCE_MS)
    pane = page.locator(".windowed").first
    for pages in range(2, PAGES):
        await pane.evaluate("(node) => (node.scrollTop = node.scrollHeight)")
        await page.wait_for_function(
            "(height) => document.querySelector('.windowed').scrollHeight >= height", arg=pages * 50 * 40
        )
        assert await rows.count() < MAX_ROWS
    await expect(rows.get_by_text(f"Number {(PAGES - 2) * 50 - 10}", exact=True)).to_have_count(1, timeout=PATIENCE_MS)
    await pane.evaluate("(node) => (node.scrollTop = 0)")
    await expect(rows.get_by_text("Number 1", exact=True)).to_be_visible(timeout=PATIENCE_MS)


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
