"""Agents that answer from knowledge bases: what they may search, and citations that hold."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.errors import UnknownKnowledgeBaseError
from nexent_gql.domains.agents.policy import AgentDraft, AgentPatch
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft, KnowledgeBasePatch
from nexent_gql.domains.knowledge.tables import KnowledgeAccess, KnowledgeBase
from nexent_gql.domains.knowledge.tools import KnowledgeTools
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import CitationPart, decode_parts
from nexent_gql.ports.engine import AgentKind
from tests.support.answering import Answering, answering
from tests.support.direct_graphql import Data, DirectGraphQL
from tests.support.factory import Factory
from tests.support.scripted_models import Call, Pause, ScriptedModels

if TYPE_CHECKING:
    from nexent_gql.services import Services

RULES = "# Travel\n\nThe hotel limit is 140 euros a night in Lisbon."
MEALS = "# Meals\n\nMeals are paid up to 40 euros a day."
SECRET = "140 euros"
SEARCH = Call("knowledge_search", {"query": "hotel limit in Lisbon"})
CITATIONS = """query ($id: ID!) { message(id: $id) { text citations {
    label title quote page heading documentVersion changedSince document { id name } } } }"""


@dataclass
class Scenario:
    """Ada owns a base that her tenant reads; Ben is her colleague."""

    site: Answering
    ada: Principal
    ben: Principal
    base: KnowledgeBase
    document_id: UUID

    @property
    def agents(self) -> AgentService:
        return AgentService(self.site.database, ToolService(self.site.catalog), utc_now)

    async def agent(self, kind: AgentKind = AgentKind.TOOL_CALLING) -> Agent:
        draft = AgentDraft("Guide", kind=kind, knowledge_base_ids=(self.base.id,))
        return await self.agents.create(self.ada, draft)

    async def citations(self, actor: Principal, message_id: UUID) -> Data:
        """Read an answer through GraphQL."""
        conversations = ConversationService(self.site.database, MemoryEventLog(), self.agents, utc_now)
        services = SimpleNamespace(conversations=conversations, documents=self.site.knowledge.documents)
        graphql = DirectGraphQL(cast("Services", services))
        return (await graphql(actor, CITATIONS, id=str(global_id("Message", message_id)))).one


@pytest.fixture
async def scenario(database: Database, redis_url: str, make: Factory, tmp_path: Path) -> AsyncGenerator[Scenario]:
    ada = await make.principal()
    ben = await make.principal(beside=ada)
    await make.model(ada, is_default=True)
    async with answering(database, redis_url, tmp_path) as site:
        knowledge = site.knowledge
        site.providers.append(KnowledgeTools(knowledge.bases, knowledge.documents, knowledge.searches))
        base = await knowledge.bases.create(ada, KnowledgeBaseDraft("Rules", access=KnowledgeAccess.TENANT_READ))
        source = DocumentSource(text=RULES, name="rules.md")
        row = await knowledge.documents.add(ada, base.id, source, client_id=None)
        await knowledge.documents.add(ada, base.id, DocumentSource(text=MEALS, name="meals.md"), client_id=None)
        await knowledge.drain()
        yield Scenario(site, ada, ben, base, row.document.id)


def of_kind(bodies: Sequence[JsonObject], kind: str) -> list[JsonObject]:
    return [body for body in bodies if body["kind"] == kind]


@pytest.mark.parametrize("kind", AgentKind)
async def test_an_answer_cites_the_passages_that_it_uses(scenario: Scenario, kind: AgentKind) -> None:
    agent = await scenario.agent(kind)
    code = 'Thought.\n<code>\nprint(knowledge_search("hotel limit in Lisbon"))\n</code>'
    search = [code] if kind is AgentKind.CODE else [SEARCH]
    models = ScriptedModels(search, ["At most 140 euros [1], and dinner is free [9]."])
    exchange = await scenario.site.send(scenario.ben, agent, "What may a hotel cost?")
    bodies = await scenario.site.run(exchange, models)

    assert "[1] rules.md, Travel\n# Travel\n\nThe hotel limit is 140" in models.requests[-1].messages[-1].text
    (retrieval,) = of_kind(bodies, "PassagesRetrieved")
    passages = decode_parts(retrieval["passages"])
    assert [part.label for part in passages if isinstance(part, CitationPart)] == ["1"]
    (citation,) = decode_parts([body["citation"] for body in of_kind(bodies, "CitationAdded")])
    assert isinstance(citation, CitationPart)
    assert (citation.label, citation.heading, citation.document_id) == ("1", "Travel", scenario.document_id)
    assert of_kind(bodies, "RunFinished")[0]["unsupported_citations"] == 1
    events = [body for body in bodies if body["kind"] not in {"TextDelta", "AttemptStarted"}]
    assert "hotel limit is" not in str(events), "passages stay out of events"

    message = await scenario.citations(scenario.ben, exchange.answer.id)
    (citation_node,) = message["citations"]
    assert "140 euros a night" in citation_node.pop("quote")
    assert citation_node.pop("document")["name"] == "rules.md"
    assert citation_node == {
        "label": "1",
        "title": "rules.md",
        "page": None,
        "heading": "Travel",
        "documentVersion": 1,
        "changedSince": False,
    }


async def test_a_citation_survives_replacement_and_loses_its_quote_with_the_document(scenario: Scenario) -> None:
    agent = await scenario.agent()
    exchange = await scenario.site.send(scenario.ada, agent)
    await scenario.site.run(exchange, ScriptedModels([SEARCH], ["140 euros [1]."]))
    documents = scenario.site.knowledge.documents
    await documents.replace(scenario.ada, scenario.document_id, DocumentSource(text="All is new.", name="rules.md"))
    await scenario.site.knowledge.drain()
    (replaced,) = (await scenario.citations(scenario.ada, exchange.answer.id))["citations"]
    assert "140 euros a night" in replaced["quote"]
    assert (replaced["documentVersion"], replaced["changedSince"]) == (1, True)
    await documents.delete(scenario.ada, scenario.document_id)
    (deleted,) = (await scenario.citations(scenario.ada, exchange.answer.id))["citations"]
    assert (deleted["label"], deleted["title"]) == ("1", "rules.md")
    assert (deleted["quote"], deleted["document"], deleted["changedSince"]) == (None, None, None)


async def test_a_search_is_cut_to_what_the_user_may_read_at_that_time(scenario: Scenario) -> None:
    agent = await scenario.agent()
    first = await scenario.site.send(scenario.ben, agent)
    await scenario.site.run(first, ScriptedModels([SEARCH], ["140 euros [1]."]))
    second = await scenario.site.send(scenario.ben, agent)
    private = KnowledgeBasePatch(access=KnowledgeAccess.PRIVATE)
    await scenario.site.knowledge.bases.update(scenario.ada, scenario.base.id, private)
    models = ScriptedModels([SEARCH], ["I may not."])
    bodies = await scenario.site.run(second, models)
    (output,) = of_kind(bodies, "ToolOutput")
    assert output["output"] == "The user can read none of the knowledge bases of this assistant; say so."
    assert SECRET not in str(models.requests[-1])
    (citation,) = (await scenario.citations(scenario.ben, first.answer.id))["citations"]
    assert (citation["quote"], citation["document"]) == (None, None)


async def test_an_agent_is_bound_to_bases_that_its_developer_may_read(scenario: Scenario, make: Factory) -> None:
    agent = await scenario.agent()
    stranger = await make.principal()
    draft = AgentDraft("Spy", knowledge_base_ids=(scenario.base.id,))
    with pytest.raises(UnknownKnowledgeBaseError) as refusal:
        await scenario.agents.create(stranger, draft)
    assert refusal.value.path == ("knowledgeBaseIds", "0")
    private = KnowledgeBasePatch(access=KnowledgeAccess.PRIVATE)
    await scenario.site.knowledge.bases.update(scenario.ada, scenario.base.id, private)
    renamed = await scenario.agents.update(scenario.ben, agent.id, AgentPatch(name="Other"))
    assert renamed.knowledge_base_ids == [scenario.base.id]
    with pytest.raises(UnknownKnowledgeBaseError):
        await scenario.agents.update(scenario.ben, agent.id, AgentPatch(knowledge_base_ids=(scenario.base.id,)))


async def test_citations_hold_after_a_crash(scenario: Scenario) -> None:
    agent = await scenario.agent()
    exchange = await scenario.site.send(scenario.ada, agent)
    models = ScriptedModels([SEARCH], ["140 euros [1]. ", Pause(None)])
    await scenario.site.lose(exchange, models, lambda: len(models.requests) == 2)
    meals = Call("knowledge_search", {"query": "meals", "max_passages": 1}, id="meals")
    again = ScriptedModels([SEARCH], [meals], ["Both [1][2]."])
    bodies = await scenario.site.run(exchange, again)
    assert len(of_kind(bodies, "PassagesRetrieved")) == 2, "the first search was not repeated"
    message = await scenario.citations(scenario.ada, exchange.answer.id)
    assert message["text"] == "Both [1][2]."
    assert [(each["label"], each["heading"]) for each in message["citations"]] == [("1", "Travel"), ("2", "Meals")]
