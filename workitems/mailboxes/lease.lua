-- The lease of a mailbox: one worker at a time has it, until it releases it or does not renew it.
local key, verb, owner, token, life = P .. 'lease:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local heir = ARGV[6]  -- '1' when the process has just started: it may take over from an earlier process of its name
local held = redis.call('GET', key) or ''

if verb == 'release' then
  if held == token then redis.call('DEL', key) end
  return { '', 0 }
end
if held ~= '' and held == token then
  redis.call('PEXPIRE', key, life)
  return { token, 0 }
end
if held ~= '' and (heir ~= '1' or string.match(held, ' (.*)$') ~= owner) then return { '', redis.call('PTTL', key) } end
-- It is free, or an earlier process of the same name held it. The time makes each token unique, also after a loss.
local time = redis.call('TIME')
local fresh = time[1] .. '.' .. time[2] .. ' ' .. owner
redis.call('SET', key, fresh, 'PX', life)
return { fresh, 0 }
