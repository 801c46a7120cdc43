"""The gateway to all embedding and reranking models: batches, retries, checks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import structlog

from nexent_gql.adapters.embedding_batches import LearnedSizes, by_size
from nexent_gql.adapters.llm_http.dialect import models_of
from nexent_gql.adapters.llm_router.retries import RetryPolicy
from nexent_gql.adapters.llm_router.vectors import VectorModels
from nexent_gql.ports.embeddings import MAX_TEXTS, EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import Dialect, ModelEndpoint, ModelKind, ModelProfile, RemoteModel, Usage
from nexent_gql.ports.llm_errors import (
    ModelContextTooLongError,
    ModelError,
    ModelProtocolError,
    ModelRequestRefusedError,
)
from nexent_gql.ports.rerank import MAX_PASSAGES, Reranking, RerankRequest

_TOO_MUCH = (ModelContextTooLongError, ModelRequestRefusedError)
"""What a provider may answer when a batch is larger than it accepts; few say so in words of their own."""
Sleep = Callable[[float], Awaitable[None]]
_Result = TypeVar("_Result")
_log = structlog.get_logger()


class EmbeddingGateway:
    """Implements the ports `Embedder` and `Reranker` over one adapter for each dialect.

    Args:
        dialects: The models of each dialect; they stay the caller's to close.
        retry: How to wait for a busy provider.
        sleep: How to wait, for tests.
    """

    def __init__(
        self,
        dialects: Mapping[Dialect, VectorModels],
        *,
        retry: RetryPolicy | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._dialects = dialects
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._sizes = LearnedSizes()

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        """See `Embedder`; batches are sent one after the other.

        A batch that is refused is sent again in halves, because providers differ in how much they accept.
        """
        _require_texts(request.texts, MAX_TEXTS)
        models = models_of(self._dialects, endpoint)
        size = self._sizes.of(endpoint)
        waiting = by_size(request.texts, size)[::-1]
        results: list[Embeddings] = []
        while waiting:
            texts = waiting.pop()
            if len(texts) > size:  # a smaller batch was accepted meanwhile
                waiting += by_size(texts, size)[::-1]
                continue
            batch = replace(request, texts=texts)
            try:
                results.append(await self._retried(endpoint, lambda batch=batch: models.embed(endpoint, batch)))
            except _TOO_MUCH as error:
                if len(texts) == 1 or _is_final(error):
                    raise
                size = len(texts) // 2
                waiting.append(texts)
        self._sizes.learn(endpoint, size)
        return _joined(results)

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        """See `Reranker`; the passages go to the provider in one request, so that their scores can be compared."""
        _require_texts((request.query,), 1)
        _require_texts(request.passages, MAX_PASSAGES)
        models = models_of(self._dialects, endpoint)
        return await self._retried(endpoint, lambda: models.rerank(endpoint, request))

    async def check(self, endpoint: ModelEndpoint) -> ModelProfile:
        """See `VectorChecks`; nothing is tried again."""
        models = models_of(self._dialects, endpoint)
        if endpoint.kind is ModelKind.RERANK:
            await models.rerank(endpoint, RerankRequest("Is this a test?", ("Yes, a test.", "No.")))
            return ModelProfile()
        embeddings = await models.embed(endpoint, EmbeddingRequest(("This is a test.",)))
        return ModelProfile(dimensions=embeddings.dimensions)

    async def probe(self, endpoint: ModelEndpoint, profile: ModelProfile) -> ModelProfile:
        """See `VectorChecks`: tries a batch of 64 short texts, and reads the provider's list."""
        with suppress(ModelError):
            entries = await self.list_models(endpoint)
            tokens = next((entry.context_window_tokens for entry in entries if entry.name == endpoint.model), None)
            profile = replace(profile, max_input_tokens=tokens)
        if endpoint.kind is ModelKind.EMBEDDING and not endpoint.dialect.is_built_in:
            with suppress(ModelError):
                await self.embed(endpoint, EmbeddingRequest(("This is a test.",) * self._sizes.of(endpoint)))
                profile = replace(profile, batch_size=self._sizes.of(endpoint))
        return profile

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`; for dialects without chat models."""
        return await models_of(self._dialects, endpoint).list_models(endpoint)

    async def _retried(self, endpoint: ModelEndpoint, call: Callable[[], Awaitable[_Result]]) -> _Result:
        tries = 0
        while True:
            tries += 1
            try:
                return await call()
            except ModelError as error:
                wait_s = self._retry.wait_s(error, tries)
                if wait_s is None:
                    error.details["tries"] = tries
                    _log_failure(endpoint, error)
                    raise
            await self._sleep(wait_s)


def _require_texts(texts: Sequence[str], limit: int) -> None:
    if not 1 <= len(texts) <= limit:
        raise ModelRequestRefusedError(f"A request has 1 to {limit:,} texts.", cause="TEXTS")
    if any(not text or text.isspace() for text in texts):
        raise ModelRequestRefusedError("A text is blank, which no model can embed or score.", cause="BLANK_TEXT")


def _is_final(error: ModelError) -> bool:
    """Tell whether a smaller batch would be refused just the same."""
    return error.details.get("cause") in {"REGION", "WEB_PAGE", "NOT_UNICODE"}


def _joined(batches: Sequence[Embeddings]) -> Embeddings:
    """Join the results of batches.

    Raises:
        ModelProtocolError: The vectors of one batch are longer than those of another.
    """
    first = batches[0]
    if any(batch.dimensions != first.dimensions for batch in batches):
        raise ModelProtocolError("The model returned vectors of different lengths.", cause="DIMENSIONS")
    return replace(
        first,
        vectors=tuple(vector for batch in batches for vector in batch.vectors),
        usage=sum((batch.usage for batch in batches), Usage()),
        is_estimated=any(batch.is_estimated for batch in batches),
    )


def _log_failure(endpoint: ModelEndpoint, error: ModelError) -> None:
    _log.warning(
        "model.failed",
        code=error.code,
        kind=endpoint.kind.value,
        model=endpoint.model,
        base_url=endpoint.base_url,
        tries=error.details.get("tries"),
        cause=error.details.get("cause"),
        provider_message=error.provider_message,
    )
