"""The Lua scripts of `RedisCapacity`: the rules of `MemoryCapacity` on one key for each deployment.

The key holds a JSON object: `leases` {id: [owner, expires, slot, tokens, is_trial]}, `waiters` {id: [owner, since,
expires]}, `slots` {number: [requests, tokens, succeeded, failed]}, `served` {owner: time}, `cool`, `open` (0: closed),
`openings` and `failures`. Times are milliseconds by the clock of Redis.
"""

from nexent_gql.adapters.redis_scripts import Script

_COMMON = """
local WINDOW, KEPT = 60000, 3600000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function count(map) local n = 0 for _ in pairs(map) do n = n + 1 end return n end
local function load(slot_ms)
  local stored = redis.call('GET', KEYS[1])
  local state = stored and cjson.decode(stored)
    or {leases = {}, waiters = {}, slots = {}, served = {}, cool = 0, open = 0, openings = 0, failures = 0}
  for id, lease in pairs(state.leases) do if lease[2] <= now then state.leases[id] = nil end end
  for id, waiter in pairs(state.waiters) do if waiter[3] <= now then state.waiters[id] = nil end end
  for owner, at in pairs(state.served) do if at < now - WINDOW then state.served[owner] = nil end end
  local oldest = math.floor((now - WINDOW) / slot_ms)
  for number in pairs(state.slots) do if tonumber(number) < oldest then state.slots[number] = nil end end
  return state
end
local function save(state)
  redis.call('SET', KEYS[1], cjson.encode(state), 'PX', KEPT)
end
local function slot_of(state, slot_ms)
  local number = string.format('%.0f', math.floor(now / slot_ms))
  if not state.slots[number] then state.slots[number] = {0, 0, 0, 0} end
  return number, state.slots[number]
end
local function total(state, place)
  local sum = 0
  for _, slot in pairs(state.slots) do sum = sum + slot[place] end
  return sum
end
"""

ACQUIRE = Script(
    _COMMON
    + """
-- slot_ms, lease_ms, waiter_ms, max_waiting, poll_ms, max_poll_ms, id, owner, requests, tokens, concurrent ('' is no
-- limit), tokens of the call, joins queue, ignores circuit -> refusal, wait_ms, position, outstanding
local slot_ms, lease_ms, waiter_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local max_waiting, poll_ms, max_poll_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local id, owner = ARGV[7], ARGV[8]
local requests, tokens, concurrent = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local needed, joins, ignores = tonumber(ARGV[12]), ARGV[13] == '1', ARGV[14] == '1'
local state = load(slot_ms)
local outstanding = count(state.leases)
if state.leases[id] then
  state.leases[id][2] = now + lease_ms
  save(state)
  return {'', 0, 0, outstanding}
end
if state.open > 0 and not ignores then
  local tried = false
  for _, lease in pairs(state.leases) do tried = tried or lease[5] == 1 end
  if state.open > now or tried then
    return {'CIRCUIT_OPEN', math.max(state.open - now, max_poll_ms), 0, outstanding}
  end
end
if state.cool > now then return {'COOLING_DOWN', state.cool - now, 0, outstanding} end
local free = count(state.waiters) + 1
if concurrent then free = math.min(free, concurrent - outstanding) end
if requests then free = math.min(free, requests - total(state, 1)) end
if tokens then
  local used = total(state, 2)
  free = math.min(free, used <= 0 and 1 or math.floor((tokens - used) / math.max(1, needed)))
end
local mine = state.waiters[id] or {owner, now, now + waiter_ms}
local order, held, queue = {}, {}, {}
for _, lease in pairs(state.leases) do held[lease[1]] = (held[lease[1]] or 0) + 1 end
for waiting, waiter in pairs(state.waiters) do if waiting ~= id then queue[#queue + 1] = {waiting, waiter} end end
queue[#queue + 1] = {id, mine}
table.sort(queue, function(a, b) if a[2][2] ~= b[2][2] then return a[2][2] < b[2][2] end return a[1] < b[1] end)
local place
for _, entry in ipairs(queue) do
  local of = entry[2][1]
  local rank = {held[of] or 0, state.served[of] or 0, entry[2][2], entry[1]}
  held[of] = (held[of] or 0) + 1
  order[#order + 1] = rank
  if entry[1] == id then place = rank end
end
local function before(a, b)
  for i = 1, 4 do if a[i] ~= b[i] then return a[i] < b[i] end end
  return false
end
local ahead = 0
for _, rank in ipairs(order) do if before(rank, place) then ahead = ahead + 1 end end
if ahead < free then
  local number, slot = slot_of(state, slot_ms)
  slot[1], slot[2] = slot[1] + 1, slot[2] + needed
  state.leases[id] = {owner, now + lease_ms, number, needed, state.open > 0 and 1 or 0}
  state.waiters[id] = nil
  state.served[owner] = now
  save(state)
  return {'', 0, 0, outstanding + 1}
end
local position = ahead - math.max(0, free) + 1
local wait_ms = math.min(max_poll_ms, poll_ms * position)
if not joins then return {'AT_LIMIT', wait_ms, 0, outstanding} end
if not state.waiters[id] and count(state.waiters) >= max_waiting then return {'QUEUE_FULL', wait_ms, 0, outstanding} end
mine[3] = now + waiter_ms
state.waiters[id] = mine
save(state)
return {'AT_LIMIT', wait_ms, position, outstanding}
"""
)

RENEW = Script(
    _COMMON
    + """
-- slot_ms, lease_ms, id -> 1
local state = load(tonumber(ARGV[1]))
local lease = state.leases[ARGV[3]] or {'', 0, '0', 0, 0}
lease[2] = now + tonumber(ARGV[2])
state.leases[ARGV[3]] = lease
save(state)
return 1
"""
)

REPORT = Script(
    _COMMON
    + """
-- slot_ms, id, outcome, tokens, retry_after_ms, failures to open, min calls, failure share, open_ms, max_open_ms,
-- down_ms -> new state or '', failures
local slot_ms, id, outcome, tokens, cool_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local to_open, min_calls, share = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local open_ms, max_open_ms, down_ms = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local state = load(slot_ms)
local lease = state.leases[id]
state.leases[id] = nil
if lease and state.slots[lease[3]] then
  local slot = state.slots[lease[3]]
  slot[2] = math.max(0, slot[2] + tokens - lease[4])
end
if cool_ms > 0 then state.cool = math.max(state.cool, now + cool_ms) end
local function open()
  local base_ms = outcome == 'DOWN' and down_ms or open_ms
  state.open = now + math.min(max_open_ms, base_ms * 2 ^ state.openings)
  state.openings = math.min(state.openings + 1, 20)
end
local bad, change = outcome == 'FAILED' or outcome == 'DOWN', ''
if bad or outcome == 'OK' then
  local _, slot = slot_of(state, slot_ms)
  if bad then slot[4] = slot[4] + 1 else slot[3] = slot[3] + 1 end
  state.failures = bad and state.failures + 1 or 0
  local is_trial = not lease or lease[5] == 1
  if state.open == 0 and bad then
    local failed = total(state, 4)
    local calls = failed + total(state, 3)
    if outcome == 'DOWN' or state.failures >= to_open or (calls >= min_calls and failed >= share * calls) then
      open()
      change = 'OPEN'
    end
  elseif state.open > 0 and is_trial and bad then
    open()
  elseif state.open > 0 and is_trial then
    state.open, state.openings, change = 0, 0, 'CLOSED'
    for _, each in pairs(state.slots) do each[3], each[4] = 0, 0 end
  end
end
save(state)
return {change, state.failures}
"""
)

LEAVE = Script(
    _COMMON
    + """
-- slot_ms, id -> 1
if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
local state = load(tonumber(ARGV[1]))
state.waiters[ARGV[2]] = nil
save(state)
return 1
"""
)

READ = Script(
    _COMMON
    + """
-- slot_ms -> circuit, outstanding, waiting, wait_ms
local state = load(tonumber(ARGV[1]))
local circuit, free_at = 'CLOSED', math.max(state.cool, state.open)
if state.open > 0 then circuit = state.open > now and 'OPEN' or 'HALF_OPEN' end
return {circuit, count(state.leases), count(state.waiters), math.max(0, free_at - now)}
"""
)
