"""The second stage of a search: a reranking model reads the best passages of the first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import route_identity
from nexent_gql.domains.models.errors import NoDefaultModelError
from nexent_gql.domains.models.open_routes import RouteChoice, open_choice
from nexent_gql.domains.models.service import ModelService
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.search import script_of
from nexent_gql.ports.llm import CallAttribution, ModelKind
from nexent_gql.ports.rerank import Reranker, RerankRequest

CANDIDATES = 30
"""How many of the best passages the model reads."""
WEIGHT = 0.5
"""Share of the model's score; the score of the first stage has the rest."""
SHARE_OF_MEANING = 0.7
"""The same of a search by words and meaning, as a part of the meaning's share: names are found by words alone."""
_MAX_CHARS = 8_000
_DEFAULT = RouteChoice(ModelKind.RERANK)


@dataclass(frozen=True, slots=True)
class RerankedScores:
    """Scores of the second stage, and why there are none.

    Attributes:
        model: The model's score of each passage, higher is better; empty if it failed or there is none.
        parts: What the model adds to each score.
        joined: Both stages together, 0 to 1.
        error: Why the model failed.
    """

    model: Sequence[float] = ()
    parts: Sequence[float] = ()
    joined: Sequence[float] = ()
    error: DomainError | None = None


class KnowledgeReranker:
    """Scores passages by the tenant's default reranking model or route.

    Args:
        db: Where the models are.
        models: Says which model is the default.
        reranker: Calls it.
    """

    def __init__(self, db: Database, models: ModelService, reranker: Reranker) -> None:
        self._db = db
        self._models = models
        self._reranker = reranker

    async def identity(self, tenant_id: UUID) -> str | None:
        """Return what reranks for a tenant; None if there is none, or it cannot be used."""
        try:
            async with self._db.read(tenant_id) as session:
                return route_identity(await open_choice(session, tenant_id, self._models, _DEFAULT))
        except DomainError:
            return None

    async def rerank(
        self,
        tenant_id: UUID,
        user_id: UUID,
        question: str,
        passages: Sequence[str],
        scores: Sequence[float],
        *,
        semantic_weight: float | None = None,
    ) -> RerankedScores:
        """Return new scores of passages with the scores of the first stage; a failing model changes nothing.

        Args:
            tenant_id: Whose model is used.
            user_id: On whose account.
            question: What was searched for.
            passages: What the model reads.
            scores: Of the first stage, one for each passage.
            semantic_weight: Share of the meaning in `scores`; None if only words or only meaning were compared.
        """
        request = RerankRequest(
            question, tuple(text[:_MAX_CHARS] for text in passages), CallAttribution(tenant_id, user_id, "SEARCH")
        )
        try:
            async with self._db.read(tenant_id) as session:
                route = await open_choice(session, tenant_id, self._models, _DEFAULT)
            model = (await self._reranker.rerank(route, request)).scores
        except NoDefaultModelError:
            return RerankedScores()
        except DomainError as error:
            return RerankedScores(error=error)
        return join_stages(model, scores, [script_of(text) for text in passages], semantic_weight)


def join_stages(
    model: Sequence[float], scores: Sequence[float], scripts: Sequence[str], semantic_weight: float | None
) -> RerankedScores:
    """Join the scores of both stages.

    Models prefer passages in the language of the question, whatever they say. So a passage is compared with the mean of
    those in its own script.
    """
    by_script: defaultdict[str, list[float]] = defaultdict(list)
    for script, score in zip(scripts, model, strict=True):
        by_script[script].append(score)
    means = {script: sum(own) / len(own) for script, own in by_script.items()}
    late = _spread([score - means[script] for script, score in zip(scripts, model, strict=True)])
    share = WEIGHT if semantic_weight is None else SHARE_OF_MEANING * semantic_weight
    parts = [share * score for score in late]
    joined = [part + (1 - share) * early for part, early in zip(parts, _spread(scores), strict=True)]
    return RerankedScores(model, parts, joined)


def _spread(scores: Sequence[float]) -> list[float]:
    """Scale scores to 0 to 1: models have ranges of their own."""
    least, most = min(scores), max(scores)
    return [(score - least) / (most - least) if most > least else 1.0 for score in scores]
