-- What a person did to an item: feed, item, indexes and history in one step, if nobody was faster.
local id, version, reading, head, person, status, assignee = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local cap, who = ARGV[8], ARGV[9]
local settled = ARGV[10]  -- '1': mail of items that are closed is dealt with in its mailbox; ARGV[11] and on: field, before, after
local key = P .. 'item:' .. id

local now = redis.call('HMGET', key, 'version', 'reading', 'status', 'mailbox', 'submission', 'reference', 'score', 'assignee')
if not now[1] then return { 'missing' } end
if now[1] ~= version then return { 'conflict' } end
if now[2] ~= reading then return { 'again' } end

local mailbox, was, score = now[4], now[3], now[7]
local raised = string.format('%d', version + 1)
local feed_id = append(next_place(), id, envelope('workitem_updated', head, tail(now[5], now[6], status, assignee, raised, score)),
  mailbox, status, was, cap)
redis.call('HSET', key, 'person', person, 'status', status, 'assignee', assignee, 'version', raised)
if status ~= was then
  redis.call('ZREM', P .. 'items:' .. was, id)
  redis.call('ZREM', P .. 'items:' .. mailbox .. ':' .. was, id)
  index(score, id, mailbox, status)
  closed(id, status)
  if settled == '1' and (status == 'done' or status == 'dismissed') then
    for place in string.gmatch(redis.call('HGET', key, 'places') or '', '[^\n]+') do
      redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', place)
    end
  end
end
-- A change of something else must not hand the whole submission over to who has this item.
if assignee ~= now[8] then redis.call('HSET', P .. 'submission:' .. now[5], 'assignee', assignee) end
for i = 11, #ARGV, 3 do remember(id, who, ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return { 'changed', feed_id }
