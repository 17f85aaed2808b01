-- What every script shares: its arguments, the prefix of all keys, and the feed's append with its epoch rule.
-- KEYS[1] is the feed's key. Ids are handled as strings: Lua prints large numbers as 1.76e+15.

local ARGV = (function(packed)
  -- All arguments come as one (workitems/redis.py, pack): a line of their lengths, then they, one after another.
  local found, line = {}, string.find(packed, '\n', 1, true)
  local at = line + 1
  for length in string.gmatch(string.sub(packed, 1, line), '%d+') do
    found[#found + 1] = string.sub(packed, at, at + length - 1)
    at = at + length
  end
  return found
end)(ARGV[1])

local FEED = KEYS[1]
local P = string.sub(FEED, 1, -5)

local function generated()
  -- The last id that the stream ever gave, also when its entry was trimmed or deleted since. nil: there is no stream.
  if redis.call('EXISTS', FEED) == 0 then return nil end
  local info = redis.call('XINFO', 'STREAM', FEED)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

local upcoming  -- what next_place found, for the next event of the same call

local function next_place()
  -- Where the next event goes: its id and, when a new epoch begins with it, what is to be remembered of the old one.
  -- A Redis that started anew may have lost its last writes: ids of a new epoch can never be those of lost events.
  if upcoming then return upcoming end
  local now, last, run = milliseconds(), generated(), run_id()
  if last and redis.call('GET', P .. 'feed:run') == run then
    local epoch, n = string.match(last, '^(%d+)%-(%d+)$')
    return { now = now, id = epoch .. '-' .. string.format('%.0f', tonumber(n) + 1), jump = 0 }
  end
  local epoch = now
  if last then
    local old = tonumber(string.match(last, '^(%d+)'))
    if tonumber(now) <= old then epoch = string.format('%.0f', old + 1) end
  end
  -- References that were given before a loss must not be given again; only a Redis without any begins at 1.
  local known = last or redis.call('EXISTS', P .. 'reference:n') == 1
  return { now = now, id = epoch .. '-1', jump = known and 1000 or 0, run = run, prev = last or '0-0' }
end

local function append(place, id, data, mailbox, status, was, cap)
  -- The first write of every script: when Redis is full it is refused here, before anything was changed.
  local entry = { 'id', id, 'data', data, 'mailbox', mailbox, 'status', status, 'was', was, 'at', place.now }
  if place.run then
    -- In the entry too: who reads on over two restarts finds each border where it lies.
    entry[#entry + 1], entry[#entry + 2] = 'prev', place.prev
  end
  redis.call('XADD', FEED, 'MAXLEN', '~', cap, place.id, unpack(entry))
  if place.run then
    redis.call('SET', P .. 'feed:run', place.run)
    redis.call('SET', P .. 'feed:prev', place.prev)
  end
  if place.jump > 0 then redis.call('INCRBY', P .. 'reference:n', place.jump) end
  redis.call('PUBLISH', 'workitems_updates', data)
  local epoch, n = string.match(place.id, '^(%d+)%-(%d+)$')
  upcoming = { now = place.now, id = epoch .. '-' .. string.format('%.0f', tonumber(n) + 1), jump = 0 }
  return place.id
end

local function envelope(event, head, tail)
  -- Joins two JSON objects without reading them: cjson turns [] into {} and large numbers into floats.
  return '{"event":"' .. event .. '","data":' .. string.sub(head, 1, -2) .. ',' .. tail .. '}}'
end

local function tail(submission, reference, status, assignee, version, score)
  local who = assignee ~= '' and cjson.encode(assignee) or 'null'
  return '"submission_id":"' .. submission .. '","submission_ref":"' .. reference .. '","status":"' .. status ..
    '","assignee":' .. who .. ',"version":' .. version .. ',"seq":' .. score
end

local function index(score, id, mailbox, status)
  redis.call('ZADD', P .. 'items', score, id)
  redis.call('ZADD', P .. 'items:' .. mailbox, score, id)
  redis.call('ZADD', P .. 'items:' .. status, score, id)
  redis.call('ZADD', P .. 'items:' .. mailbox .. ':' .. status, score, id)
end

local function closed(id, status)
  -- Since when nobody needs to do anything about it: how long it is kept counts from there.
  if status == 'done' or status == 'dismissed' then
    redis.call('ZADD', P .. 'closed', 'NX', milliseconds(), id)
  else
    redis.call('ZREM', P .. 'closed', id)
  end
end

local function remember(id, who, field, before, after)
  redis.call('XADD', P .. 'history:' .. id, 'MAXLEN', '~', 500, '*',
    'who', who, 'field', field, 'before', before, 'after', after)
end
