"""Use cases of agents: all users of a tenant may read and use them, developers may change them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.agents.definition import AgentDefinition
from nexent_gql.domains.agents.errors import (
    AgentChangedError,
    AgentNameTakenError,
    AgentNotFoundError,
    UnknownKnowledgeBaseError,
)
from nexent_gql.domains.agents.policy import AgentDraft, AgentPatch, apply_draft, merge_patch
from nexent_gql.domains.agents.repository import AgentRepository
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.knowledge.access import readable_base_ids
from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.domains.models.errors import ChatModelNotFoundError, RouteNotFoundError
from nexent_gql.domains.models.routes import route_within
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import Unset
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import search_text
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.tools import OfferedTool

_MAX_AGENTS_OF_MODEL = 20


class AgentService:
    """The use cases of agents."""

    def __init__(self, db: Database, tools: ToolService, clock: Clock) -> None:
        self._db = db
        self._tools = tools
        self._clock = clock

    async def create(self, actor: Principal, draft: AgentDraft) -> Agent:
        """Create an agent.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
            UnknownToolError: There is no such tool.
            UnknownKnowledgeBaseError: The caller can read no such knowledge base.
            ChatModelNotFoundError: The tenant has no such model.
            RouteNotFoundError: The tenant has no such route.
            ModelKindMismatchError: The model is no chat model.
            AgentNameTakenError: Another agent has the name.
        """
        actor.require(Role.DEVELOPER)
        return await self._create(actor, draft, await self._tools.get_by_name(actor, draft.tool_names))

    async def _create(self, actor: Principal, draft: AgentDraft, available_tools: Collection[str]) -> Agent:
        now = self._clock()
        row = Agent(
            id=new_id(),
            tenant_id=actor.tenant_id,
            name=draft.name,
            created_by=actor.user_id,
            created_at=now,
            updated_at=now,
        )
        apply_draft(row, draft, available_tools)
        with translate_violations(_violations(row.name, row.model_id, row.route_id)):
            async with self._db.transaction(actor.tenant_id) as session:
                await _require_chat(session, row)
                await _require_bases(session, actor, row.knowledge_base_ids)
                AgentRepository(session, actor.tenant_id).add(row)
        return row

    async def import_file(self, actor: Principal, content: bytes, *, name: str | None) -> tuple[Agent, list[str]]:
        """Create an agent from a file, named `name` if that is not None; also return the names of missing tools.

        Raises:
            NotAnAgentFileError: The content is no agent's file.
            InvalidInputError: The content breaks a rule; the error names the field.
            ForbiddenError: The caller is no developer.
            AgentNameTakenError: Another agent has the name.
        """
        definition = AgentDefinition.parse(content)
        actor.require(Role.DEVELOPER)
        available = await self._tools.get_by_name(actor, definition.tool_names)
        tool_names = tuple(name for name in definition.tool_names if name in available)
        row = await self._create(actor, definition.draft(name, tool_names), available)
        return row, [name for name in definition.tool_names if name not in available]

    async def update(
        self, actor: Principal, agent_id: UUID, patch: AgentPatch, *, expected_version: int | None = None
    ) -> Agent:
        """Change the fields that `patch` sets; runs that have started keep the earlier values.

        Raises:
            AgentNotFoundError: The tenant has no such agent.
            AgentChangedError: The agent has another version than `expected_version`.
            DomainError: As for `create`.
        """
        actor.require(Role.DEVELOPER)
        names = () if isinstance(patch.tool_names, Unset) else patch.tool_names or ()
        available = await self._tools.get_by_name(actor, names)  # before the transaction: providers open their own
        with translate_violations(_violations(patch.name, patch.model_id, patch.route_id)):
            async with self._db.transaction(actor.tenant_id) as session:
                row = await self._lock(session, actor, agent_id, expected_version)
                apply_draft(row, merge_patch(row, patch), available)
                await _require_chat(session, row)
                if not isinstance(patch.knowledge_base_ids, Unset):
                    await _require_bases(session, actor, row.knowledge_base_ids)
                row.version += 1
                row.updated_at = self._clock()
        return row

    async def delete(self, actor: Principal, agent_id: UUID, *, expected_version: int | None = None) -> Agent:
        """Delete an agent: only its name stays, for conversations that refer to it; another agent may take the name.

        Raises:
            ForbiddenError: The caller is no developer.
            AgentNotFoundError: The tenant has no such agent.
            AgentChangedError: The agent has another version than `expected_version`.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.transaction(actor.tenant_id) as session:
            row = await self._lock(session, actor, agent_id, expected_version)
            row.erase(self._clock())
        return row

    async def get(self, actor: Principal, agent_id: UUID) -> Agent:
        """Return an agent that is not deleted.

        Raises:
            AgentNotFoundError: The tenant has no such agent, or it is deleted.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await self.get_within(session, actor, agent_id)

    async def get_within(self, session: AsyncSession, actor: Principal, agent_id: UUID) -> Agent:
        """Return an agent that is not deleted, within an open transaction.

        Raises:
            AgentNotFoundError: The tenant has no such agent, or it is deleted.
        """
        row = await AgentRepository(session, actor.tenant_id).get(agent_id)
        if row is None:
            raise AgentNotFoundError(agent_id)
        return row

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> Sequence[Agent]:
        """Return those of `ids` that the tenant has, deleted ones too, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).get_many(ids)

    async def page(self, actor: Principal, page: PageRequest, *, search: str | None = None) -> Page[Agent]:
        """Page through the tenant's agents, newest first; `search` is part of the name, in any case.

        Raises:
            InvalidInputError: `search` has more than 200 characters, or some that no name can have.
        """
        part = search_text(search)
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).page(page, part)

    async def count(self, actor: Principal, *, search: str | None = None) -> int:
        """Count the agents that `page` goes through.

        Raises:
            InvalidInputError: As for `page`.
        """
        part = search_text(search)
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).count(part)

    async def using_model(self, actor: Principal, model_id: UUID) -> Sequence[Agent]:
        """Return agents with this model, by name, the first 20."""
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).using_model(model_id, _MAX_AGENTS_OF_MODEL)

    async def using_route(self, actor: Principal, route_id: UUID) -> Sequence[Agent]:
        """Return agents with this route, by name, the first 20."""
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).using_route(route_id, _MAX_AGENTS_OF_MODEL)

    async def used_names(self, actor: Principal, names: Sequence[str]) -> set[str]:
        """Return those of `names` that an agent of the tenant has, or a deleted one had."""
        async with self._db.read(actor.tenant_id) as session:
            return await AgentRepository(session, actor.tenant_id).used_names(names)

    def builtin_tools(self, agent: Agent) -> tuple[OfferedTool, ...] | None:
        """Return an agent's tools when all of them are built in; None when providers have to be asked."""
        return self._tools.builtin(agent.tool_names)

    async def offered_tools(self, actor: Principal, agent: Agent) -> tuple[OfferedTool, ...]:
        """Return the tools that a run of the agent receives, without those that no longer exist.

        Call it outside of transactions: providers of tools open their own.

        Raises:
            UnavailableError: A source of tools does not answer.
        """
        return await self._tools.offer(actor, agent.id, agent.tool_names)

    async def _lock(
        self, session: AsyncSession, actor: Principal, agent_id: UUID, expected_version: int | None
    ) -> Agent:
        row = await AgentRepository(session, actor.tenant_id).get(agent_id, lock=True)
        if row is None:
            raise AgentNotFoundError(agent_id)
        if expected_version is not None and row.version != expected_version:
            raise AgentChangedError(agent_id, expected=expected_version, current=row.version)
        return row


async def _require_chat(session: AsyncSession, agent: Agent) -> None:
    if agent.model_id is not None:
        await require_model(session, agent.tenant_id, agent.model_id, ModelKind.CHAT)
    if agent.route_id is not None:
        await route_within(session, agent.tenant_id, agent.route_id, ModelKind.CHAT)


async def _require_bases(session: AsyncSession, actor: Principal, base_ids: Sequence[UUID]) -> None:
    """Check that the caller may read all bases that an agent searches."""
    if not base_ids:
        return
    ids = await readable_base_ids(session, actor, base_ids)
    for index, base_id in enumerate(base_ids):
        if base_id not in ids:
            raise UnknownKnowledgeBaseError(base_id, index)


def _violations(name: object, model_id: object, route_id: object) -> dict[str, DomainError]:
    errors: dict[str, DomainError] = {"uq_agent_name": AgentNameTakenError(str(name))}
    if isinstance(model_id, UUID):
        errors["fk_agent_tenant_id_model_id"] = ChatModelNotFoundError(model_id)
    if isinstance(route_id, UUID):
        errors["fk_agent_tenant_id_route_id"] = RouteNotFoundError(route_id)
    return errors
