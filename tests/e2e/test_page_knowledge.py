"""Passages on the page: previewed, searched, edited and disabled; and documents that are replaced."""

import json

from playwright.async_api import Page, Route, expect

from nexent_gql.kernel.json import JsonObject
from tests.e2e.conftest import REGISTER, Scenario
from tests.e2e.test_page_faults import forgive_lost_connections
from tests.e2e.test_page_screens import create_base
from tests.support.browser import PATIENCE_MS, Window
from tests.support.fake_provider import FakeProvider, Stall, Status, Text
from tests.support.graphql_client import Client

_SLOW_MS = 60_000
_FILLER = "Some more words about it. " * 40  # passages of their own
SEA = f"# Sea\n\nWhales swim in the sea. {_FILLER}\n\n# Land\n\nMountains are high. {_FILLER}\n".encode()


async def add_sea(page: Page) -> None:
    """Add a document to the open base and wait until it is ready."""
    file = {"name": "sea.md", "mimeType": "text/markdown", "buffer": SEA}
    await page.get_by_label("Add files").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await expect(page.locator("li[data-state=READY]")).to_contain_text("sea.md", timeout=_SLOW_MS)


async def test_passages_are_searched_edited_and_disabled(page: Page) -> None:
    await create_base(page)
    base = page.url
    await add_sea(page)
    await page.locator("li[data-state=READY] a").click()
    chunk = page.locator(".chunk")
    await expect(chunk.first).to_contain_text("Whales", timeout=PATIENCE_MS)
    await page.get_by_role("searchbox", name="Search in this document").fill("mountains")
    await page.get_by_role("button", name="Search", exact=True).click()
    await expect(chunk).to_have_count(1, timeout=PATIENCE_MS)
    await expect(chunk.locator("mark")).to_have_text("Mountains")
    await chunk.get_by_role("button", name="Edit").click()
    await page.get_by_label("Text of the passage").fill("Mountains were moved by glaciers.")
    await page.get_by_label("Keywords").fill("permafrost")
    await page.get_by_role("button", name="Save").click()
    await expect(chunk).to_contain_text("edited", timeout=PATIENCE_MS)
    await page.get_by_role("searchbox", name="Search in this document").fill("")
    await expect(page.locator(".chunk", has_text="Whales")).to_be_visible(timeout=PATIENCE_MS)
    whales = page.locator(".chunk", has_text="Whales")
    await whales.get_by_role("button", name="Disable").click()
    await expect(whales).to_contain_text("disabled", timeout=PATIENCE_MS)

    await page.goto(base)
    await page.get_by_label("How to search").select_option("KEYWORD")
    query = page.get_by_role("searchbox", name="Try a search")
    for word in ("glaciers", "permafrost"):
        await query.fill(word)
        await page.get_by_role("button", name="Search", exact=True).click()
        await expect(page.locator(".hits li")).to_contain_text("moved by glaciers", timeout=PATIENCE_MS)
    await query.fill("whales")
    await page.get_by_role("button", name="Search", exact=True).click()
    await expect(page.get_by_text("No passage matches.")).to_be_visible(timeout=PATIENCE_MS)


async def test_passages_are_previewed_before_anything_is_stored(page: Page) -> None:
    await create_base(page)
    await page.get_by_text("Preview of passages").click()
    await page.get_by_label("Text", exact=True).fill(" ".join(f"Sentence {number}." for number in range(60)))
    await page.get_by_label("Where documents are cut").select_option("FIXED")
    await page.get_by_label("Words of a passage, at most").fill("20")
    await page.get_by_label("Words that the next passage repeats").fill("0")
    await page.get_by_role("button", name="Show passages").click()
    preview = page.locator(".preview")
    await expect(preview.locator(".chunk").nth(3)).to_contain_text("Sentence", timeout=_SLOW_MS)
    await page.get_by_role("button", name="Cut new documents of this base like this").click()
    await expect(page.locator(".notice")).to_contain_text("from now on", timeout=PATIENCE_MS)
    await page.reload()
    await page.get_by_text("Preview of passages").click()
    await expect(page.get_by_label("Words of a passage, at most")).to_have_value("20", timeout=PATIENCE_MS)
    await page.get_by_label("Words that the next passage repeats").fill("19")
    await page.get_by_label("Text", exact=True).fill("Words.")
    await page.get_by_role("button", name="Show passages").click()
    await expect(page.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE_MS)


async def test_a_document_is_replaced_by_another_file(page: Page) -> None:
    await create_base(page)
    await add_sea(page)
    file = {"name": "sky.md", "mimeType": "text/markdown", "buffer": b"# Sky\n\nClouds are white.\n"}
    await page.get_by_label("Replace sea.md by another file").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await expect(page.locator("li[data-state=READY][data-version='2']")).to_be_visible(timeout=_SLOW_MS)
    await page.locator("li[data-state=READY] a").click()
    await expect(page.locator(".chunk").first).to_contain_text("Clouds are white", timeout=PATIENCE_MS)


async def test_a_summary_is_streamed_cancelled_stale_and_withheld(page: Page, scenario: Scenario) -> None:
    await create_base(page)
    summary = page.locator(".summary")
    await expect(page.get_by_text("Drop files or a folder here.")).to_be_visible(timeout=PATIENCE_MS)
    await expect(summary).to_have_count(0)  # there is nothing to summarize
    await add_sea(page)

    async def write() -> None:
        await summary.get_by_text("Model and language").click()
        await summary.get_by_label("Model", exact=True).select_option(label=scenario.script)
        await summary.locator("button[type=submit]").click()

    scenario.provider.script(scenario.script, [Text("Whales and **mountains** "), Stall(2), Text("are "), Stall()])
    await write()
    await expect(summary.locator("strong")).to_have_text("mountains", timeout=PATIENCE_MS)
    await expect(summary.get_by_role("status")).to_have_text("writing")
    await page.reload()
    await expect(summary.locator("strong")).to_have_text("mountains", timeout=PATIENCE_MS)
    await summary.get_by_role("button", name="Cancel").click()
    await expect(summary).to_contain_text("A model can write", timeout=PATIENCE_MS)

    scenario.provider.script(scenario.script, [Status(401)])
    await write()
    await expect(summary.get_by_role("alert")).not_to_be_empty(timeout=_SLOW_MS)
    scenario.provider.script(scenario.script, [Text("Whales and **mountains** are described.")])
    await write()
    await expect(summary).to_contain_text("1 of 1 documents", timeout=_SLOW_MS)
    await expect(summary).to_contain_text("mountains are described")
    await expect(summary.get_by_role("alert")).to_have_count(0)

    file = {"name": "sky.md", "mimeType": "text/markdown", "buffer": b"# Sky\n\nClouds are white.\n"}
    await page.get_by_label("Add files").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await expect(summary.locator(".stale")).to_be_visible(timeout=_SLOW_MS)
    await expect(summary).to_contain_text("mountains are described")
    sea = page.locator(".documents li", has_text="sea.md")
    await sea.get_by_role("button", name="Delete").click()
    await sea.get_by_role("button", name="Really delete?").click()
    await expect(summary).to_contain_text("no longer shown", timeout=PATIENCE_MS)
    await expect(summary).not_to_contain_text("described")


async def test_a_base_has_a_graph_that_searches_use_and_another_embedding_model(
    page: Page, own_user: Client, provider: FakeProvider
) -> None:
    facts: dict[str, list[JsonObject]] = {
        "entities": [{"name": "Whales", "kind": "animal"}, {"name": "Sea", "kind": "place"}],
        "relations": [{"source": "Whales", "label": "swim in", "target": "Sea"}],
    }
    passages = [{"number": number, **facts} for number in range(1, 9)]
    provider.script("graph", [Text(json.dumps({"passages": passages}))])
    model = {"name": "graph", "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": "graph"}
    await own_user.one(REGISTER, input=model)
    await own_user.one(REGISTER, input={**model, "name": "vectors", "providerModel": "vectors", "kind": "EMBEDDING"})
    await create_base(page)
    await add_sea(page)
    await build_and_delete_graph(page)
    await change_embedding_model(page)


async def build_and_delete_graph(page: Page) -> None:
    """Build the graph of the open base, follow a relation, search with it and delete it."""
    graph = page.locator(".graph")
    await graph.get_by_text("Entities and relations").click()
    await graph.get_by_label("Model", exact=True).select_option(label="graph")
    await expect(graph).to_contain_text("call for", timeout=PATIENCE_MS)
    await graph.get_by_role("button", name="Build the graph").click()
    await graph.get_by_role("button", name="Whales").first.click(timeout=_SLOW_MS)
    relation = graph.locator(".relations li").first
    await expect(relation).to_contain_text("swim in", timeout=PATIENCE_MS)
    await relation.locator("summary").click()
    await expect(relation.locator(".chunk").first).to_contain_text("Whales swim in the sea")
    await expect(relation.get_by_role("link", name="Sea").first).to_be_visible()
    await graph.get_by_role("searchbox", name="Find an entity").fill("Nobody")
    await graph.get_by_role("button", name="Search").click()
    await expect(graph).to_contain_text("No passage names Nobody.", timeout=PATIENCE_MS)

    await page.get_by_role("checkbox", name="include related entities").check()
    await page.get_by_role("searchbox", name="Try a search").fill("whales")
    await page.locator("main").get_by_role("button", name="Search", exact=True).first.click()
    await expect(page.get_by_text("Related names: ")).to_contain_text("sea")
    await graph.get_by_role("button", name="Delete the graph").click()
    await graph.get_by_role("button", name="Really delete?").click()
    await expect(graph.get_by_role("button", name="Build the graph")).to_be_visible()
    await expect(page.get_by_role("checkbox", name="include related entities")).to_have_count(0)


async def change_embedding_model(page: Page) -> None:
    """Change the embedding model of the open base and change it back."""
    panel = page.locator(".embedding")
    await panel.get_by_text("Model for comparing meanings").click()
    await expect(panel).to_contain_text("Searches use: Default model")
    await panel.get_by_label("Use instead").select_option(label="vectors")
    await expect(panel).to_contain_text("1 document")
    await expect(panel).to_contain_text("price unknown")
    await panel.get_by_role("button", name="Change the model").click()
    await expect(panel).to_contain_text("Searches use: vectors.", timeout=_SLOW_MS)
    await panel.get_by_role("button", name="Change back").click()
    await expect(panel).to_contain_text("Searches use: Default model", timeout=_SLOW_MS)
    await expect(panel.get_by_role("button", name="Change back")).to_have_count(0, timeout=_SLOW_MS)


async def test_uploads_go_on_after_lost_requests_and_lost_answers(window: Window) -> None:
    page = window.page
    await create_base(page)
    lost_steps: set[str] = set()

    async def lose(route: Route) -> None:
        upload_input = json.loads(route.request.post_data or "{}").get("variables", {}).get("input", {})
        step = next((name for name in ("sizeBytes", "uploadId", "sources") if name in upload_input), None)
        if step is None or step in lost_steps:
            await route.continue_()
            return
        lost_steps.add(step)
        if step != "sizeBytes":
            await route.fetch()  # the server does it, and only its answer is lost
        await (route.fulfill(status=503, body="busy") if step == "uploadId" else route.abort())

    await page.route("**/graphql", lose)
    await add_sea(page)
    assert lost_steps == {"sizeBytes", "uploadId", "sources"}
    await expect(page.locator("#documents-title")).to_have_text("Documents (1)")
    await page.reload()
    await expect(page.locator("#documents-title")).to_have_text("Documents (1)")
    forgive_lost_connections(window)
