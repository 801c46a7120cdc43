"""The Lua scripts of the event log; each is one atomic operation on one stream.

A topic is one stream. Ids are `attempt-seq` of the *writer*, so the stream itself rejects entries older than its
last id. `attempt-0` is a claim: its field `after` is the seq after which the attempt continues. An event is one
field `e` with the JSON array [seq, attempt, at_ms, body]; this attempt is the one that wrote the event first.
"""

from dataclasses import dataclass, field
from hashlib import sha1

_COMMON = """
local key = KEYS[1]
local function id(attempt, seq) return string.format('%.0f-%.0f', attempt, seq) end
local function parse(entry)
  local attempt, seq = string.match(entry[1], '(%d+)-(%d+)')
  return tonumber(attempt), tonumber(seq)
end
local function last_position()
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if not last then return 0, 0 end
  local attempt, seq = parse(last)
  if seq == 0 then seq = tonumber(last[2][2]) end
  return attempt, seq
end
"""

_CLAIM = """
-- attempt, ttl_ms -> OK | STALE
local attempt, held_by, last_seq = tonumber(ARGV[1]), last_position()
if held_by > attempt then return 'STALE' end
if held_by < attempt then redis.call('XADD', key, id(attempt, 0), 'after', string.format('%.0f', last_seq)) end
redis.call('PEXPIRE', key, ARGV[2])
return 'OK'
"""

_APPEND = """
-- attempt, seq ahead of the first, ttl_ms, max_entries, channel, then seq and value of each -> OK | STALE | LOST
local attempt, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local held_by, last_seq = last_position()
if held_by > attempt then return 'STALE' end
if held_by < attempt then
  if ahead > 0 then return 'LOST' end
  redis.call('DEL', key)
  redis.call('XADD', key, id(attempt, 0), 'after', '0')
  last_seq = 0
elseif ahead > last_seq then
  return 'LOST'
end
local fresh = {}
for i = 6, #ARGV, 2 do
  if tonumber(ARGV[i]) > last_seq then
    redis.call('XADD', key, ARGV[1] .. '-' .. ARGV[i], 'e', ARGV[i + 1])
    fresh[#fresh + 1] = ARGV[i + 1]
  end
end
redis.call('PEXPIRE', key, ARGV[3])
if #fresh > 0 then
  redis.call('XTRIM', key, 'MAXLEN', '~', ARGV[4])
  redis.call('PUBLISH', ARGV[5], '[' .. table.concat(fresh, ',') .. ']')
end
return 'OK'
"""

_ERASE = """
-- attempt, ttl_ms, channel -> OK
redis.call('DEL', key)
redis.call('XADD', key, id(tonumber(ARGV[1]), 0), 'after', '0')
redis.call('PEXPIRE', key, ARGV[2])
redis.call('PUBLISH', ARGV[3], '[]')
return 'OK'
"""

_READ = """
-- after, limit -> first seq, last seq, entries as a JSON array
local after, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
if not first then return {0, 0, '[]'} end
local first_attempt, first_seq = parse(first)
if first_seq == 0 then first_seq = tonumber(first[2][2]) + 1 end
local last_attempt, last_seq = last_position()
if last_seq == 0 and first_attempt > 1 then return {0, 0, '[]'} end
local start = last_attempt
while true do
  local claim = redis.call('XRANGE', key, id(start, 0), id(start, 0))[1]
  if not claim or tonumber(claim[2][2]) <= after then break end
  local before = redis.call('XREVRANGE', key, '(' .. id(start, 0), '-', 'COUNT', 1)[1]
  if not before then break end
  start = parse(before)
end
local values = {}
for _, entry in ipairs(redis.call('XRANGE', key, id(start, after + 1), '+', 'COUNT', limit + last_attempt - start)) do
  if #values == limit then break end
  if entry[2][1] == 'e' then values[#values + 1] = entry[2][2] end
end
return {first_seq, last_seq, '[' .. table.concat(values, ',') .. ']'}
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the digest by which Redis caches it."""

    text: str
    sha1: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha1", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


CLAIM = Script(_COMMON + _CLAIM)
APPEND = Script(_COMMON + _APPEND)
ERASE = Script(_COMMON + _ERASE)
READ = Script(_COMMON + _READ)
