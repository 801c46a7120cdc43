"""Screens of the page beside the conversation: knowledge, agents, models, account; files in messages; preferences."""

import json
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Scenario
from tests.e2e.test_page_markdown import HOSTILE, expect_harmless
from tests.e2e.test_pages import ask, expect_status
from tests.support.browser import PATIENCE_MS, Window, browser_window
from tests.support.fake_provider import FakeProvider, Text, Tool
from tests.support.graphql_client import Client
from tests.support.installation import Installation
from tests.support.node import FOREIGN, require_packages

AXE = FOREIGN / "node_modules" / "axe-core" / "axe.min.js"
SEA = b"# Sea\n\nWhales swim in the deep blue sea.\n\n# Land\n\nMountains are high.\n"


async def create_base(page: Page) -> str:
    """Create a knowledge base and return its name."""
    name = f"Base {uuid4().hex[:8]}"
    await page.goto("/#/knowledge")
    await page.get_by_role("button", name="Create a knowledge base").click()
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.locator("#title")).to_have_text(name)
    return name


async def test_documents_are_added_watched_searched_and_opened(page: Page, tmp_path: Path) -> None:
    await create_base(page)
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "sea.md").write_bytes(SEA)
    (folder / "inner" / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    await page.get_by_label("Add a folder").set_input_files(folder)
    await expect(page.locator("li[data-state=READY]")).to_contain_text("sea.md", timeout=60_000)
    broken = page.locator("li[data-state=FAILED]")
    await expect(broken).to_contain_text("broken.pdf", timeout=60_000)
    await expect(broken.locator(".error")).not_to_be_empty()

    await page.get_by_label("How to search").select_option("KEYWORD")
    await page.get_by_role("searchbox", name="Try a search").fill("whales")
    await page.get_by_role("button", name="Search", exact=True).click()
    hit = page.locator(".hits li").first
    await expect(hit.locator("mark").first).to_have_text("Whales", timeout=PATIENCE_MS)
    await hit.locator("summary").click()
    await expect(hit.locator("dl")).to_contain_text("Terms")
    await hit.locator("a").click()
    await expect(page.locator(".chunk.target")).to_contain_text("Whales swim", timeout=PATIENCE_MS)

    await page.get_by_role("link", name="Back to the knowledge base").click()
    await page.locator("li", has_text="broken.pdf").get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Really delete?").click()
    await expect(page.locator("li", has_text="broken.pdf")).to_have_count(0)
    await expect(page.locator("#documents-title")).to_have_text("Documents (1)")


async def test_an_agent_with_knowledge_cites_passages_that_open_in_their_document(
    page: Page, scenario: Scenario
) -> None:
    scenario.provider.script(
        scenario.script, [Tool("knowledge_search", {"query": "whales"})], [Text("Whales swim in the sea [1].")]
    )
    base = await create_base(page)
    file = {"name": "sea.md", "mimeType": "text/markdown"}
    await page.get_by_label("Add files").set_input_files([{**file, "buffer": SEA}])  # pyright: ignore[reportArgumentType]
    await expect(page.locator("li[data-state=READY]")).to_have_count(1, timeout=60_000)
    await page.goto("/#/agents")
    await page.locator(".card a", has_text=scenario.script).click()
    await page.get_by_role("checkbox", name=base).check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".notice")).to_contain_text("Saved", timeout=PATIENCE_MS)
    await ask(page, "Do whales swim?", agent=scenario.script)
    for _ in ("live", "reloaded"):
        await expect_status(page, "COMPLETE")
        await page.locator("button.cite").click()
        await expect(page.locator(".citation blockquote")).to_contain_text("Whales swim", timeout=PATIENCE_MS)
        await page.reload()
    await page.locator("button.cite").click()
    await page.get_by_role("link", name="Open in the document").click()
    await expect(page.locator(".chunk.target")).to_contain_text("Whales swim", timeout=PATIENCE_MS)


async def test_hostile_documents_are_harmless(page: Page) -> None:
    await create_base(page)
    file = {"name": "<img src=x onerror=window.hacked=1>.md", "mimeType": "text/markdown"}
    await page.get_by_label("Add files").set_input_files([{**file, "buffer": "\n\n".join(HOSTILE).encode()}])  # pyright: ignore[reportArgumentType]
    await page.locator("li[data-state=READY] a").click(timeout=60_000)
    await expect(page.locator(".chunk").first).to_be_visible(timeout=PATIENCE_MS)
    assert await page.evaluate("window.hacked === undefined")
    assert await page.locator("main :is(img, iframe, script)").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_files_are_chosen_and_pasted_and_reach_the_model(page: Page, scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text("I have read it.")])
    await page.goto("/")
    await page.locator("#agent").select_option(label=scenario.script)
    await page.get_by_label("Attach files").set_input_files(
        [{"name": "sea.md", "mimeType": "text/markdown", "buffer": SEA}]
    )
    await page.locator("#text").evaluate(
        """(node) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["Clouds are white."], "sky.txt", { type: "text/plain" }));
          node.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }"""
    )
    await expect(page.locator(".pending select")).to_have_count(2, timeout=PATIENCE_MS)
    await page.get_by_label("How much of sea.md").select_option("FULL")
    await page.locator("#text").fill("Read these")
    await page.keyboard.press("Enter")
    await expect_status(page, "COMPLETE")
    await expect(page.locator(".pending")).to_have_count(0)
    await expect(page.locator(".message.USER .file").first).to_contain_text("sea.md")
    request = str(scenario.provider.requests[0].body)
    assert "Whales swim" in request
    assert "Clouds are white" in request


async def test_a_new_user_adds_a_model_makes_an_agent_and_asks_it(page: Page, provider: FakeProvider) -> None:
    name = f"walk-{uuid4().hex[:8]}"
    provider.script(name, [Text("Hello, newcomer.")])
    await page.goto("/#/models")
    await page.get_by_role("button", name="Add a model").click()
    await page.get_by_label("Provider", exact=True).select_option("COMPATIBLE")
    await page.get_by_label("Model of the provider").fill(name)
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Base URL").fill("http://user@127.0.0.1/")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("[data-field=baseUrl]")).not_to_be_empty()
    await expect(page.get_by_label("Base URL")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Base URL").fill(provider.base_url)
    await page.get_by_role("button", name="Save").click()
    card = page.locator(".card", has_text=name)
    await card.get_by_role("button", name="Check").click()
    await expect(card.get_by_role("status")).to_contain_text("succeeded", timeout=PATIENCE_MS)

    await page.goto("/#/agents/new")
    await page.get_by_label("Name", exact=True).fill("Assistant")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("has this name", timeout=PATIENCE_MS)
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Model", exact=True).select_option(label=name)
    await page.get_by_role("checkbox", name="calculator").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#title")).to_have_text(name)
    await page.get_by_label("Instructions").fill("Be friendly.")
    async with page.expect_response(lambda answer: "Be friendly." in (answer.request.post_data or "")):
        await page.get_by_role("button", name="Save").click()
    await page.reload()
    await expect(page.get_by_label("Instructions")).to_have_value("Be friendly.")
    await expect(page.get_by_role("checkbox", name="calculator")).to_be_checked()

    await ask(page, "Hi", agent=name)
    await expect_status(page, "COMPLETE")
    await expect(page.locator(".message.ASSISTANT .text")).to_have_text("Hello, newcomer.")


async def test_profile_keys_and_users_are_managed(page: Page) -> None:
    await page.goto("/#/account")
    await page.get_by_label("Time zone").fill("Nowhere/Land")
    await page.get_by_role("button", name="Save").first.click()
    await expect(page.locator("[data-field=timeZone]")).not_to_be_empty()

    key = f"key {uuid4().hex[:8]}"
    await page.get_by_label("What the key is for").fill(key)
    await page.get_by_role("button", name="Create an API key").click()
    await expect(page.locator(".secret code")).not_to_be_empty()
    row = page.locator("li", has_text=key)
    await row.get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)

    email = f"{uuid4().hex[:8]}@example.org"
    await page.get_by_role("button", name="Add a user").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Somebody")
    await dialog.get_by_label("Email").fill(email)
    await dialog.get_by_label("Temporary password").fill("password123")
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog.locator("[data-field=password]")).not_to_be_empty()
    await dialog.get_by_label("Temporary password").fill("violet-harbour-lantern-7")
    await dialog.get_by_role("button", name="Create").click()
    user = page.locator("li", has_text=email)
    await user.get_by_role("combobox").select_option("DEVELOPER")
    await page.reload()
    await expect(user.get_by_role("combobox")).to_have_value("DEVELOPER")
    await user.get_by_role("button", name="Deactivate").click()
    await expect(user.get_by_role("button", name="Activate")).to_be_visible()


async def test_somebody_signs_out_up_and_in_again(page: Page) -> None:
    email, password = f"{uuid4().hex[:8]}@example.org", "violet-harbour-lantern-7"
    await page.goto("/")
    await page.locator(".preferences summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Create an account").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Email").fill(email)
    await dialog.get_by_label("Password").fill("short")
    await dialog.get_by_label("Your name").fill("New Person")
    await dialog.get_by_label("Organization").fill("New Tenant")
    await dialog.get_by_role("button", name="Sign up").click()
    await expect(dialog.locator("[data-field=password]")).not_to_be_empty()
    await dialog.get_by_label("Password").fill(password)
    await dialog.get_by_role("button", name="Sign up").click()
    await expect(page.locator("#new")).to_be_visible(timeout=PATIENCE_MS)
    await page.locator(".preferences summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await dialog.get_by_label("Email").fill(email)
    await dialog.get_by_label("Password").fill("wrong-password-1")
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog.get_by_role("alert")).not_to_be_empty()
    await dialog.get_by_label("Password").fill(password)
    await dialog.get_by_role("button", name="Sign in").click()
    await page.goto("/#/account")
    await expect(page.locator("main")).to_contain_text("New Tenant", timeout=PATIENCE_MS)


async def test_language_and_theme_are_kept_for_all_devices(
    window: Window, own_user: Client, installation: Installation
) -> None:
    page = window.page
    await page.goto("/")
    await page.locator(".preferences summary").click()
    for select, option, value in (("#theme", "dark", '"DARK"'), ("#language", "zh", '"zh"')):
        async with page.expect_response(lambda answer, value=value: value in (answer.request.post_data or "")):
            await page.locator(select).select_option(option)
    await expect(page.locator("#new")).to_have_text("新对话")
    await page.reload()
    await expect(page.locator("#new")).to_have_text("新对话")
    viewer = await own_user.one("{ viewer { user { theme language } } }")
    assert viewer["user"] == {"theme": "DARK", "language": "zh"}
    session: str = await page.evaluate("localStorage['nexent.session']")
    async with browser_window(installation.port) as device:
        await device.context.add_init_script(f"localStorage['nexent.session'] ??= {json.dumps(session)}")
        await device.page.goto("/")
        await expect(device.page.locator("#new")).to_have_text("新对话", timeout=PATIENCE_MS)
        await expect(device.page.locator("html")).to_have_attribute("lang", "zh")
        assert await device.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"


async def test_conversations_are_renamed_pinned_archived_deleted_and_restored(page: Page) -> None:
    await ask(page, "What is 7 * 7?")
    await expect_status(page, "COMPLETE")
    name = f"Renamed {uuid4().hex[:8]}"

    async def choose(action: str) -> None:
        row = page.locator("#conversations li", has_text=name)
        await row.hover()
        await row.get_by_role("button").click()
        await page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()

    open_row = page.locator("#conversations li", has=page.locator("[aria-current]"))
    await open_row.hover()
    await open_row.get_by_role("button").click()
    await page.get_by_role("dialog").get_by_label("Title").fill(name)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#title")).to_have_text(name, timeout=PATIENCE_MS)
    row = page.locator("#conversations li", has_text=name)

    async with page.expect_download() as download:
        await choose("Export as Markdown")
    exported = (await (await download.value).path()).read_text()
    assert "What is 7 * 7?" in exported
    assert "49" in exported
    await page.keyboard.press("Escape")

    await choose("Pin")
    await expect(row.get_by_role("img", name="Pinned")).to_be_visible(timeout=PATIENCE_MS)
    await choose("Archive")
    await expect(row).to_have_count(0)
    await page.get_by_role("button", name="Show archived conversations").click()
    await expect(row).to_have_count(1)
    await choose("Take out of the archive")
    await page.get_by_role("button", name="Show active conversations").click()
    await expect(row).to_have_count(1)

    await choose("Delete")
    await expect(row).to_have_count(0)
    await expect(page.locator("#title")).to_have_text("New conversation")
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_have_count(1)

    await page.get_by_role("searchbox", name="Search conversations").fill(name)
    await page.locator(".results a").first.click()
    await expect(page.locator("#title")).to_have_text(name, timeout=PATIENCE_MS)


async def test_no_screen_has_violations_of_accessibility_or_overflows(window: Window) -> None:
    require_packages(FOREIGN)
    page = window.page
    await ask(page, "What is 12 * 34?")
    await expect_status(page, "COMPLETE")
    conversation = page.url.partition("#")[2]
    await create_base(page)
    base = page.url.partition("#")[2]
    screens = ["/", conversation, "/knowledge", base, "/agents", "/agents/new", "/models", "/account", "/c/none"]
    violations: dict[str, object] = {}
    themes: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1600), ("dark", 390))
    for theme, width in themes:
        await page.emulate_media(color_scheme=theme)
        await page.set_viewport_size({"width": width, "height": 800})
        for screen in screens:
            await page.goto(f"/#{screen}")
            await page.reload()
            await expect(page.locator("#title")).not_to_have_text("Loading", timeout=PATIENCE_MS)
            await page.evaluate(AXE.read_text())
            report: list[object] = await page.evaluate(
                "axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)]))"
            )
            if report:
                violations[f"{theme} {screen}"] = report
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (screen, width)
    assert violations == {}


@pytest.mark.parametrize("width", [1280, 390])
async def test_hostile_names_of_agents_and_conversations_are_harmless(
    page: Page, scenario: Scenario, width: int
) -> None:
    hostile = "<img src=x onerror=window.hacked=1>\u202egnp.exe" + "w" * 50
    scenario.provider.script(scenario.script, [Text("Yes.")])
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto("/#/agents/new")
    name = f"{hostile[:80]}{uuid4().hex[:6]}"
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert").or_(page.locator(".notice")).first).to_be_visible(timeout=PATIENCE_MS)
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await expect_harmless(page)
