-- What every script shares: the prefix of all keys, and the feed's append with its epoch rule.
-- CLOSED, a set of statuses, is written in front of this by workitems/base/redis.py.
-- KEYS[1] is the feed's key. Ids are handled as strings: Lua prints large numbers as 1.76e+15.

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
  local info = redis.pcall('INFO', 'server')
  if type(info) == 'string' then return string.match(info, 'run_id:(%x+)') end
  -- INFO is forbidden. The order in which Redis keeps a set depends on the random seed of its process (dict.c): it
  -- stays the same until the next start. Members above 64 bytes are never kept as a sorted list.
  local key = P .. 'feed:seed'
  local members = redis.call('SMEMBERS', key)
  if #members == 0 then
    for i = 1, 32 do members[i] = string.rep('x', 65) .. i end
    redis.call('SADD', key, unpack(members))
    redis.call('SMISMEMBER', key, unpack(members))  -- completes the growth of the set, which would change the order
    members = redis.call('SMEMBERS', key)
  end
  return redis.sha1hex(table.concat(members, ' '))
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

local function last_reference()
  -- The last number given in a reference. When only that was lost, each number that may have been given counts.
  return tonumber(redis.call('GET', P .. 'reference:n') or redis.call('GET', P .. 'reference:most') or 0)
end

local upcoming  -- what next_place found, for the next event of the same call

local function next_place()
  -- Where the next event goes: its id and, when a new epoch begins with it, what is to be remembered of the old one.
  -- A restarted Redis may have lost its last writes: ids of a new epoch can never be those of lost events.
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
  local known = last or last_reference() > 0
  return { now = now, id = epoch .. '-1', jump = known and 1000 or 0, run = run, prev = last or '0-0' }
end

local function trim(cap)
  -- Removes the oldest entries, each with its event in events:<id>, a hundred at a time as XADD's own ~ does.
  local surplus = redis.call('XLEN', FEED) - cap
  if surplus < 100 then return end
  local oldest = redis.call('XRANGE', FEED, '-', '+', 'COUNT', math.min(surplus, 500) + 1)
  for i = 1, #oldest - 1 do
    local fields = oldest[i][2]
    if fields[1] == 'id' then redis.call('HDEL', P .. 'events:' .. fields[2], oldest[i][1]) end
  end
  redis.call('XTRIM', FEED, 'MINID', oldest[#oldest][1])
end

local function append(place, id, data, mailbox, status, was, cap, permanent)
  -- The first write of every script: a full Redis refuses it here, before anything was changed.
  -- *permanent*: the event stays when its item is removed. All others are stored beside the stream, where one DEL
  -- erases them; XDEL would leave the bytes of an entry among its neighbours.
  local entry = { 'id', id, 'mailbox', mailbox, 'status', status, 'was', was, 'at', place.now }
  if place.run then
    -- In the entry too: a reader that resumes over two restarts needs the border of each.
    entry[#entry + 1], entry[#entry + 2] = 'prev', place.prev
  end
  if permanent then entry[#entry + 1], entry[#entry + 2] = 'data', data end
  redis.call('XADD', FEED, place.id, unpack(entry))
  if not permanent then redis.call('HSET', P .. 'events:' .. id, place.id, data) end
  trim(tonumber(cap))
  if place.run then
    redis.call('SET', P .. 'feed:run', place.run)
    redis.call('SET', P .. 'feed:prev', place.prev)
  end
  if place.jump > 0 then redis.call('SET', P .. 'reference:n', string.format('%.0f', last_reference() + place.jump)) end
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

local function note_status(id, status)
  -- Keeps the time since when an item is closed: its retention is counted from there.
  if CLOSED[status] then
    redis.call('ZADD', P .. 'closed', 'NX', milliseconds(), id)
  else
    redis.call('ZREM', P .. 'closed', id)
  end
end

local function remember(id, who, field, before, after)
  redis.call('XADD', P .. 'history:' .. id, 'MAXLEN', '~', 500, '*',
    'who', who, 'field', field, 'before', before, 'after', after)
end
