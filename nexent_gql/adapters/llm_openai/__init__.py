"""Chat models that speak OpenAI's Chat Completions API, which most vendors and servers do.

`wire` writes the request, `sse` and `reply` cut what comes back into events, `answer` and `calls` understand them,
`quirks` learns what an endpoint refuses, `errors` says what went wrong; `models` is the port over all of it.
"""

from nexent_gql.adapters.llm_openai.models import OpenAIModels

__all__ = ["OpenAIModels"]
