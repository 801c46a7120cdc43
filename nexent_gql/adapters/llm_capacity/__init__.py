"""Leases, limits, queues and circuit breakers of deployments: in Redis, and in memory while Redis is away."""

from nexent_gql.adapters.llm_capacity.memory import MemoryCapacity
from nexent_gql.adapters.llm_capacity.settings import CapacitySettings

__all__ = ["CapacitySettings", "MemoryCapacity"]
