"""Knowledge graphs: what is read once, whose facts they have, what they cost, and what a crash costs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.editing import ChunkPatch
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError, KnowledgeBaseReadOnlyError
from nexent_gql.domains.knowledge.graph_expansion import GRAPH_WEIGHT
from nexent_gql.domains.knowledge.graph_views import GraphView
from nexent_gql.domains.knowledge.graphs import GraphStatus
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft, KnowledgeBasePatch
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.domains.models.errors import BudgetExceededError, NoDefaultModelError
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import ChatRequest, ModelKeyRefusedError, ModelOverloadedError
from nexent_gql.ports.search_index import SearchFilter
from tests.support.factory import Factory
from tests.support.graph_models import graph_answer, passages_of
from tests.support.ingestion import Ingestion, ingestion
from tests.support.knowledge_tools import call_search_tool
from tests.support.scripted_models import Answer, ComputedModels, Pause

CHUNKING = ChunkingOptions(max_words=20, overlap_words=0)
FACT_TABLES = ("graph_passage", "graph_mention", "graph_relation")


@pytest.fixture
def models() -> ComputedModels:
    return ComputedModels(graph_answer)


@pytest.fixture
async def services(database: Database, tmp_path: Path, models: ComputedModels) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path, llm=models) as services:
        yield services


@pytest.fixture
async def actor(make: Factory) -> Principal:
    actor = await make.principal()
    await make.model(actor, is_default=True)
    return actor


async def new_base(services: Ingestion, actor: Principal, *texts: str) -> UUID:
    base = await services.bases.create(actor, KnowledgeBaseDraft("Companies", chunking=CHUNKING))
    for text in texts:
        await add(services, actor, base.id, text)
    return base.id


async def add(services: Ingestion, actor: Principal, base_id: UUID, text: str) -> UUID:
    row = await services.documents.add(actor, base_id, DocumentSource(text=text, name="Note"))
    await services.drain()
    return row.document.id


async def build(services: Ingestion, actor: Principal, base_id: UUID) -> GraphStatus:
    """Build a graph, and return it as its user sees it."""
    await services.graphs.build(actor, base_id, None)
    await services.drain()
    return await status(services, actor, base_id)


async def status(services: Ingestion, actor: Principal, base_id: UUID) -> GraphStatus:
    return (await services.graphs.of_bases(actor, [base_id]))[base_id]


async def view(
    services: Ingestion, actor: Principal, base_id: UUID, entity: str | None = None, depth: int = 1
) -> GraphView:
    result = await services.graphs.view(actor, base_id, entity, depth)
    assert result is not None
    return result


def shape(part: GraphView) -> tuple[dict[str, int], set[tuple[str, str, str, int]]]:
    """Return how many passages name each entity, and relate them, by the names of entities."""
    names = {entity.key: entity.name for entity in part.entities}
    return (
        {entity.name: entity.passage_count for entity in part.entities},
        {(names[it.source], it.label, names[it.target], it.passage_count) for it in part.relations},
    )


async def rows(services: Ingestion, actor: Principal) -> list[int]:
    return [await services.count(actor.tenant_id, table) for table in FACT_TABLES]


async def test_entities_are_merged_across_documents_with_the_passages_they_come_from(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.", "ACME owns Globex. Globex supplies Initech.")
    state = await build(services, actor, base_id)
    assert (state.state, state.counts.total, state.counts.done, state.counts.failed) == ("READY", 2, 2, 0)
    part = await view(services, actor, base_id)
    assert shape(part)[0] == {"Globex": 2, "ACME": 2, "Initech": 1}
    assert {(it.label, it.passage_count) for it in part.relations} == {("owns", 2), ("supplies", 1)}
    (acme,) = [it for it in part.entities if it.key == "acme"]
    assert (acme.kind, acme.aliases, len(acme.chunk_ids)) == ("company", ("Acme",), 2)
    chunks = await services.documents.get_chunks(actor, acme.chunk_ids)
    assert all("acme" in chunk.content.lower() for chunk in chunks)
    (request,) = models.requests
    assert request.attribution is not None
    assert (request.attribution.user_id, request.attribution.purpose) == (actor.user_id, "GRAPH")


async def test_a_view_goes_as_deep_as_it_is_asked_and_joins_the_names_of_an_entity(
    services: Ingestion, actor: Principal
) -> None:
    base_id = await new_base(
        services, actor, "Acme alias Apex.", "Apex owns Globex.", "Globex supplies Initech.", "Initech employs Bob."
    )
    await build(services, actor, base_id)
    depths = [set(shape(await view(services, actor, base_id, "ACME", depth))[0]) for depth in range(4)]
    names = [{name.replace("Apex", "Acme") for name in each} for each in depths]
    assert names == [
        {"Acme"},
        {"Acme", "Globex"},
        {"Acme", "Globex", "Initech"},
        {"Acme", "Globex", "Initech", "Bob"},
    ]
    by_either_name = [shape(await view(services, actor, base_id, name)) for name in ("Acme", "apex")]
    assert by_either_name[0] == by_either_name[1]
    assert shape(await view(services, actor, base_id, "Nobody")) == ({}, set())
    for entity, depth in (("Acme", 4), ("Acme", -1), ("x" * 101, 1)):
        with pytest.raises(InvalidInputError):
            await services.graphs.view(actor, base_id, entity, depth)


async def test_reprocessing_and_new_documents_are_read_once(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    await build(services, actor, base_id)
    document_id = await add(services, actor, base_id, "Initech owns Hooli.\n\nInitech owns Hooli.")
    assert len(models.requests) == 2
    before = (shape(await view(services, actor, base_id)), await rows(services, actor))
    await services.documents.reprocess(actor, document_id)
    await services.drain()
    await build(services, actor, base_id)
    assert (shape(await view(services, actor, base_id)), await rows(services, actor)) == before
    assert len(models.requests) == 2
    assert (await status(services, actor, base_id)).state == "READY"


async def test_what_is_replaced_edited_disabled_or_deleted_is_gone_at_once_and_then_from_the_tables(
    services: Ingestion, actor: Principal
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    first = await add(services, actor, base_id, "Initech owns Hooli.")
    second = await add(services, actor, base_id, "Umbrella owns Wayne.")
    await build(services, actor, base_id)

    await services.documents.replace(actor, first, DocumentSource(text="Initech owns Stark.", name="Note"))
    await services.drain()
    assert "Hooli" not in shape(await view(services, actor, base_id))[0]
    assert await rows(services, actor) == [3, 6, 3]

    chunk = (await services.documents.chunks(actor, first, PageRequest())).rows[0]
    await services.editor.update(actor, chunk.id, ChunkPatch(text="Initech owns Soylent."))
    assert not {"Initech", "Stark", "Soylent"} & set(shape(await view(services, actor, base_id))[0])
    await services.drain()
    assert {"Initech", "Soylent"} <= set(shape(await view(services, actor, base_id))[0])
    assert await rows(services, actor) == [3, 6, 3]

    await services.editor.update(actor, chunk.id, ChunkPatch(is_enabled=False))
    assert set(shape(await view(services, actor, base_id))[0]) == {"Acme", "Globex", "Umbrella", "Wayne"}

    await services.documents.delete(actor, second)
    assert shape(await view(services, actor, base_id)) == (
        {"Acme": 1, "Globex": 1},
        {("Acme", "owns", "Globex", 1)},
    )
    await services.drain()
    assert (await rows(services, actor))[0] == 2


async def test_deleting_a_graph_or_its_base_deletes_all_that_was_read(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    await build(services, actor, base_id)
    await services.graphs.delete(actor, base_id)
    await services.graphs.delete(actor, base_id)
    assert await services.graphs.of_bases(actor, [base_id]) == {}
    assert await services.graphs.view(actor, base_id, None, 1) is None
    assert (await build(services, actor, base_id)).state == "READY"
    assert len(models.requests) == 2
    assert await rows(services, actor) == [1, 2, 1]
    assert await services.count(actor.tenant_id, "knowledge_graph") == 1
    await services.bases.delete(actor, base_id)
    await services.drain()
    assert await rows(services, actor) == [0, 0, 0]
    assert await services.count(actor.tenant_id, "knowledge_graph") == 0


async def test_a_base_without_a_graph_costs_nothing(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    assert models.requests == []
    assert await services.graphs.of_bases(actor, [base_id]) == {}
    assert await services.graphs.view(actor, base_id, None, 1) is None


async def test_the_estimate_counts_what_is_not_read_yet(services: Ingestion, actor: Principal, make: Factory) -> None:
    base_id = await new_base(services, actor, *(f"Acme{number} owns Globex." for number in range(6)))
    estimate = await services.graphs.estimate(actor, base_id, None)
    assert (estimate.passages, estimate.calls) == (6, 2)
    assert estimate.usage.input_tokens > 6 * len("AcmeN owns Globex.") // 4
    assert estimate.usage.output_tokens > 0
    await build(services, actor, base_id)
    estimate = await services.graphs.estimate(actor, base_id, None)
    assert (estimate.passages, estimate.calls, estimate.usage.input_tokens) == (0, 0, 0)
    poor = await make.principal()
    other = await services.bases.create(poor, KnowledgeBaseDraft("Other"))
    with pytest.raises(NoDefaultModelError):
        await services.graphs.estimate(poor, other.id, None)


async def test_a_worker_that_dies_costs_the_calls_in_flight_at_most(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    texts = [f"Acme{number} owns Globex." for number in range(7)]
    base_id = await new_base(services, actor, *texts)
    hung = texts[6]

    def answer(request: ChatRequest) -> Answer:
        return [Pause()] if hung in passages_of(request) else graph_answer(request)

    models.answer_of = answer
    await services.graphs.build(actor, base_id, None)
    (job_id,) = await services.queued()
    task = asyncio.create_task(services.runner.run(job_id))
    async with asyncio.timeout(60):
        while await services.count(actor.tenant_id, "graph_passage") < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    models.answer_of = graph_answer
    await services.execute("UPDATE job SET state = 'QUEUED', lease_owner = NULL WHERE state = 'RUNNING'")
    await services.drain()
    assert (await status(services, actor, base_id)).state == "READY"
    texts_read = [text for request in models.requests for text in passages_of(request)]
    assert sorted(texts_read) == sorted([*texts, texts[5], texts[6]])
    assert await rows(services, actor) == [7, 14, 7]


async def test_a_job_reads_a_part_and_another_one_the_rest(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    pages = "\n\n".join(f"# Page {number}\n\nAcme{number} owns Globex. {'and so on ' * 4}" for number in range(60))
    base_id = await new_base(services, actor, pages)
    await services.graphs.build(actor, base_id, None)
    await services.graphs.build(actor, base_id, None)
    jobs = 0
    while await services.run_next():
        jobs += 1
    state = await status(services, actor, base_id)
    assert (state.state, state.counts.done, jobs) == ("READY", 60, 2)
    assert len(models.requests) == 12


async def test_an_answer_that_cannot_be_used_is_asked_for_again_by_passage_and_then_counted(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.", "Nonsense owns Nothing.", "Initech owns Hooli.")
    models.answer_of = lambda request: (
        ["No."] if any("Nonsense" in text for text in passages_of(request)) else graph_answer(request)
    )
    state = await build(services, actor, base_id)
    assert (state.state, state.counts.done, state.counts.failed, len(models.requests)) == ("READY", 3, 1, 4)
    assert set(shape(await view(services, actor, base_id))[0]) == {"Acme", "Globex", "Initech", "Hooli"}
    models.answer_of = graph_answer
    state = await build(services, actor, base_id)
    assert (state.counts.failed, len(models.requests)) == (0, 5)


async def test_a_model_that_fails_stops_the_graph_which_can_go_on(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    models.answer_of = lambda _: [ModelKeyRefusedError("No.")]
    state = await build(services, actor, base_id)
    assert (state.state, state.graph.code) == ("STOPPED", "MODEL_KEY_REFUSED")
    models.answer_of = lambda _: [ModelOverloadedError("Later.")]
    state = await build(services, actor, base_id)
    assert (state.state, state.graph.code, state.graph.is_retryable) == ("STOPPED", "MODEL_OVERLOADED", True)
    models.answer_of = graph_answer
    await add(services, actor, base_id, "Initech owns Hooli.")
    state = await status(services, actor, base_id)
    assert (state.state, state.graph.code, state.counts.done) == ("READY", None, 2)


async def test_a_graph_whose_budget_runs_out_keeps_what_was_read_and_goes_on_later(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, *(f"Acme{number} owns Globex{number}." for number in range(12)))
    answered: list[str] = []

    def answer_of(request: ChatRequest) -> Answer:
        if answered and not is_refilled:
            raise BudgetExceededError("Spent.", new_id())
        answered.extend(passages_of(request))
        return graph_answer(request)

    is_refilled, models.answer_of = False, answer_of
    state = await build(services, actor, base_id)
    assert (state.state, state.graph.code, state.graph.is_retryable) == ("STOPPED", "BUDGET_EXCEEDED", True)
    assert 0 < state.counts.done == len(answered) < state.counts.total == 12
    assert len(shape(await view(services, actor, base_id))[1]) == len(answered)
    is_refilled = True
    state = await build(services, actor, base_id)
    assert (state.state, state.graph.code, state.counts.done, state.counts.failed) == ("READY", None, 12, 0)
    assert sorted(answered) == sorted(f"Acme{number} owns Globex{number}." for number in range(12))


async def test_only_who_may_change_a_base_has_a_graph_built(
    services: Ingestion, actor: Principal, make: Factory, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.")
    colleague = await make.principal(Role.MEMBER, beside=actor)
    stranger = await make.principal()
    await build(services, actor, base_id)
    for other in (colleague, stranger):
        for call in (
            services.graphs.build(other, base_id, None),
            services.graphs.delete(other, base_id),
            services.graphs.view(other, base_id, None, 1),
            services.graphs.estimate(other, base_id, None),
        ):
            with pytest.raises(KnowledgeBaseNotFoundError):
                await call
        assert await services.graphs.of_bases(other, [base_id]) == {}
    await services.bases.update(actor, base_id, KnowledgeBasePatch(access=KnowledgeAccess.TENANT_READ))
    assert "Acme" in shape(await view(services, colleague, base_id))[0]
    for call in (services.graphs.build(colleague, base_id, None), services.graphs.delete(colleague, base_id)):
        with pytest.raises(KnowledgeBaseReadOnlyError):
            await call
    await services.bases.update(actor, base_id, KnowledgeBasePatch(access=KnowledgeAccess.TENANT_WRITE))
    await services.graphs.build(colleague, base_id, None)
    await services.bases.update(actor, base_id, KnowledgeBasePatch(access=KnowledgeAccess.PRIVATE))
    count = len(models.requests)
    await add(services, actor, base_id, "Initech owns Hooli.")
    state = await status(services, actor, base_id)
    assert (state.graph.code, len(models.requests)) == ("GRAPH_REQUESTER_LOST_ACCESS", count)


async def test_a_search_is_widened_by_what_passages_relate_to_the_question(
    services: Ingestion, actor: Principal, make: Factory
) -> None:
    base_id = await new_base(services, actor, "Acme owns Globex.", "Initech employs Bob.")
    second = await add(services, actor, base_id, "Globex supplies Initech.")
    question = KnowledgeSearch("Partners of Acme?", (base_id,))
    expanded = replace(question, is_graph_expanded=True)
    plain = await services.searches.search(actor, question)
    assert [hit.chunk.content for hit in plain.passages] == ["Acme owns Globex."]
    assert (await services.searches.search(actor, expanded)) == plain

    await build(services, actor, base_id)
    assert await services.searches.search(actor, question) == plain
    answer = await services.searches.search(actor, expanded)
    assert answer.related_names == ("acme", "globex")
    assert [hit.chunk.content for hit in answer.passages] == ["Acme owns Globex.", "Globex supplies Initech."]
    first, further = answer.passages
    assert first.score > plain.passages[0].score
    assert 0 < further.score <= GRAPH_WEIGHT
    assert further.graph_score is not None
    assert further.score == pytest.approx(GRAPH_WEIGHT * further.graph_score)

    quotes = [
        [source.quote for source in (await call_search_tool(services, actor, base_id, **arguments)).sources]
        for arguments in ({"query": question.question}, {"query": question.question, "expand_graph": True})
    ]
    assert quotes == [[hit.chunk.content for hit in each.passages] for each in (plain, answer)]

    strict = await services.searches.search(actor, replace(expanded, min_score=(first.score + further.score) / 2))
    assert ([hit.chunk.content for hit in strict.passages], strict.below_min_score) == (["Acme owns Globex."], 1)
    cut = await services.searches.search(actor, replace(expanded, top_k=1))
    assert [hit.chunk.id for hit in cut.passages] == [first.chunk.id]
    filtered = await services.searches.search(actor, replace(expanded, filter=SearchFilter(document_ids=(second,))))
    assert [hit.chunk.id for hit in filtered.passages] == [further.chunk.id]
    with pytest.raises(KnowledgeBaseNotFoundError):
        await services.searches.search(await make.principal(beside=actor), expanded)
    await services.documents.delete(actor, second)
    assert (await services.searches.search(actor, expanded)).passages[0].chunk.id == first.chunk.id
    assert len((await services.searches.search(actor, expanded)).passages) == 1
