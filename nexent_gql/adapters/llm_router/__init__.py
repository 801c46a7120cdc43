"""Routes of models: picks a deployment for each call, and another one when it fails.

`router` makes the calls. `balancing` orders the deployments of a route, `failures` says what a failure means, and
`progress` remembers what has been handed out of an answer. `retries` limits how much is tried again.
"""

from nexent_gql.adapters.llm_router.retries import RetryPolicy
from nexent_gql.adapters.llm_router.router import ModelRouter

__all__ = ["ModelRouter", "RetryPolicy"]
