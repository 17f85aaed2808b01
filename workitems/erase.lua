-- Take the events of removed items out of a stretch of the feed; where they lay is remembered, so that no reader takes
-- the gap for a loss. What tells of a removal itself stays.
local after, count = ARGV[1], ARGV[2]
local wanted = {}
for i = 3, #ARGV do wanted[ARGV[i]] = true end

local erased, last = 0, ''
for _, entry in ipairs(redis.call('XRANGE', FEED, '(' .. after, '+', 'COUNT', count)) do
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  -- An older program's entries name the item in what they tell alone.
  local id = fields.id or string.match(fields.data or '', '^{"event":"[%w_]+","data":{"id":"([^"]+)"')
  if id and wanted[id] and not string.match(fields.data, '^{"event":"workitem_removed"') then
    redis.call('HSET', P .. 'feed:erased', entry[1], fields.prev or '')
    redis.call('XDEL', FEED, entry[1])
    erased = erased + 1
  end
  last = entry[1]
end
return { last, erased }
