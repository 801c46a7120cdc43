"""Routes over models for tests."""

from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.ports.llm import LanguageModels


def routed(models: LanguageModels) -> ModelRouter:
    """Return a router that tries nothing again."""
    return ModelRouter(models, MemoryCapacity(), retry=RetryPolicy(rounds=1))
