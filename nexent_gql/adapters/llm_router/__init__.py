"""Routes of models: picks a deployment for each call, and another one when it fails.

`router` makes the calls. `balancing` orders the deployments of a route, `failures` classifies failures, and
`progress` tracks what has been sent of an answer. `retries` limits how much is tried again. `vectors` sends
calls of embedding and reranking models the same way.
"""

from nexent_gql.adapters.llm_router.retries import RetryPolicy
from nexent_gql.adapters.llm_router.router import ModelRouter
from nexent_gql.adapters.llm_router.vectors import RoutedVectorModels

__all__ = ["ModelRouter", "RetryPolicy", "RoutedVectorModels"]
