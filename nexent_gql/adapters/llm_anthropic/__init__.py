"""Chat models with Anthropic's Messages API.

`wire` writes the request, `answer` understands the events of the reply; `adapters.llm_http` does the rest.
"""

import httpx2

from nexent_gql.adapters.llm_anthropic.wire import AnthropicMessages
from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_http.models import HttpModels

__all__ = ["AnthropicModels"]


class AnthropicModels(HttpModels):
    """Chat models of the dialect; see `HttpModels`."""

    def __init__(self, client: httpx2.AsyncClient, limits: StreamLimits | None = None) -> None:
        super().__init__(client, AnthropicMessages(), limits)
