-- Set a folder's checkpoint, or move it forward and never back, and record the folder's state. Only the worker that
-- holds the mailbox's lease may do either.
local name, folder, token, verb = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local box = P .. 'mailbox:' .. name .. ':' .. folder

if token ~= '' and redis.call('GET', P .. 'lease:' .. name) ~= token then return 'lease' end

local function now()
  local time = milliseconds()
  return string.sub(time, 1, -4) .. '.' .. string.sub(time, -3)
end

if verb == 'begin' then
  -- Seen before: its UIDVALIDITY changed, or Redis lost its record.
  if ARGV[9] == '1' or redis.call('HEXISTS', box, 'baselines') == 1 then redis.call('HSET', box, 'rebaselined', now()) end
  redis.call('HSET', box, 'uidvalidity', ARGV[5], 'uid', ARGV[6], 'from', ARGV[7], 'below', ARGV[8])
  redis.call('HINCRBY', box, 'baselines', 1)
  redis.call('HDEL', box, 'unfetched')
elseif verb == 'unfetched' then
  redis.call('HSET', box, 'unfetched', ARGV[5])
  if ARGV[6] ~= '0' then redis.call('HINCRBY', box, 'given_up', ARGV[6]) end
elseif verb == 'state' then
  if redis.call('HGET', box, 'state') ~= ARGV[5] then redis.call('HSET', box, 'since', now()) end
  redis.call('HSET', box, 'state', ARGV[5], 'error', ARGV[6], 'worker', ARGV[8])
  if ARGV[7] == '1' then redis.call('HSET', box, 'checked', now()) end
  -- The progress of an import that was killed.
  if redis.call('EXISTS', P .. 'lease:import.' .. name) == 0 then redis.call('HDEL', box, 'import_todo', 'import_taken') end
  if ARGV[9] == '' then
    redis.call('HDEL', box, 'todo', 'taken')
  else
    redis.call('HSET', box, 'todo', ARGV[9], 'taken', ARGV[10])
  end
else
  -- Only within the UIDVALIDITY that it was made for.
  local known = redis.call('HMGET', box, 'uidvalidity', 'uid')
  if known[1] ~= ARGV[5] then return 'other' end
  if tonumber(ARGV[6]) > tonumber(known[2] or 0) then redis.call('HSET', box, 'uid', ARGV[6]) end
end
return 'done'
