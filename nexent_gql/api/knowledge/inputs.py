"""What clients say about knowledge bases and documents."""

import strawberry

from nexent_gql.api.knowledge.attributes import ATTRIBUTES, DocumentAttributeInput, document_attributes
from nexent_gql.api.knowledge.embedding_inputs import EmbeddingTargetInput
from nexent_gql.api.knowledge.enums import ChunkStrategy, KnowledgeAccess, KnowledgePermission
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.policy import (
    MAX_CHILD_WORDS,
    MAX_CLIENT_ID_CHARS,
    MAX_DESCRIPTION_CHARS,
    MAX_DOCUMENT_NAME_CHARS,
    MAX_GROUPS,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    MAX_URL_CHARS,
    MAX_WORDS,
    MIN_CHILD_WORDS,
    MIN_WORDS,
    DocumentPatch,
    DocumentSource,
    GroupGrant,
    KnowledgeBaseDraft,
    KnowledgeBasePatch,
)
from nexent_gql.domains.knowledge.tables import EmbeddingChoice
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET

_DEFAULTS = ChunkingOptions()
_NAME = f"Display name. One line of 1 to {MAX_NAME_CHARS} characters."
_DESCRIPTION = f"What it is about. At most {MAX_DESCRIPTION_CHARS:,} characters. Null means empty."
_EMBEDDING_MODEL = (
    "ID of the embedding Model that compares meanings in this base; short for `embedding` with this id. Set at most "
    "one of them. Null means what `embedding` says."
)
_EMBEDDING = (
    "How its documents are compared by meaning. Null means TENANT_DEFAULT: the model that is the tenant's default when "
    "the base is created or, if there is none, the first that becomes it. `changeEmbeddingModel` changes it later."
)
_BASE_ID = "ID of the KnowledgeBase."
_DOCUMENT_ID = "ID of the Document."
CLIENT_ID = (
    f"Idempotency key that you choose, such as a UUID, 1 to {MAX_CLIENT_ID_CHARS} characters. A repeated call with the "
    "same key and {}. Null disables the check."
)
_DOCUMENT_NAME = f"Display name. One line of 1 to {MAX_DOCUMENT_NAME_CHARS} characters."


@strawberry.input(description="How documents are cut into chunks.")
class ChunkingInput:
    strategy: ChunkStrategy | None = strawberry.field(
        default=_DEFAULTS.strategy, description="Where documents are cut. Default STRUCTURE, also for null."
    )
    max_words: int | None = strawberry.field(
        default=_DEFAULTS.max_words,
        description=f"Most words of a chunk, {MIN_WORDS} to {MAX_WORDS:,}. Default {_DEFAULTS.max_words}, also for "
        "null.",
    )
    overlap_words: int | None = strawberry.field(
        default=_DEFAULTS.overlap_words,
        description="Of FIXED: how many words of a chunk the next one repeats, 0 to a quarter of `maxWords`. "
        f"Default {_DEFAULTS.overlap_words} or, if smaller, that quarter, also for null.",
    )
    child_words: int | None = strawberry.field(
        default=_DEFAULTS.child_words,
        description=f"Of PARENT_CHILD: most words of a small chunk, {MIN_CHILD_WORDS} to {MAX_CHILD_WORDS}. "
        f"Default {_DEFAULTS.child_words}, also for null.",
    )

    def options(self) -> ChunkingOptions:
        """Return what the service takes."""
        max_words = _DEFAULTS.max_words if self.max_words is None else self.max_words
        overlap = self.overlap_words
        if overlap is None or overlap == _DEFAULTS.overlap_words:
            overlap = max(min(_DEFAULTS.overlap_words, max_words // 4), 0)
        return ChunkingOptions(
            strategy=self.strategy or _DEFAULTS.strategy,
            max_words=max_words,
            overlap_words=overlap,
            child_words=_DEFAULTS.child_words if self.child_words is None else self.child_words,
        )


@strawberry.input(description="A group with which a knowledge base is shared.")
class KnowledgeBaseGroupInput:
    group_id: strawberry.ID = strawberry.field(description="ID of the Group.")
    permission: KnowledgePermission | None = strawberry.field(
        default=KnowledgePermission.READ, description="What its members can do. Default READ, also for null."
    )


_GROUPS = f"Groups whose members can use it, each once, at most {MAX_GROUPS}."


@strawberry.input(description="Input of `createKnowledgeBase`.")
class CreateKnowledgeBaseInput:
    name: str = strawberry.field(description=_NAME)
    description: str | None = strawberry.field(default=None, description=_DESCRIPTION)
    access: KnowledgeAccess | None = strawberry.field(
        default=KnowledgeAccess.PRIVATE,
        description="What all users of the tenant can do with it. Default PRIVATE, also for null.",
    )
    groups: list[KnowledgeBaseGroupInput] | None = strawberry.field(
        default=None, description=f"{_GROUPS} Null means none."
    )
    chunking: ChunkingInput | None = strawberry.field(
        default=None, description="How its documents are cut. Null means the defaults."
    )
    embedding_model_id: strawberry.ID | None = strawberry.field(default=None, description=_EMBEDDING_MODEL)
    embedding: EmbeddingTargetInput | None = strawberry.field(default=None, description=_EMBEDDING)

    def draft(self) -> KnowledgeBaseDraft:
        """Return what the service takes."""
        return KnowledgeBaseDraft(
            name=self.name,
            description=self.description,
            access=self.access or KnowledgeAccess.PRIVATE,
            chunking=self.chunking.options() if self.chunking else _DEFAULTS,
            embedding=_embedding(self.embedding_model_id, self.embedding),
            grants=_grants(self.groups),
        )


@strawberry.input(description="Input of `updateKnowledgeBase`. Omitted fields keep their values.")
class UpdateKnowledgeBaseInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be null.")
    description: strawberry.Maybe[str | None] = strawberry.field(description=_DESCRIPTION)
    access: strawberry.Maybe[KnowledgeAccess | None] = strawberry.field(
        description="What all users of the tenant can do with it. Null means PRIVATE."
    )
    groups: strawberry.Maybe[list[KnowledgeBaseGroupInput] | None] = strawberry.field(
        description=f"{_GROUPS} They replace the present ones. Null means none."
    )
    chunking: strawberry.Maybe[ChunkingInput | None] = strawberry.field(
        description="How documents are cut when they are processed next. Null means the defaults."
    )

    def patch(self) -> KnowledgeBasePatch:
        """Return what the service takes."""
        chunking = self.chunking.value.options() if self.chunking and self.chunking.value else _DEFAULTS
        return KnowledgeBasePatch(
            name=(self.name.value or "") if self.name else UNSET,
            description=self.description.value if self.description else UNSET,
            access=(self.access.value or KnowledgeAccess.PRIVATE) if self.access else UNSET,
            chunking=chunking if self.chunking else UNSET,
            grants=_grants(self.groups.value) if self.groups else UNSET,
        )


@strawberry.input(description="Input of `deleteKnowledgeBase`.")
class DeleteKnowledgeBaseInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)


@strawberry.input(description="A file that becomes a document.")
class DocumentFileInput:
    file_id: strawberry.ID = strawberry.field(description="ID of one of your Files.")
    name: str | None = strawberry.field(default=None, description=f"{_DOCUMENT_NAME} Null means the file's name.")


@strawberry.input(description="A text that becomes a document.")
class DocumentTextInput:
    content: str = strawberry.field(description=f"The text as Markdown, at most {MAX_TEXT_CHARS:,} characters.")
    name: str = strawberry.field(description=_DOCUMENT_NAME)


@strawberry.input(description="A page or file of the web that becomes a document.")
class DocumentUrlInput:
    url: str = strawberry.field(
        description=f"An http or https URL of at most {MAX_URL_CHARS:,} characters, which may redirect. It must be "
        "reachable without signing in, and not lie in a private network unless the administrator allows that."
    )
    name: str | None = strawberry.field(
        default=None, description=f"{_DOCUMENT_NAME} Null means the last part of the URL's path, or its host."
    )


def document_source(
    file: strawberry.Maybe[DocumentFileInput],
    url: strawberry.Maybe[DocumentUrlInput],
    text: strawberry.Maybe[DocumentTextInput],
) -> DocumentSource:
    """Return what the service takes; exactly one argument is set.

    Raises:
        InvalidIdError: `fileId` is no id of a file.
    """
    if file is not None:
        return DocumentSource(file_id=node_id(file.value.file_id, "File", "fileId"), name=file.value.name)
    if url is not None:
        return DocumentSource(url=url.value.url, name=url.value.name)
    content = text.value if text is not None else DocumentTextInput(content="", name="")
    return DocumentSource(text=content.content, name=content.name)


@strawberry.input(description="Where a document comes from. Set exactly one field.", one_of=True)
class DocumentSourceInput:
    file: strawberry.Maybe[DocumentFileInput] = strawberry.field(default=None, description="A file.")
    url: strawberry.Maybe[DocumentUrlInput] = strawberry.field(
        default=None, description="A page or file of the web. It is fetched each time the document is processed."
    )
    text: strawberry.Maybe[DocumentTextInput] = strawberry.field(default=None, description="A text.")

    def source(self) -> DocumentSource:
        """Return what the service takes.

        Raises:
            InvalidIdError: `fileId` is no id of a file.
        """
        return document_source(self.file, self.url, self.text)


@strawberry.input(description="Input of `addDocument`.")
class AddDocumentInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)
    source: DocumentSourceInput = strawberry.field(description="Where the document comes from.")
    client_id: str | None = strawberry.field(
        default=None,
        description=CLIENT_ID.format("source returns the same document"),
    )
    attributes: list[DocumentAttributeInput] | None = strawberry.field(
        default=None, description=f"{ATTRIBUTES} Null means none."
    )


@strawberry.input(description="Input of `updateDocument`. Omitted fields keep their values.")
class UpdateDocumentInput:
    document_id: strawberry.ID = strawberry.field(description=_DOCUMENT_ID)
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_DOCUMENT_NAME} Cannot be null.")
    attributes: strawberry.Maybe[list[DocumentAttributeInput] | None] = strawberry.field(
        description=f"{ATTRIBUTES} They replace the present ones. Null means none."
    )

    def patch(self) -> DocumentPatch:
        """Return what the service takes."""
        return DocumentPatch(
            name=(self.name.value or "") if self.name else UNSET,
            attributes=document_attributes(self.attributes.value) if self.attributes else UNSET,
        )


@strawberry.input(description="Input of `replaceDocument`.")
class ReplaceDocumentInput:
    document_id: strawberry.ID = strawberry.field(description=_DOCUMENT_ID)
    source: DocumentSourceInput = strawberry.field(description="Where the new content comes from.")


@strawberry.input(description="Input of `reprocessDocument`.")
class ReprocessDocumentInput:
    document_id: strawberry.ID = strawberry.field(description=_DOCUMENT_ID)


@strawberry.input(description="Input of `cancelDocument`.")
class CancelDocumentInput:
    document_id: strawberry.ID = strawberry.field(description=_DOCUMENT_ID)


@strawberry.input(description="Input of `deleteDocument`.")
class DeleteDocumentInput:
    document_id: strawberry.ID = strawberry.field(description=_DOCUMENT_ID)


def _embedding(model_id: strawberry.ID | None, target: EmbeddingTargetInput | None) -> EmbeddingChoice:
    if target is None:
        return EmbeddingChoice(None if model_id is None else node_id(model_id, "Model", "embeddingModelId"))
    if model_id is not None:
        raise InvalidInputError("Set either `embedding` or `embeddingModelId`.", path=("embedding",))
    return target.choice("embedding")


def _grants(groups: list[KnowledgeBaseGroupInput] | None) -> tuple[GroupGrant, ...]:
    return tuple(
        GroupGrant(node_id(group.group_id, "Group", "groups", "groupId"), group.permission or KnowledgePermission.READ)
        for group in groups or ()
    )
