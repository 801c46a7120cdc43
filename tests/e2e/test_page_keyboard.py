"""The page without a mouse: everything is reached by Tab, and dialogs and editors give the focus back."""

from uuid import uuid4

from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import CREATE_AGENT, REGISTER
from tests.e2e.test_pages import expect_status
from tests.support.fake_provider import FakeProvider, Text
from tests.support.graphql_client import Client

MAX_STEPS = 80
# Marks the element that Tab has reached. Returns it if nothing shows that it has the focus, and what is left to reach.
_NOTE_FOCUS = """() => {
  const node = document.activeElement;
  const hasFocus = node && node !== document.body;
  if (hasFocus) node.dataset.reached = "yes";
  const marked = hasFocus ? [node, node.closest("label")].filter(Boolean) : [];
  const isSeen = !hasFocus || marked.some((each) => getComputedStyle(each).outlineStyle !== "none");
  const left = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((each) => each.checkVisibility() && !each.disabled && !each.dataset.reached && each.tabIndex >= 0);
  const show = (each) => each.outerHTML.slice(0, 200);
  return { unseen: isSeen ? [] : [show(node)], left: left.map(show) };
}"""
_FORGET = "document.querySelectorAll('[data-reached]').forEach((node) => delete node.dataset.reached)"


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(MAX_STEPS):
        if await target.evaluate_all("(nodes) => nodes.includes(document.activeElement)"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {target}")


async def expect_all_reached(page: Page) -> None:
    """Press Tab once around the page, and check that it reaches everything and shows where it is."""
    await page.evaluate(_FORGET)
    unseen: list[str] = []
    left: list[str] = []
    for _ in range(MAX_STEPS):
        await page.keyboard.press("Tab")
        report: dict[str, list[str]] = await page.evaluate(_NOTE_FOCUS)
        left = report["left"]
        unseen += report["unseen"]
        if not left:
            break
    assert (left, unseen) == ([], [])


async def test_every_screen_is_used_without_a_mouse(page: Page, own_user: Client, provider: FakeProvider) -> None:
    provider.script("keys", [Text(tokens=2_000, tokens_per_s=20)])
    model = {"name": "keys", "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": "keys"}
    await own_user.one(REGISTER, input=model)
    await own_user.one(CREATE_AGENT, input={"name": "Assistant"})
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled()
    await answer_and_stop(page)
    title = await rename(page)
    await create_base(page)
    for route in ("/agents", "/agents/new", "/models", "/account"):
        await page.goto(f"/#{route}")
        await expect(page.locator("#title")).not_to_have_text("Loading")
        await expect(page.locator("#title")).to_be_focused()
        await expect_all_reached(page)
    await find(page, title)


async def answer_and_stop(page: Page) -> None:
    """Ask, stop, edit, rate and regenerate."""
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type("Count")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ASSISTANT .text")).not_to_be_empty()
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect_status(page, "STOPPED")

    edit = page.get_by_role("button", name="Edit", exact=True)
    await tab_to(page, edit)
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Edit the message")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(edit).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("Please. ")
    await tab_to(page, page.locator(".editor").get_by_role("button", name="Send"))
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.USER .branches")).to_contain_text("2 / 2")
    await tab_to(page, page.locator("#stop"))
    await page.keyboard.press("Enter")
    await expect_status(page, "STOPPED")

    good = page.get_by_role("button", name="Good answer")
    await tab_to(page, good)
    await page.keyboard.press("Space")
    await expect(good).to_have_attribute("aria-pressed", "true")
    await tab_to(page, page.get_by_role("button", name="Answer again"))
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ASSISTANT")).to_have_attribute("data-status", "STREAMING")
    await page.keyboard.press("/")
    await page.keyboard.press("Escape")
    await expect_status(page, "STOPPED")
    await expect_all_reached(page)


async def rename(page: Page) -> str:
    """Rename the open conversation, leave the dialog by Escape, pin the conversation, and return its name."""
    name = f"Keys {uuid4().hex[:8]}"
    row = page.locator("#conversations li")
    menu = row.get_by_role("button")
    await tab_to(page, menu)
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Title")).to_be_focused()
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate(
            "document.activeElement.closest('dialog') || document.activeElement === document.body"
        )
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(menu).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_label("Title")).to_be_focused()
    await page.keyboard.press("Control+A")
    await page.keyboard.type(name)
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_have_text(name)
    await expect(menu).to_be_focused()
    await page.keyboard.press("Enter")
    await tab_to(page, dialog.get_by_role("button", name="Pin"))
    await page.keyboard.press("Enter")
    await expect(row.get_by_role("img", name="Pinned")).to_be_visible()
    return name


async def create_base(page: Page) -> None:
    """Create a knowledge base and go to the button for files."""
    await tab_to(page, page.get_by_role("link", name="Knowledge"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_be_focused()
    await tab_to(page, page.get_by_role("button", name="Create a knowledge base"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.keyboard.type("By keys")
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_have_text("By keys")
    await expect(page.locator("#documents-title")).to_have_text("Documents (0)")
    await expect_all_reached(page)


async def find(page: Page, title: str) -> None:
    """Search for a conversation and open it."""
    await tab_to(page, page.get_by_role("searchbox", name="Search conversations"))
    await page.keyboard.type(title)
    await tab_to(page, page.locator(".results a").first)
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_have_text(title)
