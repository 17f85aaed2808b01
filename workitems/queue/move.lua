-- Move an item to another submission, or to a new one of its own: feed, item, both submissions and history in one step.
-- ARGV[1]: a JSON object; `Submissions` says what is in it.
local move = cjson.decode(ARGV[1])
local key = P .. 'item:' .. move.id

local function become_name(source, reference, target)
  -- An empty submission lives on as a name of the one that it was merged into.
  local group = P .. 'submission:' .. source
  local names = redis.call('HGET', group, 'merged')
  names = source .. '=' .. reference .. (names and ',' .. names or '')
  for id, name in string.gmatch(names, '([^,=]+)=([^,]+)') do
    redis.call('HSET', P .. 'merged', id, target)
    redis.call('HSET', P .. 'references', name, target)
  end
  local known = redis.call('HGET', P .. 'submission:' .. target, 'merged')
  redis.call('HSET', P .. 'submission:' .. target, 'merged', known and known .. ',' .. names or names)
  redis.call('DEL', group, group .. ':items')
end

local function forget()
  -- Redis lost an item that its submission still lists.
  local group = P .. 'submission:' .. move.source
  if redis.call('EXISTS', key) == 1 or not redis.call('ZSCORE', group .. ':items', move.id) then return end
  local reference = redis.call('HGET', group, 'reference')
  if leave_submission(move.source, move.id) and reference and has_submission(move.target) then
    become_name(move.source, reference, move.target)
  end
end

if move.is_lost then
  forget()
  return { 'missing' }
end

local item = read_hash(key, 'version', 'reading', 'status', 'mailbox', 'submission', 'reference', 'score', 'assignee')
if not item.version then return { 'missing' } end
if move.source and item.submission ~= move.source then return { 'same' } end  -- somebody moved it meanwhile
if item.version ~= move.version or item.reading ~= move.reading then return { 'again' } end

local place = next_place()
local target, reference, number = move.target, nil, nil
if target then
  if target == item.submission then return { 'same' } end
  if not has_submission(target) then return { 'no target' } end
  reference = redis.call('HGET', P .. 'submission:' .. target, 'reference')
else
  if redis.call('ZCARD', P .. 'submission:' .. item.submission .. ':items') < 2 then return { 'alone' } end
  target = move.fresh
  number, reference = next_reference(place, move.year, move.bounded)
  if not reference then return { 'reserve', string.format('%.0f', number) } end
end

local version = string.format('%d', item.version + 1)
local feed_id = append(place, move.id, envelope('workitem_updated', move.head,
  tail(target, reference, item.status, item.assignee, version, item.score)),
  item.mailbox, item.status, item.status, move.max_events)
if number then redis.call('SET', P .. 'reference:n', string.format('%.0f', number)) end
complete_submission(item.submission)
redis.call('HSET', key, 'submission', target, 'reference', reference, 'version', version)
local group = P .. 'submission:' .. target
if number then
  redis.call('HSET', group, 'reference', reference, 'assignee', item.assignee)
  redis.call('HSET', P .. 'references', reference, target)
end
redis.call('HINCRBY', group, 'items', 1)
redis.call('ZADD', group .. ':items', item.score, move.id)
if leave_submission(item.submission, move.id) then become_name(item.submission, item.reference, target) end
remember(move.id, move.who, 'submission', item.reference, reference)
return { 'moved', feed_id }
