"""Leases, limits, queues and circuit breakers of deployments: in Redis, and in memory while Redis is away."""

from nexent_gql.adapters.llm_capacity.fallback import FallbackCapacity
from nexent_gql.adapters.llm_capacity.memory import MemoryCapacity
from nexent_gql.adapters.llm_capacity.redis import RedisCapacity
from nexent_gql.adapters.llm_capacity.settings import CapacitySettings

__all__ = ["CapacitySettings", "FallbackCapacity", "MemoryCapacity", "RedisCapacity"]
