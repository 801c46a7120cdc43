"""Editing chunks by hand."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.mutations import ERRORS, WRITE
from nexent_gql.api.knowledge.types import DocumentChunk
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.editing import MAX_CHUNK_CHARS, MAX_KEYWORD_CHARS, MAX_KEYWORDS, ChunkPatch
from nexent_gql.kernel.patch import UNSET


@strawberry.input(description="Input of `updateDocumentChunk`. Omitted fields keep their values.")
class UpdateDocumentChunkInput:
    chunk_id: strawberry.ID = strawberry.field(description="ID of the DocumentChunk.")
    text: strawberry.Maybe[str | None] = strawberry.field(
        description=f"The passage, 1 to {MAX_CHUNK_CHARS:,} characters. Cannot be null."
    )
    keywords: strawberry.Maybe[list[str] | None] = strawberry.field(
        description=f"Further words by which the passage is found: at most {MAX_KEYWORDS}, of 1 to {MAX_KEYWORD_CHARS} "
        "characters each. Null means none."
    )
    is_enabled: strawberry.Maybe[bool | None] = strawberry.field(
        description="Whether searches find the passage. Null means true."
    )

    def patch(self) -> ChunkPatch:
        """Return what the service takes."""
        return ChunkPatch(
            text=(self.text.value or "") if self.text else UNSET,
            keywords=(self.keywords.value or ()) if self.keywords else UNSET,
            is_enabled=self.is_enabled.value is not False if self.is_enabled else UNSET,
        )


@strawberry.type
class ChunkMutations:
    @mutation(
        "Changes a passage of a document by hand. Searches show the change at once, and find the passage by its new "
        "words as soon as a worker has indexed it. Only this passage is embedded again while the vectors of the others "
        f"are cached. Replacing or reprocessing the document drops all changes. {WRITE}",
        payload={"chunk": "The passage after the change."},
        errors=ERRORS,
    )
    async def update_document_chunk(self, info: Info, input: UpdateDocumentChunkInput) -> DocumentChunk:
        key = node_id(input.chunk_id, "DocumentChunk", "chunkId")
        return DocumentChunk.of(await info.context.services.chunk_editor.update(info.context.actor, key, input.patch()))
