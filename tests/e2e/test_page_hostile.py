"""Hostile text in every place that shows text of users, models or tools: nothing runs or loads, the layout holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import CREATE_AGENT, REGISTER
from tests.e2e.test_page_markdown import HOSTILE, expect_harmless
from tests.support.browser import PATIENCE_MS, Window
from tests.support.fake_provider import FakeProvider, Text, Tool
from tests.support.graphql_client import Client

NAME = "<img src=x onerror=window.hacked=1>" + "w" * 50
TEXT = "\n\n".join(HOSTILE)[:1_900]
_SLOW_MS = 60_000
_ERROR = "... on Error { message code }"
_MUTATIONS = {
    "knowledge base": "mutation ($input: CreateKnowledgeBaseInput!) { createKnowledgeBase(input: $input) {"
    f" ... on CreateKnowledgeBasePayload {{ knowledgeBase {{ id }} }} {_ERROR} }} }}",
    "document": "mutation ($input: AddDocumentInput!) { addDocument(input: $input) {"
    f" ... on AddDocumentPayload {{ document {{ id }} }} {_ERROR} }} }}",
    "API key": "mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {"
    f" ... on CreateApiKeyPayload {{ apiKey {{ id }} }} {_ERROR} }} }}",
    "profile": "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) {"
    f" ... on UpdateProfilePayload {{ user {{ id }} }} {_ERROR} }} }}",
}


@dataclass(frozen=True)
class Place:
    """A screen, and what has to be seen on it before it is judged."""

    route: str
    shows: str


async def create(user: Client, what: str, **fields: object) -> Mapping[str, Mapping[str, str]]:
    """Create an object that has hostile text."""
    answer = await user.one(_MUTATIONS[what], input=fields)
    assert "code" not in answer, (what, answer)
    return answer


async def fill(user: Client, provider: FakeProvider) -> Mapping[str, str]:
    """Create one of everything with hostile text, and return the ids that addresses have."""
    model_name = f"hostile-{uuid4().hex[:8]}"
    provider.script(
        model_name,
        [Tool("knowledge_search", {"query": "whales"})],
        [Tool("<img src=x onerror=window.hacked=1>", {"<b>": TEXT})],
        [Text(f"Whales swim [1]. {TEXT}")],
    )
    model = await user.one(
        REGISTER,
        input={"name": NAME, "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": model_name},
    )
    base = (await create(user, "knowledge base", name=NAME, description=TEXT))["knowledgeBase"]["id"]
    content = f"# {NAME}\n\nWhales swim. {TEXT}"
    source = {"text": {"name": NAME, "content": content}}
    document = (await create(user, "document", knowledgeBaseId=base, source=source))["document"]["id"]
    await create(user, "API key", name=NAME[:80], scopes=["READ"])
    await create(user, "profile", displayName=NAME[:80])
    agent = await user.one(
        CREATE_AGENT,
        input={
            "name": NAME,
            "description": TEXT,
            "instructions": TEXT,
            "greeting": NAME,
            "starters": [NAME],
            "modelId": model["model"]["id"],
            "knowledgeBaseIds": [base],
        },
    )
    return {"agent": agent["agent"]["id"], "base": base, "document": document}


@pytest.mark.slow
async def test_no_place_runs_or_loads_what_a_text_says(
    window: Window, own_user: Client, provider: FakeProvider
) -> None:
    page = window.page
    ids = await fill(own_user, provider)
    base = f"/knowledge/{ids['base']}"
    places = [
        Place("/", "agent greeting, description, starters and model name"),
        Place("/knowledge", "knowledge base name and description"),
        Place(base, "document name"),
        Place(f"{base}/{ids['document']}", "document title, headings and passages"),
        Place("/agents", "agent names and descriptions"),
        Place(f"/agents/{ids['agent']}", "agent fields, tools and knowledge bases"),
        Place("/models", "model names"),
        Place("/account", "display names and API keys"),
    ]
    await page.goto(f"/#{base}")
    await expect(page.locator("li[data-state=READY]")).to_have_count(1, timeout=_SLOW_MS)
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        for place in places:
            await page.goto(f"/#{place.route}")
            await expect(page.locator("#main")).to_contain_text("onerror", timeout=PATIENCE_MS)
            await expect_harmless(page)
    await ask_and_cite(page)


async def ask_and_cite(page: Page) -> None:
    """Have a model call a tool with a hostile name and cite a document with a hostile title."""
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator("#text").fill(NAME)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ASSISTANT")).to_have_attribute("data-status", "COMPLETE", timeout=_SLOW_MS)
    for summary in await page.locator(".steps summary, .citation summary").all():
        await summary.click()
    await expect(page.locator(".tool summary").last).to_contain_text("onerror", timeout=PATIENCE_MS)
    await expect(page.locator(".citation summary").first).to_contain_text("onerror", timeout=PATIENCE_MS)
    await expect_harmless(page)
