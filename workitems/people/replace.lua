-- Replace all records of a hash by those of a newer revision.
-- ARGV: the hash's name, the revision, then name and value of each record.
local hash, revision = P .. ARGV[1], tonumber(ARGV[2])
if tonumber(redis.call('HGET', hash, '') or 0) >= revision then return 'known' end
redis.call('HSET', hash, '', ARGV[2])  -- first, since a full Redis refuses it while nothing is changed
local kept = { [''] = true }
for i = 3, #ARGV, 2 do
  kept[ARGV[i]] = true
  redis.call('HSET', hash, ARGV[i], ARGV[i + 1])
end
for _, name in ipairs(redis.call('HKEYS', hash)) do
  if not kept[name] then redis.call('HDEL', hash, name) end
end
return 'replaced'
