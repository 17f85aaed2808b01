-- A folder's checkpoint, begun anew, or moved forward and never back, and how the folder is doing: both are written by
-- whoever holds the mailbox's lease, and by nobody else.
local name, folder, token, verb = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local box = P .. 'mailbox:' .. name .. ':' .. folder

if token ~= '' and redis.call('GET', P .. 'lease:' .. name) ~= token then return 'lease' end

local function now()
  local time = milliseconds()
  return string.sub(time, 1, -4) .. '.' .. string.sub(time, -3)
end

if verb == 'begin' then
  -- Seen before: its server numbers mail anew, or what was known of it was lost.
  if ARGV[9] == '1' or redis.call('HEXISTS', box, 'baselines') == 1 then redis.call('HSET', box, 'rebaselined', now()) end
  redis.call('HSET', box, 'uidvalidity', ARGV[5], 'uid', ARGV[6], 'from', ARGV[7], 'below', ARGV[8])
  redis.call('HINCRBY', box, 'baselines', 1)
  redis.call('HDEL', box, 'owed')
elseif verb == 'owe' then
  redis.call('HSET', box, 'owed', ARGV[5])
  if ARGV[6] ~= '0' then redis.call('HINCRBY', box, 'given_up', ARGV[6]) end
elseif verb == 'tell' then
  if redis.call('HGET', box, 'state') ~= ARGV[5] then redis.call('HSET', box, 'since', now()) end
  redis.call('HSET', box, 'state', ARGV[5], 'error', ARGV[6], 'worker', ARGV[8])
  if ARGV[7] == '1' then redis.call('HSET', box, 'checked', now()) end
  -- What an import told that was killed.
  if redis.call('EXISTS', P .. 'lease:import.' .. name) == 0 then redis.call('HDEL', box, 'import_todo', 'import_taken') end
  if ARGV[9] == '' then
    redis.call('HDEL', box, 'todo', 'taken')
  else
    redis.call('HSET', box, 'todo', ARGV[9], 'taken', ARGV[10])
  end
else
  -- Only within the numbering that it was made for.
  local known = redis.call('HMGET', box, 'uidvalidity', 'uid')
  if known[1] ~= ARGV[5] then return 'other' end
  if tonumber(ARGV[6]) > tonumber(known[2] or 0) then redis.call('HSET', box, 'uid', ARGV[6]) end
end
return 'done'
