"""Embedding and reranking models over one HTTP client; each request is sent once."""

import httpx2

from nexent_gql.adapters.embeddings_http import embeddings, rerank
from nexent_gql.adapters.embeddings_http.client import JsonClient, ReplyLimits
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.ports.embeddings import EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import ModelEndpoint, RemoteModel
from nexent_gql.ports.rerank import Reranking, RerankRequest


class HttpVectorModels:
    """Implements the ports `Embedder` and `Reranker` for servers with OpenAI's `/embeddings` and with `/rerank`.

    Args:
        client: An open client; see `outbound_client`.
        limits: Times and sizes.
    """

    def __init__(self, client: httpx2.AsyncClient, limits: ReplyLimits | None = None) -> None:
        self._client = JsonClient(client, limits)
        self._lists = OpenAIModels(client)

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        """See `Embedder`; the texts are one batch."""
        body = embeddings.body_of(endpoint, request)
        reply = await self._client.post(endpoint, embeddings.PATH, body, refusable=embeddings.REFUSABLE)
        return embeddings.embeddings_of(reply, endpoint, request.texts)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        return await self._lists.list_models(endpoint)

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        """See `Reranker`; the passages are one batch."""
        body = rerank.body_of(endpoint, request)
        reply = await self._client.post(endpoint, rerank.PATH, body, refusable=rerank.REFUSABLE)
        return rerank.reranking_of(reply, endpoint, request)
