"""Entities of knowledge graphs, and how passages relate them."""

from collections.abc import Sequence
from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.nodes import chunk_by_id
from nexent_gql.api.knowledge.types import DocumentChunk
from nexent_gql.domains.knowledge import graph_views
from nexent_gql.domains.knowledge.graph_facts import MAX_KIND_CHARS, MAX_LABEL_CHARS
from nexent_gql.domains.knowledge.graph_views import MAX_ENTITIES, MAX_PASSAGES, MAX_RELATIONS


@strawberry.type(
    description="A person, organization, place, product, event or term that passages name. The same name in several "
    "documents is one entity."
)
class GraphEntity:
    name: str = strawberry.field(description="The name that most passages have.")
    kind: str = strawberry.field(
        description=f"What it is, such as `company`, at most {MAX_KIND_CHARS} characters; may be empty."
    )
    aliases: list[str] = strawberry.field(description="Its other names and spellings.")
    passage_count: int = strawberry.field(description="Number of passages that name it.")
    chunk_ids: strawberry.Private[Sequence[UUID]]

    @strawberry.field(
        description=f"The first passages that name it, in the order of documents, at most {MAX_PASSAGES}."
    )
    async def passages(self, info: Info) -> list[DocumentChunk]:
        return await _passages(info, self.chunk_ids)


@strawberry.type(description="How passages relate two entities.")
class GraphRelation:
    source: GraphEntity = strawberry.field(description="The entity that the statement is about.")
    target: GraphEntity = strawberry.field(description="The other entity.")
    label: str = strawberry.field(
        description=f"What connects them, from source to target, such as `bought`; at most {MAX_LABEL_CHARS} "
        "characters in the language of the passage."
    )
    passage_count: int = strawberry.field(description="Number of passages that say so.")
    chunk_ids: strawberry.Private[Sequence[UUID]]

    @strawberry.field(description=f"The first passages that say so, in the order of documents, at most {MAX_PASSAGES}.")
    async def passages(self, info: Info) -> list[DocumentChunk]:
        return await _passages(info, self.chunk_ids)


@strawberry.type(description="A part of a knowledge graph. Every entity and relation comes from passages you can read.")
class GraphView:
    entities: list[GraphEntity] = strawberry.field(
        description=f"Entities, those that most passages name first, at most {MAX_ENTITIES}."
    )
    relations: list[GraphRelation] = strawberry.field(
        description=f"Relations among them, those of most passages first, at most {MAX_RELATIONS}."
    )
    is_truncated: bool = strawberry.field(description="Whether entities or relations were left out.")

    @classmethod
    def of(cls, view: graph_views.GraphView) -> Self:
        entities = {
            it.key: GraphEntity(
                name=it.name,
                kind=it.kind,
                aliases=list(it.aliases),
                passage_count=it.passage_count,
                chunk_ids=it.chunk_ids,
            )
            for it in view.entities
        }
        relations = [
            GraphRelation(
                source=entities[it.source],
                target=entities[it.target],
                label=it.label,
                passage_count=it.passage_count,
                chunk_ids=it.chunk_ids,
            )
            for it in view.relations
        ]
        return cls(entities=list(entities.values()), relations=relations, is_truncated=view.is_cut)


async def _passages(info: Info, ids: Sequence[UUID]) -> list[DocumentChunk]:
    chunks = await info.context.loaders[chunk_by_id].load_many(ids)
    return [chunk for chunk in chunks if chunk]
