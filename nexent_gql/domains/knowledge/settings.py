"""Settings of knowledge bases."""

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection

_MIB = 1024 * 1024


class KnowledgeSettings(SettingsSection):
    """Knowledge bases."""

    events_retention_s: int = Field(
        default=604_800,
        ge=3_600,
        description="Seconds after which events of a knowledge base are deleted, except the last one.",
    )
    page_bytes: int = Field(
        default=50 * _MIB, ge=1, description="Bytes of a web page that becomes a document. More is not fetched."
    )
    bases_per_tenant: int = Field(default=1_000, ge=1, description="Knowledge bases of a tenant.")
    documents_per_base: int = Field(default=20_000, ge=1, description="Documents of a knowledge base, in every state.")
    chunks_per_document: int = Field(
        default=50_000,
        ge=1,
        le=50_000,
        description="Chunks of a document. One with more is FAILED with LIMIT_EXCEEDED.",
    )
    filtered_documents: int = Field(
        default=10_000,
        ge=1,
        le=50_000,
        description="Documents that the conditions of a search's filter may allow. With more, the search is refused.",
    )
    search_cache_bytes: int = Field(
        default=10 * _MIB,
        ge=0,
        description="Bytes of search results that Redis caches for each tenant. 0 turns the cache off.",
    )
    search_cache_ttl_s: int = Field(
        default=600, ge=1, le=86_400, description="Seconds for which a search result is cached."
    )
    model_revert_s: int = Field(
        default=7 * 86_400,
        ge=60,
        le=365 * 86_400,
        description="Seconds within which a change of the embedding model of a knowledge base can be reverted. The "
        "search index from before is deleted after that.",
    )
