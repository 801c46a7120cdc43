"""A knowledge base for a new installation, and an agent that answers from it."""

from dataclasses import dataclass

from nexent_gql.domains.agents.demo_texts import TEXTS
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.knowledge.documents import DocumentService
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.service import KnowledgeBaseService
from nexent_gql.domains.knowledge.tables import KnowledgeAccess, KnowledgeBase
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal

AGENT_NAME = "Guide"
BASE_NAME = "Lantern Bay Ferries (demo)"
_DESCRIPTION = "Rules and timetables of an invented ferry company, in English and Chinese."
_INSTRUCTIONS = (
    "You answer questions about Lantern Bay Ferries from its documents. Search before you answer, cite each fact, and "
    "say so if the documents do not have it. Answer briefly, in the language of the question."
)


@dataclass(frozen=True, slots=True)
class DemoBase:
    """Seeds the demo base. Idempotent; what users deleted stays deleted."""

    bases: KnowledgeBaseService
    documents: DocumentService
    agents: AgentService

    async def ensure(self, actor: Principal) -> None:
        """Create the base, its documents and the agent unless the agent was ever there.

        Workers process the documents afterwards. The agent comes last, so that a crash in between is made good.
        """
        if await self.agents.used_names(actor, [AGENT_NAME]):
            return
        base = await self._base(actor)
        for name, text in TEXTS.items():
            source = DocumentSource(text=text, name=name)
            await self.documents.add(actor, base.id, source, client_id=f"demo/{name}")
        draft = AgentDraft(
            name=AGENT_NAME,
            description="Answers from the documents of an invented ferry company, and cites them.",
            instructions=_INSTRUCTIONS,
            knowledge_base_ids=(base.id,),
        )
        await self.agents.create(actor, draft)

    async def _base(self, actor: Principal) -> KnowledgeBase:
        rows = (await self.bases.page(actor, PageRequest(), BASE_NAME)).rows
        if own := [row for row in rows if row.owner_id == actor.user_id]:
            return own[0]
        draft = KnowledgeBaseDraft(BASE_NAME, description=_DESCRIPTION, access=KnowledgeAccess.TENANT_READ)
        return await self.bases.create(actor, draft)
