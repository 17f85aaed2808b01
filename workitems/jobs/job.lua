-- A job. ARGV: its kind, a verb, and what the verb needs.
local kind, verb = ARGV[1], ARGV[2]
local key, answer = P .. 'job:' .. kind, P .. 'answer:' .. kind
local state = redis.call('HGET', key, 'state')
local is_unfinished = state == 'waiting' or state == 'running'

if verb == 'ask' then
  local id, request, who, life = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
  if is_unfinished then return 'busy' end
  redis.call('DEL', key, answer)
  redis.call('HSET', key, 'id', id, 'state', 'waiting', 'request', request, 'who', who, 'asked', milliseconds(),
    'tries', '0', 'progress', '{}', 'reason', '')
  redis.call('PEXPIRE', key, life)
  return 'asked'
end
if verb == 'stop' then
  if not is_unfinished then return 'missing' end
  redis.call('HSET', key, 'state', 'stopped')
  return 'stopped'
end

-- All other verbs are those of the worker that holds the lease.
local lease, token = ARGV[3], ARGV[4]
if not is_unfinished or redis.call('GET', P .. 'lease:' .. lease) ~= token then return 'lost' end
if verb == 'start' then
  redis.call('HSET', key, 'state', 'running')
  redis.call('HINCRBY', key, 'tries', 1)
  return 'started'
end

-- report: the new state; '' for the reason and the answer where there is none; ids of items whose content is in the answer
local id, state, progress, reason, life, result = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
if redis.call('HGET', key, 'id') ~= id then return 'lost' end
for i = 11, #ARGV do
  if redis.call('EXISTS', P .. 'gone:' .. ARGV[i]) == 1 then
    state, reason, result = 'failed', 'an item was removed meanwhile; ask again', ''
  end
end
redis.call('HSET', key, 'state', state, 'progress', progress, 'reason', reason)
if state == 'waiting' then redis.call('HINCRBY', key, 'tries', -1) end  -- given back: this try does not count
if result ~= '' then redis.call('SET', answer, result, 'PX', life) end
redis.call('PEXPIRE', key, life)
return 'reported'
