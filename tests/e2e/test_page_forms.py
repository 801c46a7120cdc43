"""What somebody types stays: nothing that is loaded or rendered meanwhile, and no refused form, throws it away."""

from collections.abc import Mapping
from uuid import uuid4

from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import CREATE_AGENT, REGISTER
from tests.support.fake_provider import FakeProvider
from tests.support.graphql_client import Client

_CREATE_CONVERSATION = """
mutation ($input: CreateConversationInput!) {
  createConversation(input: $input) { ... on CreateConversationPayload { conversation { id } } }
}
"""


async def fill(form: Locator, values: Mapping[str, str]) -> None:
    """Type into fields of a form by their names."""
    for name, value in values.items():
        await form.locator(f"[name={name}]").fill(value)


async def expect_values(form: Locator, values: Mapping[str, str]) -> None:
    """Check what fields of a form show."""
    for name, value in values.items():
        await expect(form.locator(f"[name={name}]")).to_have_value(value)


async def expect_choices(form: Locator, values: Mapping[str, str]) -> None:
    """Check what the form of an agent shows, and what is chosen in it."""
    await expect_values(form, {**values, "kind": "CODE"})
    await expect(form.get_by_label("Model", exact=True).locator("option:checked")).to_have_text("one")
    await expect(form.get_by_role("checkbox", name="calculator")).not_to_be_checked()
    await expect(form.get_by_role("checkbox", name="current_time")).to_be_checked()


async def test_a_title_that_is_typed_survives_a_new_list_of_conversations(page: Page, own_user: Client) -> None:
    agent = await own_user.one(CREATE_AGENT, input={"name": "Assistant"})
    create = {"agentId": agent["agent"]["id"]}
    answer = await own_user.one(_CREATE_CONVERSATION, input=create)
    await page.goto(f"/#/c/{answer['conversation']['id']}")
    row = page.locator("#conversations li")
    await row.hover()
    await row.get_by_role("button").click()
    title = page.get_by_role("dialog").get_by_label("Title")
    await title.fill("My own words")
    await title.evaluate("(node) => node.setSelectionRange(3, 6)")
    await own_user.one(_CREATE_CONVERSATION, input=create)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    await expect(row).to_have_count(2)
    await expect(title).to_have_value("My own words")
    await expect(title).to_be_focused()
    assert await title.evaluate("(node) => [node.selectionStart, node.selectionEnd]") == [3, 6]
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#title")).to_have_text("My own words")


async def test_a_refused_form_keeps_all_that_was_typed_and_chosen(
    page: Page, own_user: Client, provider: FakeProvider
) -> None:
    for name in ("one", "two"):
        model = {"name": name, "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": name}
        await own_user.one(REGISTER, input=model)
        await own_user.one(CREATE_AGENT, input={"name": name, "toolNames": ["calculator"]})
    await page.goto("/#/agents")
    await page.get_by_role("link", name="two").click()
    form = page.locator("#agent-form")
    typed = {
        "name": "one",
        "description": "A",
        "instructions": "B\nC",
        "greeting": "D",
        "starters": "E",
        "maxSteps": "7",
    }
    await fill(form, typed)
    await form.get_by_label("Kind").select_option("CODE")
    await form.get_by_label("Model", exact=True).select_option(label="one")
    await form.get_by_role("checkbox", name="calculator").uncheck()
    await form.get_by_role("checkbox", name="current_time").check()
    save = form.get_by_role("button", name="Save")
    await save.click()
    await expect(form.get_by_role("alert")).to_contain_text("has this name")
    await expect_choices(form, typed)
    typed["name"] = f"three {uuid4().hex[:8]}"
    await fill(form, {"name": typed["name"]})
    await save.click()
    await expect(page.locator("#title")).to_have_text(typed["name"])
    await expect_choices(form, typed)

    await page.goto("/#/models")
    await page.locator(".card", has_text="one").get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    typed = {"baseUrl": "http://user@127.0.0.1/", "providerModel": "other", "name": "renamed"}
    await fill(dialog, typed)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.locator("[data-field=baseUrl]")).not_to_be_empty()
    await expect_values(dialog, typed)

    await page.goto("/#/account")
    profile = page.locator("form").first
    typed = {"displayName": "Somebody else", "timeZone": "Nowhere/Land"}
    await fill(profile, typed)
    await profile.get_by_role("button", name="Save").click()
    await expect(page.locator("[data-field=timeZone]")).not_to_be_empty()
    await expect_values(profile, typed)
