"""A document store that all processes share: a hash of texts, and a sorted set of their last uses."""

from typing import cast

from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_scripts import Script

KEY = "nx:{texts}"
_COMMON = """
local texts, used, size = KEYS[1], KEYS[1] .. ':used', KEYS[1] .. ':bytes'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function use(digest)
  redis.call('ZADD', used, now, digest)
  for _, key in ipairs({texts, used, size}) do redis.call('PEXPIRE', key, ARGV[2]) end
end
"""
_FIND = Script(
    _COMMON
    + """
-- digest, ttl_ms -> text or nil
local at = redis.call('ZSCORE', used, ARGV[1])
if not at or tonumber(at) <= now - tonumber(ARGV[2]) then return nil end
use(ARGV[1])
return redis.call('HGET', texts, ARGV[1])
"""
)
_KEEP = Script(
    _COMMON
    + """
-- digest, ttl_ms, max_bytes, text -> how many were forgotten
local bytes = tonumber(redis.call('GET', size) or 0)
if redis.call('HSET', texts, ARGV[1], ARGV[4]) == 1 then bytes = bytes + #ARGV[4] end
use(ARGV[1])
local forgotten = redis.call('ZRANGEBYSCORE', used, '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, 100)
local order = redis.call('ZRANGE', used, 0, 999)
local next = #forgotten + 1
for _, digest in ipairs(forgotten) do bytes = bytes - redis.call('HSTRLEN', texts, digest) end
while bytes > tonumber(ARGV[3]) and order[next] do
  bytes = bytes - redis.call('HSTRLEN', texts, order[next])
  forgotten[next] = order[next]
  next = next + 1
end
if #forgotten > 0 then
  redis.call('HDEL', texts, unpack(forgotten))
  redis.call('ZREM', used, unpack(forgotten))
end
redis.call('SET', size, string.format('%.0f', bytes), 'PX', ARGV[2])
return #forgotten
"""
)


class RedisDocumentStore:
    """Implements `DocumentStore`; texts expire `ttl_s` seconds after their last use.

    Args:
        commands: The process's connection.
        max_bytes: Size of all texts together, in UTF-8.
        ttl_s: Seconds that an unused text is kept.
    """

    def __init__(self, commands: RedisCommands, *, max_bytes: int, ttl_s: float) -> None:
        self._commands = commands
        self._max_bytes = max_bytes
        self._ttl_ms = round(ttl_s * 1_000)

    async def find(self, digest: str) -> str | None:
        """Return the text; see `DocumentStore.find`."""
        text = cast("bytes | None", await self._commands.run(_FIND, KEY, digest, self._ttl_ms))
        return None if text is None else text.decode()

    async def keep(self, digest: str, text: str) -> None:
        """Store the text; see `DocumentStore.keep`."""
        await self._commands.run(_KEEP, KEY, digest, self._ttl_ms, self._max_bytes, text)
