-- Rate limits: one question, whatever limits it holds. Keeps the rules of gcra.py, window.py and
-- memory_limits.py, with the server's clock. Runs on Redis 6.2 and newer.
--
-- KEYS[i]: the count of hit i. ARGV[1]: now in microseconds, for tests; "" for the server's clock.
-- Then five of each hit: "gcra" or "window"; "shadow" or ""; GCRA's interval in nanoseconds or
-- the window's length in microseconds; places; cost.
-- Answers "ALLOWED" as 1 or 0, then of each hit: places left, microseconds until all are back,
-- microseconds to wait (0: it has room, -1: for ever). One string, which is quick to read.
--
-- 1. Numbers are doubles. Every sum and product that matters stays below 2^53 (spans are
--    bounded), and there a quotient of whole numbers is rounded to the right side of one.
-- 2. A state is kept with the time it was written at. `now` is never before that: the server's
--    clock may step back.
-- 3. A key goes away by itself a second after all of its places are back.
-- 4. Everything is read before anything is written, so an error leaves nothing half counted.

local SLACK_MS = 1000
local PARTS = 60

-- GCRA. A state is (at_us, ahead_ns): what the places taken still need, seen at `at_us`.

local gcra = {}

function gcra.read(raw, now, _)
  if not raw then
    return { now = now, ahead = 0 }
  end
  local at, ahead = cmsgpack.unpack(raw)
  if now < at then
    now = at
  end
  return { now = now, ahead = math.max(0, ahead - (now - at) * 1000) }
end

function gcra.wait(state, interval, places, cost)
  if cost > places then
    return -1
  end
  local short = state.ahead - (places - cost) * interval
  return short > 0 and math.ceil(short / 1000) or 0
end

function gcra.count(state, interval, places, cost)
  local span = places * interval
  if state.ahead > span - cost * interval then
    state.ahead = span
  else
    state.ahead = state.ahead + cost * interval
  end
end

function gcra.left(state, interval, places)
  local free = places * interval - state.ahead
  return free > 0 and math.floor(free / interval) or 0, math.ceil(state.ahead / 1000)
end

function gcra.packed(state)
  return cmsgpack.pack(state.now, state.ahead)
end

-- The sliding window. A state is a log {began, last, count, last, count, …}, oldest first, of
-- which what stands before `first` is forgotten.

local window = {}

function window.read(raw, now, per)
  local log = raw and cmsgpack.unpack(raw) or { 0 }
  local size = #log
  if size > 1 and now < log[size - 1] then
    now = log[size - 1]
  end
  local first, total = 2, 0
  while first < size and log[first] <= now - per do
    first = first + 2
  end
  for at = first, size, 2 do
    total = total + log[at + 1]
  end
  return { now = now, log = log, first = first, total = total }
end

function window.wait(state, per, places, cost)
  if cost > places then
    return -1
  end
  local short = state.total + cost - places
  if short <= 0 then
    return 0
  end
  local log, at = state.log, state.first
  short = short - log[at + 1]
  while short > 0 do
    at = at + 2
    short = short - log[at + 1]
  end
  return log[at] + per - state.now
end

local function drop(state, places)
  local log = state.log
  state.total = state.total - places
  while places > 0 and places >= log[state.first + 1] do
    places = places - log[state.first + 1]
    state.first = state.first + 2
  end
  if places > 0 then
    log[state.first + 1] = log[state.first + 1] - places
  end
end

function window.count(state, per, places, cost)
  if cost <= 0 then
    return
  end
  cost = math.min(cost, places)
  state.total = state.total + cost
  if state.total > places then
    drop(state, state.total - places)
  end
  local log, now = state.log, state.now
  local size = #log
  local grain = places > PARTS and math.floor(per / PARTS) or 0
  if state.first < size and now - log[1] <= grain then
    log[size - 1] = now
    log[size] = log[size] + cost
  else
    log[size + 1] = now
    log[size + 2] = cost
    log[1] = now
  end
end

function window.left(state, per, places)
  local log = state.log
  local size = #log
  local reset = state.first < size and log[size - 1] + per - state.now or 0
  return math.max(0, places - state.total), reset
end

function window.packed(state)
  if state.first == 2 then
    return cmsgpack.pack(state.log)
  end
  local kept = { state.log[1] }
  for at = state.first, #state.log do
    kept[#kept + 1] = state.log[at]
  end
  return cmsgpack.pack(kept)
end

-- The question: weigh all hits, then count all of them or none.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local hits, states, asked = {}, {}, {}
local allowed = true
for i, key in ipairs(KEYS) do
  local at = i * 5 - 3
  local rules = ARGV[at] == 'gcra' and gcra or window
  local pace, places, cost =
    tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if not states[key] then
    states[key] = rules.read(redis.call('GET', key), now, pace)
  end
  -- A second hit on one count asks for the places of the first as well.
  asked[key] = (asked[key] or 0) + cost
  local wait = rules.wait(states[key], pace, places, asked[key])
  if wait ~= 0 and ARGV[at + 1] ~= 'shadow' then
    allowed = false
  end
  hits[i] = { rules = rules, state = states[key], pace = pace, places = places, cost = cost, wait = wait }
end

if allowed then
  for _, hit in ipairs(hits) do
    hit.rules.count(hit.state, hit.pace, hit.places, hit.cost)
  end
  for i, hit in ipairs(hits) do
    local _, reset = hit.rules.left(hit.state, hit.pace, hit.places)
    local packed = hit.rules.packed(hit.state)
    redis.call('SET', KEYS[i], packed, 'PX', math.ceil(reset / 1000) + SLACK_MS)
  end
end

local answer = { allowed and '1' or '0' }
for i, hit in ipairs(hits) do
  local left, reset = hit.rules.left(hit.state, hit.pace, hit.places)
  answer[i + 1] = string.format('%.0f %.0f %.0f', left, reset, hit.wait)
end
return table.concat(answer, ' ')
