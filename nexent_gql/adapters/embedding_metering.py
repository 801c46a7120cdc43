"""Accounts for each call of an embedding or reranking model."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from nexent_gql.adapters.llm_accounting import CallAccounts, OpenCall
from nexent_gql.adapters.llm_router.vectors import VectorCalls
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.embeddings import EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, Usage
from nexent_gql.ports.rerank import Reranking, RerankRequest


class MeteredEmbeddingModels:
    """Implements `VectorCalls`: others whose attributed calls are accounted for.

    Both methods also raise `QuotaExceededError` when a budget does not have as much left as the call may cost, and
    `UnavailableError` when the accounts are away.

    Args:
        models: Makes the calls.
        accounts: Reserves and settles what calls use.
    """

    def __init__(self, models: VectorCalls, accounts: CallAccounts) -> None:
        self._models = models
        self._accounts = accounts

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        if request.attribution is None:
            return await self._models.embed(endpoint, request)
        async with self._account(request.attribution, endpoint, request.texts) as call:
            result = await self._models.embed(endpoint, request)
            _settle(call, result)
        return result

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        if request.attribution is None:
            return await self._models.rerank(endpoint, request)
        texts = (*request.passages, *(request.query for _ in request.passages))
        async with self._account(request.attribution, endpoint, texts) as call:
            result = await self._models.rerank(endpoint, request)
            _settle(call, result)
        return result

    @asynccontextmanager
    async def _account(
        self, attribution: CallAttribution, endpoint: ModelEndpoint, texts: Iterable[str]
    ) -> AsyncGenerator[OpenCall]:
        planned = Usage(input_tokens=sum(map(estimate_text_tokens, texts)))
        async with self._accounts.account(attribution, endpoint, planned) as call:
            yield call


def _settle(call: OpenCall, result: Embeddings | Reranking) -> None:
    call.usage, call.is_whole = None if result.is_estimated else result.usage, True
