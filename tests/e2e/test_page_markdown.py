"""Text of models on the page: Markdown that grows, and everything hostile in it."""

import pytest
from playwright.async_api import Page, expect

from nexent_gql.pages.files import VENDOR
from tests.e2e.conftest import Scenario
from tests.e2e.test_pages import ask, expect_status
from tests.support.browser import PATIENCE_MS
from tests.support.fake_provider import Reasoning, Text, Tool

FENCE = "```"
ANSWER = f"""# Heading

A paragraph with **bold**, *emphasis*, `code`, ~~strike~~ and [a link](https://example.org/page).

- one
- two
  - nested

1. first
2. second

| Name | Value |
|:-----|------:|
| a    | 1     |

{FENCE}python
def greet(name: str) -> str:
    return f"Hello {{name}}"
{FENCE}

> A quotation

- [x] done
- [ ] open
"""
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg onload='window.hacked = 1'><a href='javascript:window.hacked=1'>x</a></svg>",
    "<iframe src='https://evil.example/'></iframe>",
    "<style>body { display: none }</style>",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<base href='https://evil.example/'>",
    "<form action='https://evil.example/'><input name=password></form>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.hacked=1>",
    "![tracking pixel](https://evil.example/pixel.png)",
    '![x](x "onerror=window.hacked=1")',
    "[script](javascript:window.hacked=1)",
    "[data](data:text/html,<script>window.hacked=1</script>)",
    "[encoded](&#106;avascript:window.hacked=1)",
    "[vb](vbscript:window.hacked=1) [file](file:///etc/passwd) [relative](/session/demo)",
    "<javascript:window.hacked=1>",
    '[title](https://example.org "\\" onmouseover=\\"window.hacked=1")',
    "`<img src=x onerror=window.hacked=1>`",
    f"{FENCE}html\n<script>window.hacked = 1</script>\n{FENCE}",
    f'{FENCE}"><img src=x onerror=window.hacked=1>\ncode\n{FENCE}',
    "$\\href{javascript:window.hacked=1}{x}$ $\\includegraphics{https://evil.example/x.png}$",
    "$$\\def\\a{\\a\\a}\\a$$",
    "| a | b |\n|---|---|\n| <img src=x onerror=window.hacked=1> | [x](javascript:window.hacked=1) |",
    "\u202egpj.exe\u202c and \u2066isolated\u2069 \u200f text",
    "| x |\n|---|\n" + "| " + "wide" * 200 + " |\n",
    "**unclosed *and `broken [link](https://example.org",
    ">" * 60 + " deep",
    "- " * 60 + "deep",
    "a" * 2_000,
    "<!-- comment --><![CDATA[ x ]]><?php x ?>",
)


async def expect_harmless(page: Page) -> None:
    """Check that nothing of the hostile set runs, loads, or breaks the layout."""
    assert await page.evaluate("window.hacked === undefined")
    harmful = (
        "img, script:not([src^='/static/']):not([type=importmap]), iframe, base, form[action], svg a, object, embed"
    )
    assert await page.locator(f"main :is({harmful})").count() == 0
    hrefs: list[str] = await page.eval_on_selector_all("main a[href]", "nodes => nodes.map((node) => node.href)")
    assert [href for href in hrefs if not href.startswith(("http://", "https://", "mailto:"))] == []
    targets = await page.eval_on_selector_all(
        ".markdown a", "nodes => nodes.filter((node) => !node.rel.includes('noopener')).length"
    )
    assert targets == 0
    width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    overflow = await page.evaluate(
        "Math.max(...Array.from(document.querySelectorAll('#messages, .content'), x => x.scrollWidth - x.clientWidth))"
    )
    assert overflow <= 0


async def test_markdown_is_rendered_while_it_streams(page: Page, scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(ANSWER, tokens_per_s=150)])
    await ask(page, "Show everything", agent=scenario.script)
    text = page.locator(".message.ASSISTANT .text")
    for _ in ("live", "reloaded"):
        await expect_status(page, "COMPLETE")
        await expect(text.locator("h1")).to_have_text("Heading")
        await expect(text.locator("strong")).to_have_text("bold")
        await expect(text.locator("a")).to_have_attribute("href", "https://example.org/page")
        await expect(text.locator("ul ul li")).to_have_text("nested")
        await expect(text.locator("ol li")).to_have_count(2)
        await expect(text.locator("td").last).to_have_attribute("align", "right")
        await expect(text.locator("blockquote")).to_contain_text("A quotation")
        await expect(text.locator("input[type=checkbox]")).to_have_count(2)
        await expect(text.locator(".code figcaption span")).to_have_text("python")
        await expect(text.locator(".hljs-keyword").first).to_have_text("def")
        await page.reload()


async def test_code_is_copied_as_it_is(page: Page, scenario: Scenario) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    scenario.provider.script(scenario.script, [Text(ANSWER)])
    await ask(page, "Show code", agent=scenario.script)
    await expect_status(page, "COMPLETE")
    await page.locator(".code").get_by_role("button", name="Copy").click()
    copied: str = await page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == 'def greet(name: str) -> str:\n    return f"Hello {name}"'


async def test_blocks_that_are_finished_are_not_rendered_again(page: Page, scenario: Scenario) -> None:
    paragraphs = "\n\n".join(f"Paragraph **{number}** with some words." for number in range(40))
    scenario.provider.script(scenario.script, [Text(paragraphs, tokens_per_s=100)])
    await ask(page, "Write", agent=scenario.script)
    block = page.locator(".message.ASSISTANT .block")
    await expect(block.nth(2)).to_be_visible(timeout=PATIENCE_MS)
    await block.first.evaluate("(node) => (node.firstElementChild.dataset.kept = 'yes')")
    await expect_status(page, "COMPLETE")
    await expect(block).to_have_count(40)
    await expect(block.first.locator("[data-kept=yes]")).to_have_count(1)


async def test_a_message_of_the_user_is_plain_text(page: Page) -> None:
    await ask(page, "<img src=x onerror='window.hacked = 1'> **not bold**")
    await expect(page.locator(".bubble")).to_have_text("<img src=x onerror='window.hacked = 1'> **not bold**")
    await expect_status(page, "COMPLETE")
    await expect_harmless(page)


async def test_hostile_text_of_models_and_tools_is_harmless(page: Page, scenario: Scenario) -> None:
    hostile = "\n\n".join(HOSTILE)
    scenario.provider.script(
        scenario.script,
        [Reasoning(hostile), Tool("calculator", {"expression": hostile})],
        [Text(hostile, tokens_per_s=2_000)],
    )
    await ask(page, hostile, agent=scenario.script)
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        await expect_status(page, "COMPLETE")
        for summary in await page.locator(".steps summary").all():
            await summary.click()
        await expect_harmless(page)
        await page.reload()
    title = page.locator("#conversations a").first
    await page.get_by_role("button", name="Menu", exact=True).click()
    await expect(title).to_be_visible()
    await expect_harmless(page)


@pytest.mark.skipif(not (VENDOR / "katex.js").is_file(), reason="KaTeX is not here: make assets")
async def test_formulas_are_shown_as_mathml(page: Page, scenario: Scenario) -> None:
    scenario.provider.script(
        scenario.script, [Text("Inline $a^2 + b^2$ and \\(c_1\\), costs $5 and $6.\n\n$$\\frac{1}{2}$$\n\nEnd")]
    )
    await ask(page, "Formulas", agent=scenario.script)
    await expect_status(page, "COMPLETE")
    text = page.locator(".message.ASSISTANT .text")
    await expect(text.locator("math")).to_have_count(3)
    await expect(text.locator("math[display=block] mfrac")).to_have_count(1)
    await expect(text).to_contain_text("costs $5 and $6.")
