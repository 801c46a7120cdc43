"""A cache of answers that all processes share, in Redis."""

from typing import cast
from uuid import UUID

from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.adapters.tenant_cache_redis import RedisTenantCache
from nexent_gql.kernel.clock import Clock

LEASE_S = 15.0
MAX_TTL_S = 7 * 86_400
_EXPIRY_BYTES = 8
_ACQUIRE = Script("""
-- owner, lease_ms -> 1 if the lease is the owner's
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
_RELEASE = Script("""
-- owner -> 1 if the lease was the owner's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class RedisResponseCache:
    """Implements `ResponseCache`.

    Args:
        commands: The process's connection.
        clock: The current time.
        max_bytes: Size of all answers of a tenant.
        name: What is cached; part of the keys.
        lease_s: Seconds after which a lease ends that is not renewed.
    """

    def __init__(
        self, commands: RedisCommands, clock: Clock, *, max_bytes: int, name: str = "answers", lease_s: float = LEASE_S
    ) -> None:
        self._commands = commands
        self._clock = clock
        self._name = name
        self._lease_ms = round(lease_s * 1_000)
        self._values = RedisTenantCache(commands, name, max_bytes=max_bytes, ttl_s=MAX_TTL_S)

    async def find(self, tenant_id: UUID, digest: str) -> bytes | None:
        [value] = await self._values.find_many(tenant_id, [digest])
        if value is None or int.from_bytes(value[:_EXPIRY_BYTES]) <= self._now_ms():
            return None
        return value[_EXPIRY_BYTES:]

    async def store(self, tenant_id: UUID, digest: str, value: bytes, ttl_s: float) -> None:
        expires_at_ms = self._now_ms() + round(min(ttl_s, MAX_TTL_S) * 1_000)
        await self._values.store_many(tenant_id, {digest: expires_at_ms.to_bytes(_EXPIRY_BYTES) + value})

    async def acquire(self, tenant_id: UUID, digest: str, owner: str) -> bool:
        key = self._lease_key(tenant_id, digest)
        return cast("int", await self._commands.run(_ACQUIRE, key, owner, self._lease_ms)) == 1

    async def release(self, tenant_id: UUID, digest: str, owner: str) -> None:
        await self._commands.run(_RELEASE, self._lease_key(tenant_id, digest), owner)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1_000)

    def _lease_key(self, tenant_id: UUID, digest: str) -> str:
        return f"nx:{self._name}_lease/{tenant_id}/{digest}"
