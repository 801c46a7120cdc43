"""Vectors of passages and questions, by the embedding model of a base."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.tables import EmbeddingChoice
from nexent_gql.domains.models.errors import ChatModelNotFoundError, RouteNotFoundError
from nexent_gql.domains.models.open_routes import RouteChoice, open_choice
from nexent_gql.domains.models.service import ModelService
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.embeddings import Embedder, EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import CallAttribution, ModelKind
from nexent_gql.ports.llm_routes import ModelRoute

_BATCH = 256
_MAX_CHARS = 30_000


@dataclass(frozen=True, slots=True)
class QuestionVectors:
    """A question's vector by space, and why others are missing.

    Attributes:
        by_space: Empty where no base has an embedding model, or all of them failed.
        error: Why a model failed.
    """

    by_space: dict[str, Vector]
    error: DomainError | None = None


class KnowledgeEmbedder:
    """Embeds on the account of a user.

    Args:
        db: Where the models are.
        models: Says how to reach a model.
        embedder: Calls it.
    """

    def __init__(self, db: Database, models: ModelService, embedder: Embedder) -> None:
        self._db = db
        self._models = models
        self._embedder = embedder

    async def route(self, tenant_id: UUID, choice: EmbeddingChoice) -> ModelRoute | None:
        """Return how to reach the embedding model of a choice; None if there is none, or words only are compared.

        Raises:
            ModelKindMismatchError: The model is of another kind.
            SecretUnreadableError: Its key was stored under another key of the installation.
        """
        if choice.model_id is None and choice.route_id is None:
            return None
        async with self._db.read(tenant_id) as session:
            try:
                return await open_choice(session, tenant_id, self._models, route_choice(choice))
            except (ChatModelNotFoundError, RouteNotFoundError):
                return None

    async def embed_passages(
        self, route: ModelRoute, tenant_id: UUID, user_id: UUID, texts: Sequence[str]
    ) -> AsyncGenerator[Sequence[Vector]]:
        """Yield vectors in the order of `texts`, batch by batch; ends beyond 30,000 characters are ignored.

        Raises:
            ModelError: The model failed.
            QuotaExceededError: A budget is exhausted.
        """
        attribution = CallAttribution(tenant_id, user_id, "INGESTION")
        for start in range(0, len(texts), _BATCH):
            batch = tuple(text[:_MAX_CHARS] for text in texts[start : start + _BATCH])
            request = EmbeddingRequest(batch, EmbeddingPurpose.PASSAGE, attribution)
            yield (await self._embedder.embed(route, request)).vectors

    async def embed_question(
        self, tenant_id: UUID, user_id: UUID, question: str, choices: Collection[EmbeddingChoice]
    ) -> QuestionVectors:
        """Return the vectors of a question by several models; those that fail are left out."""
        attribution = CallAttribution(tenant_id, user_id, "SEARCH")
        request = EmbeddingRequest((question,), EmbeddingPurpose.QUERY, attribution)
        by_space: dict[str, Vector] = {}
        failure: DomainError | None = None
        identities: set[str] = set()
        for choice in choices:
            try:
                route = await self.route(tenant_id, choice)
                if route is None or (identity := route_identity(route)) in identities:
                    continue
                identities.add(identity)
                vector, *_ = (await self._embedder.embed(route, request)).vectors
                by_space[space_of(identity, len(vector))] = vector
            except DomainError as error:
                failure = error
        return QuestionVectors(by_space, failure)


def route_choice(choice: EmbeddingChoice) -> RouteChoice:
    """Return where to find the embedding model of a choice."""
    return RouteChoice(ModelKind.EMBEDDING, choice.model_id, choice.route_id)


def route_identity(route: ModelRoute) -> str:
    """Name what decides about the results of a route.

    Of embedding models that is model and dimensions, so that an index stays the same when another deployment answers.
    Of a single model it is also the server: the same name on another one may be another model.
    """
    if route.identity:
        return route.identity
    endpoint = route.deployments[0].endpoint
    place = f"{endpoint.base_url}?{endpoint.query}#{endpoint.dimensions or ''}"
    return f"{endpoint.dialect}:{endpoint.model}:{sha256(place.encode()).hexdigest()[:12]}"


def space_of(identity: str, dimensions: int) -> str:
    """Name the vectors that can be compared with each other."""
    return f"{identity}:{dimensions}"
