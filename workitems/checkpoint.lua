-- A folder's checkpoint: begun anew, or moved forward and never back, by whoever holds the mailbox's lease.
local name, folder, token, verb = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local box = P .. 'mailbox:' .. name .. ':' .. folder

if token ~= '' and redis.call('GET', P .. 'lease:' .. name) ~= token then return 'lease' end

if verb == 'begin' then
  redis.call('HSET', box, 'uidvalidity', ARGV[5], 'uid', ARGV[6], 'since', ARGV[7], 'below', ARGV[8])
  redis.call('HINCRBY', box, 'baselines', 1)
  redis.call('HDEL', box, 'owed')
elseif verb == 'owe' then
  redis.call('HSET', box, 'owed', ARGV[5])
  if ARGV[6] ~= '0' then redis.call('HINCRBY', box, 'given_up', ARGV[6]) end
else
  -- Only within the numbering that it was made for.
  local now = redis.call('HMGET', box, 'uidvalidity', 'uid')
  if now[1] ~= ARGV[5] then return 'other' end
  if tonumber(ARGV[6]) > tonumber(now[2] or 0) then redis.call('HSET', box, 'uid', ARGV[6]) end
end
return 'done'
