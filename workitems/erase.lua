-- Take the events of removed items out of the feed, a stretch at a time. XDEL alone marks an entry as deleted and leaves
-- its bytes among its neighbours, in memory and in every file: so what stays is copied, and the copy takes the feed's
-- place. Where the erased ones lay is remembered, that no reader takes the gap for a loss.
local verb, token, after, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lock, copy = P .. 'feed:erasing', P .. 'feed:copy'
local wanted = {}
for i = 5, #ARGV do wanted[ARGV[i]] = true end

local function is_wanted(fields)
  local data = fields.data or ''
  -- An older program's entries name the item in what they tell alone. What tells of a removal itself stays.
  local id = fields.id or string.match(data, '^{"event":"[%w_]+","data":{"id":"([^"]+)"')
  return id and wanted[id] and not string.match(data, '^{"event":"workitem_removed"')
end

local function named(pairs_of_entry)
  local fields = {}
  for i = 1, #pairs_of_entry, 2 do fields[pairs_of_entry[i]] = pairs_of_entry[i + 1] end
  return fields
end

local entries = redis.call('XRANGE', FEED, '(' .. after, '+', 'COUNT', count)
local last, erased = entries[#entries] and entries[#entries][1] or '', 0

if verb == 'look' then
  for _, entry in ipairs(entries) do
    if is_wanted(named(entry[2])) then erased = erased + 1 end
  end
  return { last, erased }
end

if verb == 'begin' then
  if not redis.call('SET', lock, token, 'NX', 'PX', 30000) then return { 'busy', 0 } end
  redis.call('DEL', copy)
elseif redis.call('GET', lock) ~= token then
  return { 'busy', 0 }
end
redis.call('PEXPIRE', lock, 30000)
for _, entry in ipairs(entries) do
  local fields = named(entry[2])
  if is_wanted(fields) then
    redis.call('HSET', P .. 'feed:erased', entry[1], fields.prev or '')
    erased = erased + 1
  else
    redis.call('XADD', copy, entry[1], unpack(entry[2]))
  end
end
if #entries == tonumber(count) then return { last, erased } end

-- All of it is copied, and nothing can be added before this step ends.
if redis.call('EXISTS', copy) == 1 then
  redis.call('XSETID', copy, generated())
  redis.call('RENAME', copy, FEED)
elseif redis.call('EXISTS', FEED) == 1 then
  redis.call('XTRIM', FEED, 'MAXLEN', 0)
end
redis.call('DEL', lock)
return { '', erased }
