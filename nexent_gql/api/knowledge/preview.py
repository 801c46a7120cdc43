"""Previews of chunks."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.inputs import (
    ChunkingInput,
    DocumentFileInput,
    DocumentTextInput,
    DocumentUrlInput,
    document_source,
)
from nexent_gql.api.knowledge.passages import Passage
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge import chunking, preview
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.policy import DocumentSource
from nexent_gql.domains.knowledge.preview import MAX_PREVIEW_CHUNKS
from nexent_gql.kernel.errors import InvalidInputError

_DEFAULT_CHUNKS = 20


@strawberry.input(description="What to cut. Set exactly one field.", one_of=True)
class PreviewSourceInput:
    document_id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        default=None, description="ID of a Document whose text has been read. This is the fastest."
    )
    file: strawberry.Maybe[DocumentFileInput] = strawberry.field(default=None, description="A file.")
    url: strawberry.Maybe[DocumentUrlInput] = strawberry.field(default=None, description="A page or file of the web.")
    text: strawberry.Maybe[DocumentTextInput] = strawberry.field(default=None, description="A text.")

    def source(self) -> DocumentSource | UUID:
        """Return what the service takes.

        Raises:
            InvalidIdError: An id is none of the type.
        """
        if self.document_id is not None:
            return node_id(self.document_id.value, "Document", "documentId")
        return document_source(self.file, self.url, self.text)


@strawberry.input(description="What `previewChunks` cuts, and how.")
class PreviewChunksInput:
    source: PreviewSourceInput = strawberry.field(description="What to cut.")
    chunking: ChunkingInput | None = strawberry.field(default=None, description="How to cut. Null means the defaults.")
    first: int | None = strawberry.field(
        default=_DEFAULT_CHUNKS,
        description=f"How many chunks to return, 1 to {MAX_PREVIEW_CHUNKS}. Default {_DEFAULT_CHUNKS}, also for null.",
    )

    @property
    def count(self) -> int:
        """The number of chunks to return.

        Raises:
            InvalidInputError: It is out of range.
        """
        count = _DEFAULT_CHUNKS if self.first is None else self.first
        if not 1 <= count <= MAX_PREVIEW_CHUNKS:
            message = f"Give 1 to {MAX_PREVIEW_CHUNKS}."
            raise InvalidInputError(message, path=("input", "first"), minimum=1, limit=MAX_PREVIEW_CHUNKS)
        return count


@strawberry.type(description="A chunk that is not stored. Offsets count characters of the document's text.")
class PreviewedChunk(Passage):
    parent_text: str | None = strawberry.field(
        description="Of PARENT_CHILD: the larger passage around it; null with other strategies."
    )

    @classmethod
    def of(cls, chunk: chunking.Chunk, text: str) -> Self:
        is_child = (chunk.parent_start, chunk.parent_end) != (chunk.start, chunk.end)
        return cls(
            text=text[chunk.start : chunk.end],
            start=chunk.start,
            end=chunk.end,
            headings=list(chunk.headings),
            unit_kind=chunk.unit_kind,
            unit_number=chunk.unit_number,
            unit_name=chunk.unit_name,
            attachment=chunk.attachment,
            parent_text=text[chunk.parent_start : chunk.parent_end] if is_child else None,
        )


@strawberry.type(description="How a document would be cut.")
class ChunkPreview:
    chunks: list[PreviewedChunk] = strawberry.field(description="The first chunks, in the order of the text.")
    total_count: int = strawberry.field(description="How many chunks there would be.")

    @classmethod
    def of(cls, result: preview.ChunkPreview) -> Self:
        return cls(chunks=[PreviewedChunk.of(chunk, result.text) for chunk in result.chunks], total_count=result.total)


@strawberry.type
class ChunkPreviewQueries:
    @strawberry.field(
        description="Cuts a document without storing anything. Files and pages of the web are read within 45 seconds, "
        "otherwise the code is PREVIEW_TIMED_OUT. A source without text gets the code that its document would have.",
        permission_classes=[SignedIn],
    )
    async def preview_chunks(
        self,
        info: Info,
        input: Annotated[PreviewChunksInput, strawberry.argument(description="What to cut, and how.")],
    ) -> ChunkPreview:
        options = input.chunking.options() if input.chunking else ChunkingOptions()
        service = info.context.services.chunk_previews
        return ChunkPreview.of(await service.preview(info.context.actor, input.source.source(), options, input.count))
