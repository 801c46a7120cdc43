"""Use cases of knowledge graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import graph_changed
from nexent_gql.domains.knowledge.graph_building import MAX_BATCH_PASSAGES
from nexent_gql.domains.knowledge.graph_facts import MAX_NAME_CHARS, name_key
from nexent_gql.domains.knowledge.graph_prompts import PROMPT_TOKENS
from nexent_gql.domains.knowledge.graph_repository import GraphCounts, GraphRepository
from nexent_gql.domains.knowledge.graph_requests import enqueue_reading
from nexent_gql.domains.knowledge.graph_tables import KnowledgeGraph
from nexent_gql.domains.knowledge.graph_views import MAX_DEPTH, MAX_ENTITIES, GraphReader, GraphView
from nexent_gql.domains.knowledge.jobs import PurgeDocuments, graph_lane
from nexent_gql.domains.knowledge.service import readable_base, writable_base
from nexent_gql.domains.knowledge.tables import KnowledgeBase
from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.jobs.enqueue import cancel_lane, enqueue
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import single_line
from nexent_gql.ports.llm import ModelKind, Usage

OUTPUT_TOKENS = 300
"""About how many tokens the model writes of a passage."""
_BYTES_PER_TOKEN = 4


class GraphState(StrEnum):
    """Whether all passages of a base were read."""

    BUILDING = "BUILDING"
    READY = "READY"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class GraphStatus:
    """A graph, and how far the passages of its base were read."""

    graph: KnowledgeGraph
    counts: GraphCounts

    @property
    def state(self) -> GraphState:
        """READY only if no passage is left."""
        return graph_state(self.graph.code, self.counts)


@dataclass(frozen=True, slots=True)
class GraphEstimate:
    """What it takes to read the passages of a base that were not read."""

    model: ChatModel
    passages: int
    calls: int
    usage: Usage


def graph_state(code: str | None, counts: GraphCounts) -> GraphState:
    """Return the state of a graph whose reading stopped for a reason, or goes on."""
    if code is not None:
        return GraphState.STOPPED
    return GraphState.READY if counts.done == counts.total else GraphState.BUILDING


class KnowledgeGraphService:
    """Estimates, builds, deletes and shows the graphs of bases that the caller may read."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def estimate(self, actor: Principal, base_id: UUID, model_id: UUID | None) -> GraphEstimate:
        """Return what `build` with a model would take; changes nothing.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: The model is no CHAT model.
            NoDefaultModelError: The tenant has no CHAT model.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            model = await require_model(session, actor.tenant_id, model_id, ModelKind.CHAT)
            counts = await GraphRepository(session, actor.tenant_id).counts([base_id])
        base = counts.get(base_id, GraphCounts())
        passages = base.total - base.done
        calls = -(-passages // MAX_BATCH_PASSAGES)
        usage = Usage(
            input_tokens=calls * PROMPT_TOKENS - (-base.unread_bytes // _BYTES_PER_TOKEN),
            output_tokens=passages * OUTPUT_TOKENS,
        )
        return GraphEstimate(model, passages, calls, usage)

    async def build(self, actor: Principal, base_id: UUID, model_id: UUID | None) -> GraphStatus:
        """Let a base have a graph, or go on with the one that it has, from now on with this model.

        Passages are read once; those whose answer could not be used are read again.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: The model is no CHAT model.
            NoDefaultModelError: The tenant has no CHAT model.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await writable_base(session, actor, base_id)
            await require_model(session, actor.tenant_id, model_id, ModelKind.CHAT)
            repository = GraphRepository(session, actor.tenant_id)
            graph = await repository.of_base(base_id, lock=True)
            if graph is None:
                graph = KnowledgeGraph(
                    tenant_id=actor.tenant_id,
                    knowledge_base_id=base_id,
                    requested_by=actor.user_id,
                    created_at=self._clock(),
                )
                repository.add(graph)
            graph.requested_by, graph.model_id = actor.user_id, model_id
            graph.code = graph.message = None
            await session.flush()
            await repository.delete_failed(graph.id)
            await enqueue_reading(session, graph)
            counts = (await repository.counts([base_id])).get(base_id, GraphCounts())
            await record_events(session, base, self._clock(), graph_changed(graph, counts))
        return GraphStatus(graph, counts)

    async def delete(self, actor: Principal, base_id: UUID) -> KnowledgeBase:
        """Delete the graph of a base; without one, nothing happens. Returns the base.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await writable_base(session, actor, base_id)
            graph = await GraphRepository(session, actor.tenant_id).of_base(base_id, lock=True)
            if graph is None:
                return base
            graph.deleted_at = self._clock()
            await cancel_lane(session, graph_lane(base_id))
            await enqueue(session, actor.tenant_id, PurgeDocuments(knowledge_base_id=base_id, request_id=new_id()))
            await record_events(session, base, self._clock(), graph_changed(graph, None))
        return base

    async def of_bases(self, actor: Principal, base_ids: Sequence[UUID]) -> Mapping[UUID, GraphStatus]:
        """Return the graphs of those of the bases that the caller may read."""
        async with self._db.read(actor.tenant_id) as session:
            repository = GraphRepository(session, actor.tenant_id)
            graphs = await repository.readable(actor.user_id, base_ids)
            counts = await repository.counts([graph.knowledge_base_id for graph in graphs])
        return {
            graph.knowledge_base_id: GraphStatus(graph, counts.get(graph.knowledge_base_id, GraphCounts()))
            for graph in graphs
        }

    async def view(self, actor: Principal, base_id: UUID, entity: str | None, depth: int) -> GraphView | None:
        """Return what is around an entity, or the entities that most passages name; None for a base without a graph.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            InvalidInputError: The name is too long, or the depth out of range.
        """
        name = None if entity is None else single_line(entity, "entity", max_chars=MAX_NAME_CHARS)
        if not 0 <= depth <= MAX_DEPTH:
            raise InvalidInputError(f"Give 0 to {MAX_DEPTH}.", path=("depth",), minimum=0, limit=MAX_DEPTH)
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            graph = await GraphRepository(session, actor.tenant_id).of_base(base_id)
            if graph is None:
                return None
            reader = GraphReader(session, actor.tenant_id, [graph.id])
            return await (reader.largest(MAX_ENTITIES) if name is None else reader.around(name_key(name), depth))
