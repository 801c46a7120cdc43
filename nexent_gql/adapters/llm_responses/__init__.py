"""Chat models with the Open Responses API, of which OpenAI's Responses API is one form.

`wire` writes the request, `answer` understands the events of the reply; `adapters.llm_http` does the rest.
"""

import httpx2

from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_http.models import HttpModels
from nexent_gql.adapters.llm_responses.wire import OpenResponses

__all__ = ["ResponsesModels"]


class ResponsesModels(HttpModels):
    """Chat models of the dialect; see `HttpModels`."""

    def __init__(self, client: httpx2.AsyncClient, limits: StreamLimits | None = None) -> None:
        super().__init__(client, OpenResponses(), limits)
