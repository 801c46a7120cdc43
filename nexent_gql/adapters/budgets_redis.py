"""Token buckets that all processes share: one Redis key for each bucket, one script for each charge.

A key holds the time at which its bucket is full again, by the clock of Redis, and expires then.
"""

from typing import cast

from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.ports.budgets import Balance, Budget

_MICROS = 1_000_000

CHARGE = Script("""
-- micros that the points take to come back (negative: given back), micros of a whole bucket -> micros missing, wait
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
local missing = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0), longest)
local after = math.max(missing + wanted, 0)
if wanted > 0 and after > longest then
  return {missing, wanted > longest and longest or after - longest}
end
if after > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', string.format('%.0f', math.ceil(after / 1000)))
else
  redis.call('DEL', KEYS[1])
end
return {after, 0}
""")


class RedisBudgets:
    """Implements `Budgets` with one key for each bucket."""

    def __init__(self, commands: RedisCommands) -> None:
        """Use the process's connection for commands."""
        self._commands = commands

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points; see `Budgets.charge`."""
        rate = budget.restore_per_s
        charge_micros, longest = round(points / rate * _MICROS), round(budget.capacity / rate * _MICROS)
        answer = await self._commands.run(CHARGE, f"nx:{{budget:{key}}}", charge_micros, longest)
        missing, wait = cast("tuple[int, int]", answer)
        return Balance(budget.capacity - missing / _MICROS * rate, wait / _MICROS)
