"""Knowledge graphs by GraphQL."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.graph_models import graph_answer
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.scripted_models import ComputedModels

VIEW = """query ($id: ID!, $entity: String, $depth: Int) { graph(knowledgeBaseId: $id, entity: $entity, depth: $depth) {
    isTruncated
    entities { name kind aliases passageCount passages { text } }
    relations { source { name } label target { name } passageCount passages { id text document { name } } }
} }"""
STATUS = """query ($id: ID!) { knowledgeBase(id: $id) {
    eventsCursor graph { state passageCount readPassageCount failedPassageCount problem { code } model { id } } } }"""
SEARCH = """query ($input: SearchKnowledgeInput!) { searchKnowledge(input: $input) {
    graphEntities hits { chunk { text } explain { graphScore } } } }"""
ESTIMATE = """query ($id: ID!) { knowledgeGraphEstimate(knowledgeBaseId: $id) {
    passages calls inputTokens outputTokens costUsd } }"""
EVENTS = """subscription ($id: ID!, $after: String) { documentEvents(knowledgeBaseId: $id, after: $after) {
    __typename ... on KnowledgeGraphChanged { graphState passageCount readPassageCount graphProblem { code } } } }"""


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path, llm=ComputedModels(graph_answer)) as api:
        yield api


async def test_a_graph_is_estimated_built_read_and_deleted(api: KnowledgeApi, make: Factory) -> None:
    actor = await make.principal()
    await make.model(actor, is_default=True)
    base = await api.new_base(actor)
    await api.add_text(actor, base, "Acme owns Globex.", "Owners")
    await api.add_text(actor, base, "ACME supplies Initech.")
    await api.ingestion.drain()
    before = await api.ask(actor, STATUS, id=base)
    assert before["graph"] is None
    assert await api.ask(actor, VIEW, id=base) is None
    estimate = await api.ask(actor, ESTIMATE, id=base)
    assert (estimate["passages"], estimate["calls"], estimate["costUsd"]) == (2, 1, None)

    built = await api.mutate(actor, "buildKnowledgeGraph", "graph { state passageCount }", knowledgeBaseId=base)
    assert built["graph"] == {"state": "BUILDING", "passageCount": 2}
    await api.ingestion.drain()
    status = {"state": "READY", "passageCount": 2, "readPassageCount": 2, "failedPassageCount": 0}
    assert (await api.ask(actor, STATUS, id=base))["graph"] == {**status, "problem": None, "model": None}

    view = await api.ask(actor, VIEW, id=base, entity="acme", depth=None)
    assert {entity["name"] for entity in view["entities"]} == {"ACME", "Globex", "Initech"}
    (owns,) = [it for it in view["relations"] if it["label"] == "owns"]
    assert (owns["source"]["name"], owns["target"]["name"]) == ("ACME", "Globex")
    assert [passage["text"] for passage in owns["passages"]] == ["Acme owns Globex."]
    assert [passage["document"]["name"] for passage in owns["passages"]] == ["Owners"]

    input_ = {"query": "partners of Globex", "knowledgeBaseIds": [base], "expandGraph": True}
    result = await api.ask(actor, SEARCH, input=input_)
    assert result["graphEntities"] == ["globex", "acme"]
    assert [hit["chunk"]["text"] for hit in result["hits"]] == ["Acme owns Globex.", "ACME supplies Initech."]
    assert all(hit["explain"]["graphScore"] > 0 for hit in result["hits"])

    deleted = await api.mutate(actor, "deleteKnowledgeGraph", "knowledgeBase { graph { state } }", knowledgeBaseId=base)
    assert deleted["knowledgeBase"]["graph"] is None
    events: list[Data] = []
    async with aclosing(api.subscribe(actor, EVENTS, id=base, after=before["eventsCursor"])) as answers:
        async for answer in answers:
            events.append(answer.one)
            if answer.one["graphState"] is None:
                break
    assert [(it["graphState"], it["readPassageCount"]) for it in events][:1] == [("BUILDING", 0)]
    assert ("READY", 2) in {(it["graphState"], it["readPassageCount"]) for it in events}
    assert events[-1]["graphState"] is None


async def test_a_refused_depth_names_its_argument(api: KnowledgeApi, make: Factory) -> None:
    actor = await make.principal()
    await make.model(actor, is_default=True)
    base = await api.new_base(actor)
    await api.mutate(actor, "buildKnowledgeGraph", "graph { state }", knowledgeBaseId=base)
    answer = await api.answer(actor, VIEW, id=base, entity="Acme", depth=9)
    (error,) = answer.errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
