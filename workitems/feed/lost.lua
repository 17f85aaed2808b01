-- Count the entries of the feed whose events were lost; those of removed items were erased. ARGV: after which entry to
-- begin ('-': with the first), and how many entries to look at. Returns that count and the last entry; '' at the end.
local entries = redis.call('XRANGE', FEED, ARGV[1], '+', 'COUNT', ARGV[2])
local count = 0
for _, entry in ipairs(entries) do
  local fields, id, has_data = entry[2], nil, false
  for i = 1, #fields, 2 do
    if fields[i] == 'id' then id = fields[i + 1] end
    if fields[i] == 'data' then has_data = true end
  end
  if (id or '') ~= '' and not has_data and redis.call('HEXISTS', P .. 'events:' .. id, entry[1]) == 0
      and redis.call('EXISTS', P .. 'gone:' .. id) == 0 then
    count = count + 1
  end
end
return { count, #entries > 0 and entries[#entries][1] or '' }
