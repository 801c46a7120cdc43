"""The two pages in a real browser, against a running installation."""

import asyncio

import httpx2
import pytest
from playwright.async_api import Page, Route, expect

from nexent_gql.pages.files import VENDOR
from tests.e2e.conftest import CREATE_AGENT, REGISTER, Scenario
from tests.support.browser import PATIENCE_MS, Window
from tests.support.fake_provider import FakeProvider, Reasoning, Status, Text, Tool, Usage
from tests.support.graphql_client import Client
from tests.support.installation import Installation

MAX_FIRST_LOAD_BYTES = 90_000


async def ask(page: Page, text: str, agent: str = "Assistant") -> None:
    """Ask an agent in a new conversation."""
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator("#agent").select_option(label=agent)
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")


async def expect_status(page: Page, status: str) -> None:
    """Wait until the newest answer has a status."""
    await expect(page.locator(".message.ASSISTANT").last).to_have_attribute("data-status", status, timeout=PATIENCE_MS)


async def test_the_first_load_is_small(page: Page) -> None:
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    sizes: dict[str, int] = await page.evaluate(
        """() => Object.fromEntries(["resource", "navigation"].flatMap((type) => performance.getEntriesByType(type))
            .filter((entry) => !entry.name.endsWith("/graphql")).map((entry) => [entry.name, entry.encodedBodySize]))"""
    )
    assert len(sizes) > 10
    assert sum(sizes.values()) <= MAX_FIRST_LOAD_BYTES, sizes
    late: list[str] = await page.evaluate(
        """() => {
          const links = [...document.querySelectorAll("link[rel=modulepreload], script[src]")];
          const early = new Set(links.map((node) => node.href ?? node.src));
          const names = performance.getEntriesByType("resource").map(({ name }) => name);
          return names.filter((name) => name.endsWith(".js") && !early.has(name));
        }"""
    )
    assert late == []  # no module is found only in another one


async def test_a_newcomer_asks_and_watches_the_answer_arrive(page: Page) -> None:
    await ask(page, "What is 12 * 34?")
    answer = page.locator(".message.ASSISTANT")
    await expect_status(page, "COMPLETE")
    await expect(answer.locator(".text")).to_contain_text("408")
    await expect(answer.locator(".tool summary")).to_contain_text("calculator")
    await expect(answer.locator(".account")).to_contain_text("offline")  # the built-in model has no price
    await expect(answer.locator(".account")).not_to_contain_text("$")
    await expect(page.locator("#conversations li").first).to_be_visible()
    await expect(page.locator("#state")).to_have_attribute("data-state", "live")


async def test_the_developer_view_shows_events_and_documents(page: Page) -> None:
    bodies: list[str] = []
    page.on(
        "request", lambda request: bodies.append(request.post_data or "") if request.url.endswith("/graphql") else None
    )
    await ask(page, "What is 12 * 34?")
    await expect_status(page, "COMPLETE")
    await page.locator(".preferences summary").click()
    await page.get_by_role("button", name="Developer view").click()
    await expect(page.locator("#events li").first).to_contain_text("AttemptStarted")
    await expect(page.locator("#events li").last).to_contain_text("RunFinished")
    positions: list[float] = await page.eval_on_selector_all(
        "#events progress", "bars => bars.map(bar => bar.position)"
    )
    assert positions == sorted(positions)  # the time line begins with the first event and ends with the last
    assert (positions[0], positions[-1]) == (0, 1)
    await expect(page.locator("#operations")).to_contain_text("SendMessage")
    assert len(bodies) > 2
    assert [body for body in bodies if '"documentId":"sha256:' not in body] == []  # documents are named, not sent


async def test_run_and_trace_of_an_answer_are_copied(page: Page) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"  # the installation exports no traces

    async def add_trace(route: Route) -> None:
        response = await route.fetch()
        body = (await response.text()).replace('"traceId":null', f'"traceId":"{trace_id}"')
        await route.fulfill(status=response.status, content_type=response.headers["content-type"], body=body)

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ask(page, "What is 12 * 34?")
    await expect_status(page, "COMPLETE")
    await page.locator(".preferences summary").click()
    await page.get_by_role("button", name="Developer view").click()
    facts = page.locator("#developer .facts")
    await expect(facts).to_contain_text("The server exports no traces.")
    run_id = await facts.locator("code").inner_text()
    await page.route("**/graphql", add_trace)
    await page.reload()
    for name, value in (("run", run_id), ("trace", trace_id)):
        await facts.get_by_role("button", name=f"Copy the {name} ID").click()
        copied: str = await page.evaluate("navigator.clipboard.readText()")
        assert copied == value
    await page.get_by_role("button", name="Load the events").click()
    await expect(page.locator("#events li").last).to_contain_text("RunFinished", timeout=PATIENCE_MS)


async def test_steps_of_a_finished_run_can_be_shown_after_a_reload(page: Page) -> None:
    await ask(page, "What is 12 * 34?")
    await expect_status(page, "COMPLETE")
    await page.reload()
    await page.get_by_role("button", name="Show steps").click()
    call = page.locator(".tool")
    await call.locator("summary").click()
    await expect(call.locator("pre").first).to_contain_text("12 * 34")
    await expect(call.locator("pre").last).to_contain_text("408")


async def test_reasoning_is_folded_and_model_and_cost_are_shown(
    page: Page, client: Client, provider: FakeProvider
) -> None:
    provider.script("priced", [Reasoning("Let me think."), Text("Fine."), Usage(1_000, 200)])
    model = await client.one(
        REGISTER,
        input={"name": "Priced", "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": "priced"},
    )
    await client.one(CREATE_AGENT, input={"name": "Pricey", "modelId": model["model"]["id"]})
    await ask(page, "Hi", agent="Pricey")
    answer = page.locator(".message.ASSISTANT")
    for _ in ("live", "reloaded"):
        await expect_status(page, "COMPLETE")
        await expect(answer.locator(".account")).to_have_text(
            "priced \u00b7 1,000 + 200 tokens \u00b7 $0.003", timeout=PATIENCE_MS
        )
        thinking = answer.locator("details.reasoning")
        await expect(thinking.locator("pre")).to_be_hidden()
        await thinking.locator("summary").click()
        await expect(thinking.locator("pre")).to_have_text("Let me think.")
        await page.reload()


async def test_stop_keeps_what_was_said(page: Page) -> None:
    await ask(page, "Write a long story of 400 words about the sea.")
    answer = page.locator(".message.ASSISTANT .text")
    await expect(answer).not_to_be_empty(timeout=PATIENCE_MS)
    await page.locator("#stop").click()
    await expect_status(page, "STOPPED")
    answer_text = await answer.inner_text()
    assert answer_text
    await page.reload()
    await expect(answer).to_have_text(answer_text, timeout=PATIENCE_MS, use_inner_text=True)


async def test_a_reload_in_mid_answer_sees_it_go_on(page: Page) -> None:
    await ask(page, "Write a long story of 150 words about the sea.")
    answer = page.locator(".message.ASSISTANT .text")
    await expect(answer).not_to_be_empty(timeout=PATIENCE_MS)
    before = await answer.inner_text()
    await page.reload()
    await expect_status(page, "COMPLETE")
    after = await answer.inner_text()
    assert after.startswith(before.rstrip()[:20])
    assert len(after) > len(before)


async def test_a_message_that_is_sent_during_an_answer_waits_for_it(page: Page) -> None:
    await ask(page, "Write a long story of 100 words about the sea.")
    await expect(page.locator(".message.ASSISTANT .text")).not_to_be_empty(timeout=PATIENCE_MS)
    await page.locator("#text").fill("What is 2 * 3?")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ASSISTANT")).to_have_count(2, timeout=PATIENCE_MS)
    await expect_status(page, "COMPLETE")
    await expect(page.locator(".message.ASSISTANT .text").last).to_contain_text("6")


async def test_another_tab_shows_the_answer_as_it_streams(window: Window) -> None:
    await ask(window.page, "Say hello.")
    await expect_status(window.page, "COMPLETE")
    other = await window.open_tab()
    await other.goto(window.page.url)
    await expect_status(other, "COMPLETE")
    await window.page.locator("#text").fill("Write a long story of 200 words about the sea.")
    await window.page.keyboard.press("Enter")
    answer = other.locator(".message.ASSISTANT").nth(1)
    await expect(answer).to_have_attribute("data-status", "STREAMING", timeout=PATIENCE_MS)
    await expect(answer.locator(".text")).not_to_be_empty(timeout=PATIENCE_MS)
    await other.locator("#stop").click()
    for page in (window.page, other):
        await expect_status(page, "STOPPED")
    asker = window.page.locator(".message.ASSISTANT").nth(1)
    await expect(asker.locator(".text")).not_to_be_empty(timeout=PATIENCE_MS)
    async with asyncio.timeout(PATIENCE_MS / 1_000):  # a tab in the background renders some frames later
        while await answer.inner_text() != await asker.inner_text():  # noqa: ASYNC110 - the browser's text
            await asyncio.sleep(0.1)


async def test_editing_and_regenerating_make_branches_to_switch_between(page: Page) -> None:
    await ask(page, "What is 1 + 1?")
    await expect_status(page, "COMPLETE")
    question, answer = page.locator(".message.USER"), page.locator(".message.ASSISTANT")
    await question.hover()
    await question.get_by_role("button", name="Edit").click()
    await page.get_by_label("Edit the message").fill("What is 5 * 5?")
    await question.get_by_role("button", name="Send").click()
    await expect(answer.locator(".text")).to_contain_text("25", timeout=PATIENCE_MS)
    await expect(question.locator(".branches")).to_contain_text("2 / 2", timeout=PATIENCE_MS)
    await question.get_by_role("button", name="Previous version").click()
    await expect(question.locator(".bubble")).to_have_text("What is 1 + 1?", timeout=PATIENCE_MS)
    await expect(answer.locator(".text")).to_contain_text("2", timeout=PATIENCE_MS)
    await answer.get_by_role("button", name="Answer again").click()
    await expect(answer.locator(".branches")).to_contain_text("2 / 2", timeout=PATIENCE_MS)
    await expect_status(page, "COMPLETE")


async def test_an_answer_can_be_rated(page: Page) -> None:
    await ask(page, "What is 1 + 1?")
    await expect_status(page, "COMPLETE")
    await page.get_by_role("button", name="Good answer").click()
    for _ in ("live", "reloaded"):
        good = page.get_by_role("button", name="Good answer")
        await expect(good).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
        await page.reload()


async def test_a_failure_is_explained_and_can_be_retried(page: Page, scenario: Scenario) -> None:
    refusal = Status(400, "The model is on holiday.")
    scenario.provider.script(scenario.script, [refusal])
    await ask(page, "Hi", agent=scenario.script)
    await expect_status(page, "FAILED")
    await expect(page.locator(".failure p")).not_to_be_empty()
    scenario.provider.script(scenario.script, [Text("Back again.")])
    await page.locator(".failure").get_by_role("button", name="Try again").click()
    await expect_status(page, "COMPLETE")
    await expect(page.locator(".message.ASSISTANT .text").last).to_have_text("Back again.")


async def test_a_failed_tool_call_is_shown_with_its_error(page: Page, scenario: Scenario) -> None:
    scenario.provider.script(
        scenario.script, [Tool("calculator", {"expression": "1 / 0"})], [Text("It cannot be done.")]
    )
    await ask(page, "Divide", agent=scenario.script)
    await expect_status(page, "COMPLETE")
    call = page.locator(".tool")
    await expect(call).to_have_attribute("data-failed", "true")
    await call.locator("summary").click()
    await expect(call.locator("pre").first).to_contain_text("1 / 0")
    await expect(call.locator("pre.error")).not_to_be_empty()


@pytest.mark.skipif(not VENDOR.is_dir(), reason="GraphiQL's files are not here: make assets")
async def test_graphiql_runs_the_examples(page: Page) -> None:
    await page.goto("/graphql")
    button = page.locator("button.graphiql-execute-button")
    await expect(button).to_be_visible(timeout=PATIENCE_MS)
    await button.click()
    await expect(page.locator(".result-window")).to_contain_text('"effectiveModel"', timeout=PATIENCE_MS)


@pytest.mark.skipif(not VENDOR.is_dir(), reason="GraphiQL's files are not here: make assets")
async def test_a_document_of_the_page_is_opened_in_graphiql(page: Page) -> None:
    await page.goto("/")
    await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator(".preferences summary").click()
    await page.get_by_role("button", name="Developer view").click()
    operation = page.locator("#operations li", has_text="AgentChoices")
    await operation.locator("summary").click()
    address = await operation.get_by_role("link", name="Open in GraphiQL").get_attribute("href")
    await page.goto(address or "")
    await page.locator("button.graphiql-execute-button").click()
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
            assert path != "/" or "unsafe" not in policy
            own = f"connect-src 'self' ws://127.0.0.1:{installation.port} wss://127.0.0.1:{installation.port};"
            assert path != "/" or own in policy
            assert " ws: " not in policy
            assert " wss:;" not in policy
        missing = await http.get(f"http://127.0.0.1:{installation.port}/static/..%2f__init__.py")
        assert missing.status_code == 404
