"""A cache that all processes share: a hash of values for each tenant, and a sorted set of last uses."""

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_scripts import Script

BATCH = 200
"""Digests of one script, so that Redis serves others in between."""
_COMMON = """
local stored, used, size = KEYS[1], KEYS[1] .. ':used', KEYS[1] .. ':bytes'
local ttl_ms = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function extend()
  for _, key in ipairs({stored, used, size}) do redis.call('PEXPIRE', key, ttl_ms) end
end
"""
_FIND = Script(
    _COMMON
    + """
-- ttl_ms, digests -> a value or false for each
local values = {}
for index = 2, #ARGV do
  local value = redis.call('HGET', stored, ARGV[index])
  if value then redis.call('ZADD', used, now, ARGV[index]) end
  values[index - 1] = value
end
extend()
return values
"""
)
_STORE = Script(
    _COMMON
    + """
-- ttl_ms, max_bytes, then digest and value of each
local bytes = tonumber(redis.call('GET', size) or 0)
for index = 3, #ARGV, 2 do
  local digest, value = ARGV[index], ARGV[index + 1]
  bytes = bytes + #value - redis.call('HSTRLEN', stored, digest)
  redis.call('HSET', stored, digest, value)
  redis.call('ZADD', used, now, digest)
end
local old = redis.call('ZRANGEBYSCORE', used, '-inf', now - ttl_ms, 'LIMIT', 0, 500)
local position = 1
while bytes > tonumber(ARGV[2]) or old[position] do
  local digest = old[position] or redis.call('ZRANGE', used, 0, 0)[1]
  if not digest then break end
  bytes = bytes - redis.call('HSTRLEN', stored, digest)
  redis.call('HDEL', stored, digest)
  redis.call('ZREM', used, digest)
  position = position + 1
end
redis.call('SET', size, string.format('%.0f', bytes))
extend()
return 0
"""
)


class RedisTenantCache:
    """Implements `TenantCache`.

    Args:
        commands: The process's connection.
        name: What is cached; part of the keys.
        max_bytes: Size of all values of a tenant.
        ttl_s: Seconds that a value is kept after its last use.
    """

    def __init__(self, commands: RedisCommands, name: str, *, max_bytes: int, ttl_s: float) -> None:
        self._commands = commands
        self._name = name
        self._max_bytes = max_bytes
        self._ttl_ms = round(ttl_s * 1_000)

    async def find_many(self, tenant_id: UUID, digests: Sequence[str]) -> Sequence[bytes | None]:
        values: list[bytes | None] = []
        for start in range(0, len(digests), BATCH):
            part = digests[start : start + BATCH]
            values += cast(
                "list[bytes | None]", await self._commands.run(_FIND, self._key(tenant_id), self._ttl_ms, *part)
            )
        return values

    async def store_many(self, tenant_id: UUID, values: Mapping[str, bytes]) -> None:
        items = [*values.items()]
        for start in range(0, len(items), BATCH):
            flat = [value for item in items[start : start + BATCH] for value in item]
            await self._commands.run(_STORE, self._key(tenant_id), self._ttl_ms, self._max_bytes, *flat)

    def _key(self, tenant_id: UUID) -> str:
        return f"nx:{{{self._name}/{tenant_id}}}"
