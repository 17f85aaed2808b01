-- Remove an item for good: publish its removal, delete all that Redis has of it, and leave a tombstone.
local id, tombstone, cap = ARGV[1], ARGV[2], ARGV[3]
local closed_by = ARGV[4]  -- ms: remove only when it was closed by then and none of its mail waits to be read; '': in any case
local always = ARGV[5]  -- '1': leave a tombstone also for an item that is not known here
local expected = ARGV[6]  -- remove only this version of the item; '': any
-- ARGV[7] and on: keys of the Message-IDs of the mail and of the mails that it answers
local key, waits = P .. 'item:' .. id, P .. 'attempts:' .. id

local now = redis.call('HMGET', key, 'mailbox', 'status', 'submission', 'reference', 'locations', 'version')
local waiting = redis.call('EXISTS', waits) == 1
if closed_by ~= '' then
  local since = redis.call('ZSCORE', P .. 'closed', id)
  local is_closed = CLOSED[now[2]]
  if not is_closed then redis.call('ZREM', P .. 'closed', id) end
  if waiting or not is_closed or not since or tonumber(since) > tonumber(closed_by) then return { 'kept' } end
  -- A mail may have joined since the caller looked at the submission.
  if now[3] and not is_finished(now[3]) then return { 'kept' } end
end
if expected ~= '' and (now[1] or waiting) and now[6] ~= expected then return { 'changed' } end
if not now[1] and not waiting then
  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then return { 'gone' } end
  if always ~= '1' then return { 'missing' } end
  redis.call('SET', P .. 'gone:' .. id, tombstone)
  redis.call('DEL', P .. 'events:' .. id)
  return { 'buried' }
end

local feed_id = ''
if now[1] then
  feed_id = append(next_place(), id, '{"event":"workitem_removed","data":{"id":"' .. id .. '","mailbox":"' .. now[1] ..
    '","submission_id":"' .. now[3] .. '","submission_ref":"' .. now[4] .. '"}}', now[1], now[2], now[2], cap, true)
end
redis.call('SET', P .. 'gone:' .. id, tombstone, 'NX')
redis.call('ZADD', P .. 'removing', 'NX', milliseconds(), id)
redis.call('HSETNX', P .. 'retention', 'removed', milliseconds())
if now[3] then complete_submission(now[3]) end
redis.call('DEL', key, waits, P .. 'history:' .. id, P .. 'events:' .. id)
redis.call('DEL', P .. 'answer:trial')  -- it may have what was read from the mail
redis.call('ZREM', P .. 'quarantine', id)
redis.call('ZREM', P .. 'closed', id)
if not now[1] then return { 'removed', feed_id } end

local mailbox, status, submission = now[1], now[2], now[3]
for _, set in ipairs({ 'items', 'items:' .. mailbox, 'items:' .. status, 'items:' .. mailbox .. ':' .. status }) do
  redis.call('ZREM', P .. set, id)
end
for location in string.gmatch(now[5] or '', '[^\n]+') do redis.call('ZREM', P .. 'after:' .. mailbox, location) end
local group = P .. 'submission:' .. submission
local last = leave_submission(submission, id)
if last then
  redis.call('HDEL', P .. 'references', now[4])
  for id, reference in string.gmatch(redis.call('HGET', group, 'merged') or '', '([^,=]+)=([^,]+)') do
    redis.call('HDEL', P .. 'merged', id)
    redis.call('HDEL', P .. 'references', reference)
  end
  redis.call('DEL', group, group .. ':items')
end
for i = 7, #ARGV do
  local message, left = P .. 'messageid:' .. ARGV[i], {}
  for other in string.gmatch(redis.call('HGET', message, 'items') or '', '[^,]+') do
    if other ~= id then left[#left + 1] = other end
  end
  if #left > 0 then redis.call('HSET', message, 'items', table.concat(left, ',')) else redis.call('HDEL', message, 'items') end
  if last then remove_submission(message, mailbox, submission) end
end
return { 'removed', feed_id }
