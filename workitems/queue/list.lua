-- Read a page of items and the feed's head in one step: no event is lost between the list and the stream.
local set, before, limit = ARGV[1], ARGV[2], ARGV[3]
local ids = redis.call('ZREVRANGEBYSCORE', set, before, '-inf', 'LIMIT', 0, limit)
local records = {}
for i, id in ipairs(ids) do
  records[i] = redis.call('HGETALL', P .. 'item:' .. id)
end
return { generated() or '0-0', ids, records }
