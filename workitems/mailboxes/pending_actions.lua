-- Pending actions of a mailbox: list the locations that are due, remove those that are done, postpone the others.
local key, verb = P .. 'after:' .. ARGV[1], ARGV[2]
local tries = key .. ':tries'

if verb == 'due' then
  return redis.call('ZRANGEBYSCORE', key, '-inf', milliseconds(), 'LIMIT', 0, ARGV[3])
end
if verb == 'done' then
  for i = 3, #ARGV do
    redis.call('ZREM', key, ARGV[i])
    redis.call('HDEL', tries, ARGV[i])
  end
else
  local base, cap, part = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local now = tonumber(milliseconds())
  for i = 6, #ARGV do
    -- It may have been removed meanwhile, together with its item.
    if redis.call('ZSCORE', key, ARGV[i]) then
      local n = math.min(redis.call('HINCRBY', tries, ARGV[i], 1), 40)
      local wait = math.floor(math.min(cap, base * 2 ^ (n - 1)) * part)
      redis.call('ZADD', key, 'XX', string.format('%.0f', now + wait), ARGV[i])
    end
  end
  -- The attempts of locations that were removed stay behind until they expire; those that wait are tried more often.
  redis.call('EXPIRE', tries, 7 * 86400)
end
return 'done'
