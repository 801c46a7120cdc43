"""Documents attached to messages: extracted once, shown as far as they fit, and read in parts by `read_file`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.runs.attachments import AttachmentDraft
from nexent_gql.domains.runs.starter import StartedRun
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import AttachmentMode, NoticePart
from nexent_gql.ports.llm import ChatRequest
from tests.support.answering import Answering, answering
from tests.support.factory import Factory
from tests.support.scripted_models import Call, ScriptedModels

DOCUMENTS = Path(__file__).resolve().parents[1] / "documents"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SENTENCE = "The river rose by {number} centimetres on day {number}.\n\n"


@dataclass
class Scenario:
    """A user with a model and an agent, and workers that the test drives."""

    site: Answering
    actor: Principal
    model: ChatModel
    agent: Agent

    async def attach(self, name: str, content: bytes, mode: AttachmentMode = AttachmentMode.AUTO) -> AttachmentDraft:
        """Upload a file to attach."""
        return AttachmentDraft((await self.site.knowledge.upload(self.actor, name, content)).id, mode)

    async def ask(
        self,
        attachments: Sequence[AttachmentDraft],
        models: ScriptedModels,
        *,
        words: str = "What does it say?",
        after: StartedRun | None = None,
    ) -> tuple[StartedRun, list[JsonObject]]:
        """Ask, and run the answer beside the worker of documents."""
        exchange = await self.site.send(self.actor, self.agent, words, attachments=attachments, after=after)
        answer = asyncio.create_task(self.site.run(exchange, models))
        while not answer.done():
            await self.site.knowledge.drain()
            await asyncio.sleep(0.05)
        return exchange, await answer

    async def count(self, table: str) -> int:
        return await self.site.knowledge.count(self.actor.tenant_id, table)


@pytest.fixture
async def scenario(database: Database, redis_url: str, make: Factory, tmp_path: Path) -> AsyncGenerator[Scenario]:
    actor = await make.principal()
    model = await make.model(actor, is_default=True)
    agent = await make.agent(actor)
    async with answering(database, redis_url, tmp_path) as site:
        yield Scenario(site, actor, model, agent)


def prompt(request: ChatRequest) -> str:
    return "\n".join(message.text for message in request.messages if message.role == "user")


def notices(bodies: Sequence[JsonObject]) -> list[object]:
    return [
        body["notice"]["code"] for body in bodies if body["kind"] == "NoticeAdded" and isinstance(body["notice"], dict)
    ]


async def test_a_short_document_is_shown_whole_and_extracted_once(scenario: Scenario) -> None:
    notes = await scenario.attach("notes.md", b"# Plan\n\nThe launch is on 4 March.")
    models = ScriptedModels(["On 4 March."], ["As I said."])
    first, bodies = await scenario.ask([notes], models)
    assert "The launch is on 4 March." in prompt(models.requests[0])
    assert notices(bodies) == []
    same = await scenario.attach("copy.md", b"# Plan\n\nThe launch is on 4 March.")
    await scenario.ask([same], models, after=first)
    whole = prompt(models.requests[-1])
    assert whole.count("The launch is on 4 March.") == 2
    assert 'number="2" name="copy.md"' in whole
    assert await scenario.count("file_text") == 1
    async with scenario.site.database.system() as session:
        extractions = text("SELECT count(*) FROM job WHERE name = 'extract_file'")
        assert (await session.execute(extractions)).scalar_one() == 1


async def test_the_text_of_a_document_of_a_base_serves_messages_too(scenario: Scenario) -> None:
    content = b"# Plan\n\nThe launch is on 4 March."
    knowledge, actor = scenario.site.knowledge, scenario.actor
    base = await knowledge.bases.create(actor, KnowledgeBaseDraft("Plans"))
    file = await knowledge.upload(actor, "plan.md", content)
    await knowledge.documents.add(actor, base.id, DocumentSource(file_id=file.id))
    await knowledge.drain()
    models = ScriptedModels(["On 4 March."])
    await scenario.ask([await scenario.attach("notes.md", content)], models)
    assert "The launch is on 4 March." in prompt(models.requests[0])
    assert await scenario.count("file_text") == 1
    async with scenario.site.database.system() as session:
        assert (await session.execute(text("SELECT count(*) FROM job WHERE name = 'extract_file'"))).scalar_one() == 0


async def test_a_long_document_is_shown_by_matching_passages_and_read_by_the_tool(scenario: Scenario) -> None:
    await scenario.site.set_profile(scenario.model, context_window_tokens=8_000, has_tools=True)
    content = "".join(SENTENCE.format(number=number) for number in range(2_000)).encode()
    draft = await scenario.attach("levels.txt", content)
    models = ScriptedModels([Call("read_file", {"file": "levels.txt", "start": 40_000})], ["By 1234."])
    _, bodies = await scenario.ask([draft], models, words="How far did the river rise on day 1234?")
    text_of_prompt = prompt(models.requests[0])
    assert "The river rose by 1234 centimetres on day 1234." in text_of_prompt
    assert "on day 999." not in text_of_prompt
    (output,) = [str(body["output"]) for body in bodies if body["kind"] == "ToolOutput"]
    assert output.startswith("(levels.txt: characters 40,000 to 60,000 of ")
    assert "go on with start=60000" in output
    assert notices(bodies) == []


async def test_mode_full_shows_the_beginning_of_what_does_not_fit_and_says_so(scenario: Scenario) -> None:
    await scenario.site.set_profile(scenario.model, context_window_tokens=4_000)
    content = "".join(SENTENCE.format(number=number) for number in range(2_000)).encode()
    draft = await scenario.attach("levels.txt", content, AttachmentMode.FULL)
    models = ScriptedModels(["Much."])
    exchange, bodies = await scenario.ask([draft], models)
    assert notices(bodies) == ["TRUNCATED"]
    text_of_prompt = prompt(models.requests[0])
    assert "on day 0." in text_of_prompt
    assert "on day 1999." not in text_of_prompt
    assert len(text_of_prompt) < 12_000
    (notice,) = [part for part in (await scenario.site.answer(exchange)).content if isinstance(part, NoticePart)]
    assert (notice.code, notice.file_id) == ("TRUNCATED", draft.file_id)


async def test_files_without_text_become_notices_and_the_run_goes_on(scenario: Scenario) -> None:
    drafts = [
        await scenario.attach("secret.pdf", (DOCUMENTS / "pdf" / "encrypted-r6-both.pdf").read_bytes()),
        await scenario.attach("broken.docx", b"PK\x03\x04" + bytes(500)),
        await scenario.attach("tool.exe", b"MZ" + bytes(range(256)) * 4),
    ]
    models = ScriptedModels(["I could not read them."])
    exchange, bodies = await scenario.ask(drafts, models)
    assert notices(bodies) == ["ENCRYPTED", "CORRUPT", "UNSUPPORTED_TYPE"]
    assert "(No text: secret.pdf:" in prompt(models.requests[0])
    assert (await scenario.site.answer(exchange)).text == "I could not read them."


async def test_a_run_waits_for_a_text_no_longer_than_it_may(scenario: Scenario) -> None:
    scenario.site.wait_s = 0.2
    draft = await scenario.attach("notes.md", b"The launch is on 4 March.")
    models = ScriptedModels(["I have no text yet."], ["On 4 March."])
    exchange = await scenario.site.send(scenario.actor, scenario.agent, attachments=[draft])
    bodies = await scenario.site.run(exchange, models)
    assert notices(bodies) == ["NOT_READY"]
    assert "was not ready in time" in prompt(models.requests[0])
    await scenario.site.knowledge.drain()
    later, bodies = await scenario.ask([], models, words="And now?", after=exchange)
    assert "The launch is on 4 March." in prompt(models.requests[-1])
    assert notices(bodies) == []
    assert (await scenario.site.answer(later)).text == "On 4 March."


async def test_a_deleted_file_is_neither_read_nor_kept(scenario: Scenario) -> None:
    draft = await scenario.attach("notes.md", b"The launch is on 4 March.")
    models = ScriptedModels(["On 4 March."], ["Gone."])
    exchange, _ = await scenario.ask([draft], models)
    await scenario.site.knowledge.files.delete(scenario.actor, draft.file_id)
    assert await scenario.count("file_text") == 0
    await scenario.ask([], models, words="And now?", after=exchange)
    assert "The launch" not in prompt(models.requests[-1])


async def test_a_model_that_cannot_see_is_told_of_an_image_and_so_is_the_user(scenario: Scenario) -> None:
    await scenario.site.set_profile(scenario.model, has_vision=False)
    draft = await scenario.attach("chart.png", PNG)
    models = ScriptedModels(["I see nothing."])
    _, bodies = await scenario.ask([draft], models)
    assert notices(bodies) == ["IMAGE_UNSEEN"]


async def test_nobody_reads_the_text_of_another_user(scenario: Scenario, make: Factory) -> None:
    draft = await scenario.attach("notes.md", b"The launch is on 4 March.")
    await scenario.ask([draft], ScriptedModels(["On 4 March."]))
    colleague, stranger = await make.principal(beside=scenario.actor), await make.principal()
    for actor in (colleague, stranger):
        assert await scenario.site.texts.infos(actor, [draft.file_id]) == {}
        assert await scenario.site.texts.part(actor, draft.file_id, 0, 100) is None
        assert await scenario.site.texts.structure(actor, draft.file_id) == {}


async def test_read_file_reads_the_files_of_its_conversation_only(scenario: Scenario) -> None:
    await scenario.site.set_profile(scenario.model, has_tools=True)
    pdf = (DOCUMENTS / "pdf" / "nine-pages.pdf").read_bytes()
    mine, other = await scenario.attach("a.pdf", pdf), await scenario.attach("other.md", b"Secret of another talk.")
    await scenario.ask([other], ScriptedModels(["Read."]))
    calls = [
        Call("read_file", {"file": "other.md"}, id="a"),
        Call("read_file", {"file": "1", "pages": "1"}, id="b"),
        Call("read_file", {"file": "a.pdf", "pages": "900"}, id="c"),
    ]
    _, bodies = await scenario.ask([mine], ScriptedModels(calls, ["Done."]))
    outputs = {str(body["call_id"]): str(body["output"]) for body in bodies if body["kind"] == "ToolOutput"}
    assert outputs["a"] == "No such file is attached; there are: 1: a.pdf."
    assert outputs["b"].startswith("(a.pdf, page 1: characters 0 to ")
    assert "has no text there" in outputs["c"]
