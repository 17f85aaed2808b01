-- A mailbox's checkpoint moves forward, never back, and only within the numbering that it was made for.
local box = P .. 'mailbox:' .. ARGV[1]
local uidvalidity, uid = ARGV[2], ARGV[3]

local now = redis.call('HMGET', box, 'uidvalidity', 'uid')
if now[1] ~= uidvalidity then return 0 end
if tonumber(uid) > tonumber(now[2] or 0) then redis.call('HSET', box, 'uid', uid) end
return 1
