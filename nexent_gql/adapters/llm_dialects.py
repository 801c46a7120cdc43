"""All dialects that this installation supports."""

from collections.abc import Collection, Mapping

import httpx2

from nexent_gql.adapters.embeddings_http import HttpVectorModels
from nexent_gql.adapters.embeddings_local import LocalVectorModels, installed_models
from nexent_gql.adapters.llm_anthropic import AnthropicModels
from nexent_gql.adapters.llm_gateway import DialectModels
from nexent_gql.adapters.llm_offline import OfflineModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_responses import ResponsesModels
from nexent_gql.adapters.llm_router.vectors import VectorModels
from nexent_gql.ports.llm import Dialect


def open_dialects(client: httpx2.AsyncClient) -> Mapping[Dialect, DialectModels]:
    """Return the chat models of each dialect over one client, which stays the caller's to close."""
    return {
        Dialect.OPENAI: OpenAIModels(client),
        Dialect.ANTHROPIC: AnthropicModels(client),
        Dialect.RESPONSES: ResponsesModels(client),
        Dialect.OFFLINE: OfflineModels(),
    }


def open_vector_dialects(client: httpx2.AsyncClient, local: LocalVectorModels) -> Mapping[Dialect, VectorModels]:
    """Return the embedding and reranking models of each dialect; client and local models stay the caller's to close."""
    return {Dialect.OPENAI: HttpVectorModels(client), Dialect.LOCAL: local}


def installed_dialects() -> Collection[Dialect]:
    """Return the dialects whose packages are installed."""
    return [dialect for dialect in Dialect if dialect is not Dialect.LOCAL or installed_models()]
