"""Chat models with OpenAI's Chat Completions API, which most vendors and servers support.

`wire` writes the request, `answer` and `calls` understand the frames of the reply; `adapters.llm_http` does the rest.
"""

import httpx2

from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_http.models import HttpModels
from nexent_gql.adapters.llm_openai.wire import OpenAIChat

__all__ = ["OpenAIModels"]


class OpenAIModels(HttpModels):
    """Chat models of the dialect; see `HttpModels`."""

    def __init__(self, client: httpx2.AsyncClient, limits: StreamLimits | None = None) -> None:
        super().__init__(client, OpenAIChat(), limits)
