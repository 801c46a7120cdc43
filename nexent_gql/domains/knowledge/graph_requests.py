"""Asks for passages to be read for a knowledge graph, in the transaction that lets searches find them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.knowledge.graph_repository import GraphRepository
from nexent_gql.domains.knowledge.graph_tables import KnowledgeGraph
from nexent_gql.domains.knowledge.jobs import ExtendKnowledgeGraph
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.kernel.ids import new_id


async def request_reading(session: AsyncSession, tenant_id: UUID, base_id: UUID) -> None:
    """Let a job read what the graph of a base lacks; a base without a graph is left alone."""
    graph = await GraphRepository(session, tenant_id).of_base(base_id, lock=True)
    if graph is not None:
        await enqueue_reading(session, graph)


async def enqueue_reading(session: AsyncSession, graph: KnowledgeGraph) -> None:
    """Enqueue a job for a graph that is locked, unless one waits that has not begun.

    A job locks the graph when it begins, so that it sees what this transaction commits.
    """
    if graph.job_id is not None:
        query = select(col(Job.id)).where(
            col(Job.tenant_id) == graph.tenant_id, col(Job.id) == graph.job_id, col(Job.state) == JobState.QUEUED
        )
        if (await session.scalars(query)).one_or_none() is not None:
            return
    work = ExtendKnowledgeGraph(knowledge_base_id=graph.knowledge_base_id, request_id=new_id())
    graph.job_id = await enqueue(session, graph.tenant_id, work, user_id=graph.requested_by)
