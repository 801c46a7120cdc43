"""The tool `knowledge_search`, which agents with knowledge bases have."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from pydantic import Field

from nexent_gql.domains.knowledge.conditions import ConditionField, DocumentCondition, MetadataFilter
from nexent_gql.domains.knowledge.documents import DocumentService
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.searching import (
    MAX_QUESTION_CHARS,
    KnowledgeSearch,
    KnowledgeSearchService,
    ScoredPassage,
)
from nexent_gql.domains.knowledge.service import KnowledgeBaseService
from nexent_gql.domains.knowledge.tables import Chunk, DocumentRow
from nexent_gql.kernel.errors import InvalidInputError, UnavailableError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.content import CitationPart
from nexent_gql.ports.extraction import UnitKind
from nexent_gql.ports.tools import OfferedTool, Tool, ToolCallContext, ToolDefinition, ToolResult
from nexent_gql.toolkit import READ_ONLY, Arguments, ToolFailure, TypedTool, UnlistedTools

PROVIDER = "knowledge"
KNOWLEDGE_SEARCH = "knowledge_search"
DEFAULT_PASSAGES = 8
MAX_PASSAGES = 20
MAX_PASSAGE_CHARS = 6_000
_DESCRIPTION = (
    "Searches the knowledge bases of this assistant by words and meaning, and returns numbered passages. Use it for "
    "every question that its documents may answer, even if you believe that you know the answer. If nothing fits, "
    "search again with other words."
)
_BASES = "knowledge_base_ids"


class AttributeArguments(Arguments):
    """A condition on an attribute."""

    key: str = Field(description="Key of the attribute, such as tags.")
    values: list[str] = Field(description="The document has one of these values.")


class FilterArguments(Arguments):
    """Conditions on the metadata of documents."""

    media_types: list[str] | None = Field(default=None, description="Media types such as application/pdf.")
    languages: list[str] | None = Field(default=None, description="Languages such as en.")
    authors: list[str] | None = Field(default=None, description="Names of authors.")
    title_contains: str | None = Field(default=None, description="Part of the title.")
    attributes: list[AttributeArguments] | None = Field(default=None, description="Conditions on attributes.")
    authored_from: datetime | None = Field(default=None, description="Written at this time or later, ISO 8601.")
    authored_before: datetime | None = Field(default=None, description="Written before this time, ISO 8601.")
    created_from: datetime | None = Field(default=None, description="Added at this time or later, ISO 8601.")
    created_before: datetime | None = Field(default=None, description="Added before this time, ISO 8601.")

    def metadata(self) -> MetadataFilter:
        """Return what the service takes."""
        conditions = [
            DocumentCondition(field, tuple(values))
            for field, values in (
                (ConditionField.MEDIA_TYPES, self.media_types),
                (ConditionField.LANGUAGES, self.languages),
                (ConditionField.AUTHORS, self.authors),
                (ConditionField.TITLE_CONTAINS, [self.title_contains] if self.title_contains else None),
            )
            if values
        ]
        conditions += [
            DocumentCondition(ConditionField.ATTRIBUTE, tuple(item.values), item.key) for item in self.attributes or ()
        ]
        conditions += [
            DocumentCondition(field, start=start, before=before)
            for field, start, before in (
                (ConditionField.AUTHORED, self.authored_from, self.authored_before),
                (ConditionField.CREATED, self.created_from, self.created_before),
            )
            if start or before
        ]
        return MetadataFilter(tuple(conditions))


class KnowledgeSearchArguments(Arguments):
    """Arguments of `knowledge_search`."""

    query: str = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="A whole question or its important words, in the language of the documents if you know it.",
    )
    max_passages: int = Field(
        default=DEFAULT_PASSAGES, ge=1, le=MAX_PASSAGES, description=f"The most passages, 1 to {MAX_PASSAGES}."
    )
    filter: FilterArguments | None = Field(
        default=None,
        description="Only documents that match all of these. Leave it out unless the user limits the question to "
        "certain documents.",
    )
    expand_graph: bool = Field(
        default=False,
        description="Whether to find passages too that name what the knowledge graphs of the bases relate to the "
        "question. Useful for questions about how people, organizations or things are connected.",
    )


class KnowledgeTools(UnlistedTools):
    """Implements `ToolProvider`. Agents with knowledge bases have the tool; its binding names the bases."""

    name = PROVIDER

    def __init__(
        self, bases: KnowledgeBaseService, documents: DocumentService, searches: KnowledgeSearchService
    ) -> None:
        self._bases = bases
        self._documents = documents
        self._searches = searches

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        del context
        if definition.name != KNOWLEDGE_SEARCH:
            return None
        base_ids = [UUID(id_) for id_ in cast("list[str]", definition.binding.get(_BASES) or [])]

        async def run(arguments: KnowledgeSearchArguments, context: ToolCallContext) -> ToolResult:
            return await self._search(base_ids, arguments, context)

        return TypedTool(KNOWLEDGE_SEARCH, definition.description, KnowledgeSearchArguments, run)

    async def _search(
        self, base_ids: Sequence[UUID], arguments: KnowledgeSearchArguments, context: ToolCallContext
    ) -> ToolResult:
        """Search those bases that the user may read now."""
        actor = Principal(tenant_id=context.tenant_id, user_id=context.user_id, role=Role.MEMBER)
        readable = {base.id for base in await self._bases.get_many(actor, base_ids)}
        if not readable:
            raise ToolFailure("The user can read none of the knowledge bases of this assistant; say so.")
        search = KnowledgeSearch(
            arguments.query,
            tuple(id_ for id_ in base_ids if id_ in readable),
            top_k=arguments.max_passages,
            metadata=arguments.filter.metadata() if arguments.filter else MetadataFilter(),
            is_graph_expanded=arguments.expand_graph,
        )
        try:
            answer = await self._searches.search(actor, search)
        except InvalidInputError as error:
            raise ToolFailure(f"{'.'.join(error.path)}: {error.message}") from error
        except (KnowledgeBaseNotFoundError, UnavailableError) as error:
            message = f"The knowledge bases can't be searched now: {error.message}"
            raise ToolFailure(message) from error
        sources = await self._sources(actor, answer.passages)
        if not sources and answer.matching_count == 0:
            return ToolResult("No document matches the filter. Search again without it, or with other conditions.")
        if not sources:
            return ToolResult("No passage matches. Search with other words, or say that you found nothing.")
        count = "1 passage." if len(sources) == 1 else f"{len(sources)} passages, the best first."
        return ToolResult(count, sources=sources)

    async def _sources(self, actor: Principal, passages: Sequence[ScoredPassage]) -> tuple[CitationPart, ...]:
        """Return passages of versions that are still current, with what is known of their documents."""
        ids = list({passage.chunk.document_id for passage in passages})
        rows = {row.document.id: row for row in await self._documents.get_many(actor, ids)}
        return tuple(
            _source(passage.chunk, row)
            for passage in passages
            if (row := rows.get(passage.chunk.document_id)) is not None
            and row.document.current_version_id == passage.chunk.version_id
        )


def knowledge_search_tool(base_ids: Sequence[UUID]) -> OfferedTool:
    """Return the tool of an agent with these bases, as a run stores it."""
    tool = TypedTool(
        KNOWLEDGE_SEARCH,
        _DESCRIPTION,
        KnowledgeSearchArguments,
        _unbound,
        annotations=READ_ONLY,
        binding={_BASES: [str(id_) for id_ in base_ids]},
    )
    return OfferedTool(KNOWLEDGE_SEARCH, PROVIDER, tool.definition)


async def _unbound(_arguments: KnowledgeSearchArguments, _context: ToolCallContext) -> ToolResult:
    raise ToolFailure("The tool belongs to no agent.")


def _source(chunk: Chunk, row: DocumentRow) -> CitationPart:
    text = chunk.content if chunk.table_header is None else f"{chunk.table_header}\n{chunk.content}"
    name, unit = row.document.name, chunk.unit_kind
    return CitationPart(
        label="",
        title=name if chunk.attachment is None else f"{name}: {chunk.attachment}",
        quote=text[:MAX_PASSAGE_CHARS],
        document_id=chunk.document_id,
        document_version=row.current_number,
        start=chunk.start_offset,
        end=chunk.end_offset,
        page=chunk.unit_number if unit == UnitKind.PAGE else None,
        slide=chunk.unit_number if unit == UnitKind.SLIDE else None,
        sheet=chunk.unit_name if unit == UnitKind.SHEET else None,
        heading=" > ".join(chunk.headings) or None,
    )
