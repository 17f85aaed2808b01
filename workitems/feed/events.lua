-- Return the events of entries of the feed. ARGV: the item id and the cursor of each entry, in pairs.
-- For each: its event, '' when it was erased with its item, nil when its entry was trimmed since it was read.
local found = {}
for i = 1, #ARGV, 2 do
  local event = redis.call('HGET', P .. 'events:' .. ARGV[i], ARGV[i + 1])
  if not event and redis.call('XRANGE', FEED, ARGV[i + 1], ARGV[i + 1])[1] then event = '' end
  found[#found + 1] = event
end
return found
