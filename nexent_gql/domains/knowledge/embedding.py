"""Vectors of passages and questions, by the tenant's default embedding model."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.models.errors import NoDefaultModelError
from nexent_gql.domains.models.service import ModelService
from nexent_gql.ports.embeddings import Embedder, EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, ModelKind

_BATCH = 256
_MAX_CHARS = 30_000


@dataclass(frozen=True, slots=True)
class SpaceVectors:
    """Vectors of one embedding model, whose name is `space`."""

    space: str
    vectors: Sequence[Vector]


class KnowledgeEmbedder:
    """Embeds on the account of a user.

    Args:
        db: Where the models are.
        models: Says which model is the default.
        embedder: Calls it.
    """

    def __init__(self, db: Database, models: ModelService, embedder: Embedder) -> None:
        self._db = db
        self._models = models
        self._embedder = embedder

    async def embed_passages(self, tenant_id: UUID, user_id: UUID, texts: Sequence[str]) -> SpaceVectors | None:
        """Return a vector for each text, whose ends are ignored beyond 30,000 characters; None without a model.

        Raises:
            ModelError: The model failed.
            QuotaExceededError: A budget is exhausted.
        """
        attribution = CallAttribution(tenant_id, user_id, "INGESTION")
        return await self._embed(attribution, texts, EmbeddingPurpose.PASSAGE)

    async def embed_question(self, tenant_id: UUID, user_id: UUID, question: str) -> SpaceVectors | None:
        """Return the vector of a question; see `embed_passages`."""
        attribution = CallAttribution(tenant_id, user_id, "SEARCH")
        return await self._embed(attribution, [question], EmbeddingPurpose.QUERY)

    async def _embed(
        self, attribution: CallAttribution, texts: Sequence[str], purpose: EmbeddingPurpose
    ) -> SpaceVectors | None:
        endpoint = await self._endpoint(attribution.tenant_id)
        if endpoint is None:
            return None
        vectors: list[Vector] = []
        for start in range(0, len(texts), _BATCH):
            batch = tuple(text[:_MAX_CHARS] for text in texts[start : start + _BATCH])
            vectors += (await self._embedder.embed(endpoint, EmbeddingRequest(batch, purpose, attribution))).vectors
        return SpaceVectors(f"{endpoint.dialect}:{endpoint.model}", vectors)

    async def _endpoint(self, tenant_id: UUID) -> ModelEndpoint | None:
        async with self._db.read(tenant_id) as session:
            try:
                return await self._models.endpoint(session, tenant_id, None, ModelKind.EMBEDDING)
            except NoDefaultModelError:
                return None
