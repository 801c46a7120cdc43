"""Validation of knowledge bases and sources of documents."""

from dataclasses import dataclass, field
from uuid import UUID

from nexent_gql.domains.knowledge.attributes import DocumentAttribute
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeAccess, KnowledgeBase, KnowledgePermission
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET, Unset, set_or
from nexent_gql.kernel.text import optional_text, single_line
from nexent_gql.kernel.urls import web_url_problem

MAX_NAME_CHARS = 100
MAX_DESCRIPTION_CHARS = 2_000
MAX_DOCUMENT_NAME_CHARS = 255
MAX_TEXT_CHARS = 1_000_000
MAX_CLIENT_ID_CHARS = 100
MAX_URL_CHARS = 2_000
MIN_WORDS, MAX_WORDS = 20, 2_000
MIN_CHILD_WORDS, MAX_CHILD_WORDS = 10, 500
MAX_GROUPS = 50


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """What the members of a group can do with a base."""

    group_id: UUID
    permission: KnowledgePermission = KnowledgePermission.READ


@dataclass(frozen=True, slots=True)
class KnowledgeBaseDraft:
    """A whole base; `embedding` is used when it is created, and changed by `EmbeddingModelChangeService` only."""

    name: str
    description: str | None = None
    access: KnowledgeAccess = KnowledgeAccess.PRIVATE
    chunking: ChunkingOptions = field(default_factory=ChunkingOptions)
    embedding: EmbeddingChoice = field(default_factory=EmbeddingChoice)
    grants: tuple[GroupGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class KnowledgeBasePatch:
    """What to change. Documents are cut by the present options when they are processed next."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    access: KnowledgeAccess | Unset = UNSET
    chunking: ChunkingOptions | Unset = UNSET
    grants: tuple[GroupGrant, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a document comes from: exactly one of `file_id`, `url` and `text`; `name` is needed with a text."""

    file_id: UUID | None = None
    url: str | None = None
    text: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentPatch:
    """What to change of a document."""

    name: str | Unset = UNSET
    attributes: tuple[DocumentAttribute, ...] | Unset = UNSET


def apply_draft(row: KnowledgeBase, draft: KnowledgeBaseDraft) -> None:
    """Validate `draft` and copy it to a row, except grants and embedding model.

    Raises:
        InvalidInputError: A field breaks a rule; the error names it.
    """
    row.description = optional_text(draft.description, "description", max_chars=MAX_DESCRIPTION_CHARS) or ""
    row.name = single_line(draft.name, "name", max_chars=MAX_NAME_CHARS)
    row.access = draft.access
    options = check_chunking(draft.chunking)
    row.strategy, row.max_words = options.strategy, options.max_words
    row.overlap_words, row.child_words = options.overlap_words, options.child_words


def merge_patch(row: KnowledgeBase, patch: KnowledgeBasePatch) -> KnowledgeBaseDraft:
    """Return the base with `patch` applied, not validated."""
    return KnowledgeBaseDraft(
        name=set_or(patch.name, row.name),
        description=set_or(patch.description, row.description),
        access=set_or(patch.access, KnowledgeAccess(row.access)),
        chunking=set_or(patch.chunking, row.chunking),
        embedding=row.embedding,
    )


def check_grants(grants: tuple[GroupGrant, ...]) -> tuple[GroupGrant, ...]:
    """Return the grants.

    Raises:
        InvalidInputError: There are too many, or two for one group.
    """
    if len(grants) > MAX_GROUPS:
        raise InvalidInputError(f"Give at most {MAX_GROUPS} groups.", path=("groups",), limit=MAX_GROUPS)
    if len({grant.group_id for grant in grants}) < len(grants):
        raise InvalidInputError("Name each group once.", path=("groups",))
    return grants


def check_chunking(options: ChunkingOptions) -> ChunkingOptions:
    """Return the options.

    Raises:
        InvalidInputError: A number is out of range.
    """
    for name, value, least, most in (
        ("maxWords", options.max_words, MIN_WORDS, MAX_WORDS),
        ("overlapWords", options.overlap_words, 0, options.max_words // 4),
        ("childWords", options.child_words, MIN_CHILD_WORDS, MAX_CHILD_WORDS),
    ):
        if not least <= value <= most:
            path = ("chunking", name)
            raise InvalidInputError(f"Give {least:,} to {most:,} words.", path=path, minimum=least, limit=most)
    return options


def check_url(source: DocumentSource, url: str) -> tuple[str, str | None]:
    """Return address and name of a source that has an address; the fragment is cut off.

    Raises:
        InvalidInputError: The address is not one of the web or too long, or the name breaks a rule.
    """
    address = single_line(url, "source", "url", "url", max_chars=MAX_URL_CHARS).partition("#")[0]
    page, _, query = address.partition("?")
    problem = web_url_problem(page)
    if problem is None and not (query.isascii() and query.isprintable() and " " not in query):
        problem = "The URL's query must be printable ASCII without spaces."
    if problem is not None:
        raise InvalidInputError(problem, path=("source", "url", "url"))
    name = source.name
    return address, single_line(name, "source", "url", "name", max_chars=MAX_DOCUMENT_NAME_CHARS) if name else None


def check_text(source: DocumentSource) -> tuple[str, str]:
    """Return text and name of a source that has a text.

    Raises:
        InvalidInputError: The text is blank or too long, or the name breaks a rule.
    """
    content = optional_text(source.text, "source", "text", "content", max_chars=MAX_TEXT_CHARS)
    if not content:
        raise InvalidInputError("Give some text.", path=("source", "text", "content"))
    return content, single_line(source.name or "", "source", "text", "name", max_chars=MAX_DOCUMENT_NAME_CHARS)
