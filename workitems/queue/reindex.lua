-- Complete and clean the indexes of the items, as the items say. Each call is one of four steps for a few members:
-- `list` puts items where they belong, `clean` removes from an index what does not belong there, `group` completes
-- submissions, `link` puts items where their Message-IDs lead. Returns how many entries were missing or wrong.
-- ARGV[1]: the step; ARGV[2] and on: its arguments, which `reindex.py` describes.

local function exists(id)
  return redis.call('EXISTS', P .. 'item:' .. id) == 1 and redis.call('EXISTS', P .. 'gone:' .. id) == 0
end

local function read_item(id)
  -- Return what the indexes have of an item; nil for one that was removed, or whose record is broken.
  local item = read_hash(P .. 'item:' .. id, 'mailbox', 'status', 'score', 'submission', 'reference', 'quarantined')
  local is_whole = item.mailbox and item.status and item.submission and item.reference and tonumber(item.score)
  return is_whole and exists(id) and item or nil
end

local function own_indexes(item)
  -- Return the index of everything first.
  return { P .. 'items', P .. 'items:' .. item.mailbox, P .. 'items:' .. item.status,
    P .. 'items:' .. item.mailbox .. ':' .. item.status, P .. 'submission:' .. item.submission .. ':items' }
end

local function number(reference)
  return tonumber(string.match(reference, '%d+$') or 0)
end

local function agree_on_reference(id, item)
  -- A mail that was read again, before the rest of its submission was found, may have got another reference: the first stays.
  local group = P .. 'submission:' .. item.submission
  redis.call('HSETNX', group, 'reference', item.reference)
  local known = redis.call('HGET', group, 'reference')
  if known == item.reference then return 0 end
  if number(known) > number(item.reference) then
    redis.call('HSET', group, 'reference', item.reference)
  else
    redis.call('HSET', P .. 'item:' .. id, 'reference', known)
  end
  return 1
end

local function closed_since(id)
  -- The time of the last change: an item may be kept longer than it must, and never shorter.
  local last = redis.call('XREVRANGE', P .. 'history:' .. id, '+', '-', 'COUNT', 1)[1]
  return last and string.match(last[1], '^%d+') or milliseconds()
end

local function list(id)
  local item, count = read_item(id), 0
  if not item then return 0 end
  for _, index in ipairs(own_indexes(item)) do count = count + redis.call('ZADD', index, 'CH', item.score, id) end
  if CLOSED[item.status] and not redis.call('ZSCORE', P .. 'closed', id) then
    count = count + redis.call('ZADD', P .. 'closed', closed_since(id), id)
  end
  local since = redis.call('ZSCORE', P .. 'quarantine', id)
  if item.quarantined and not since then
    count = count + redis.call('ZADD', P .. 'quarantine', item.quarantined, id)
  elseif since and not item.quarantined then  -- an older program did not write it into the item
    redis.call('HSET', P .. 'item:' .. id, 'quarantined', since)
  end
  local seq = item.score % 1048576
  if seq > (tonumber(redis.call('GET', P .. 'seq') or 0) or 0) then redis.call('SET', P .. 'seq', string.format('%.0f', seq)) end
  count = count + agree_on_reference(id, item)
  return count + redis.call('HSETNX', P .. 'references', redis.call('HGET', P .. 'item:' .. id, 'reference'), item.submission)
end

local function belongs(index, item)
  if index == P .. 'closed' then return CLOSED[item.status] end
  if index == P .. 'quarantine' then return true end  -- each publish corrects it
  for _, own in ipairs(own_indexes(item)) do
    if index == own then return true end
  end
end

local function clean(index, id)
  local item = read_item(id)
  if item and belongs(index, item) or not item and exists(id) then return 0 end
  return redis.call('ZREM', index, id)
end

local function name_merged(submission)
  -- Make the names of the submissions that became this one lead to it again.
  local count = 0
  for id, reference in string.gmatch(redis.call('HGET', P .. 'submission:' .. submission, 'merged') or '', '([^,=]+)=([^,]+)') do
    count = count + redis.call('HSETNX', P .. 'merged', id, submission)
    count = count + redis.call('HSETNX', P .. 'references', reference, submission)
  end
  return count
end

local function group(submission)
  local key, count = P .. 'submission:' .. submission, 0
  -- A larger one was cleaned before.
  if redis.call('ZCARD', key .. ':items') <= 10 then
    for _, id in ipairs(redis.call('ZRANGE', key .. ':items', 0, -1)) do count = count + clean(key .. ':items', id) end
  end
  local before = read_hash(key, 'reference', 'assignee', 'items')
  count = count + name_merged(submission)
  if complete_submission(submission) then return count + (before.assignee and before.items and 0 or 1) end
  -- Its items are lost, and those that are read again join it; or its newest item is broken.
  if before.reference then redis.call('HSET', key, 'items', redis.call('ZCARD', key .. ':items')) end
  return count
end

local function link(mail)
  local item, count = read_item(mail.id), 0
  if not item then return 0 end
  for _, message in ipairs(mail.references) do
    local is_known = redis.call('HEXISTS', P .. 'messageid:' .. message, 'submission:' .. item.mailbox) == 1
    if not is_known then count = count + add_submission(P .. 'messageid:' .. message, item.mailbox, item.submission) end
  end
  if mail.message_id == '' then return count end
  local key = P .. 'messageid:' .. mail.message_id
  return count + add_submission(key, item.mailbox, item.submission) + add_copy(key, mail.id)
end

local step, count = ARGV[1], 0
for i = 2, #ARGV do
  if step == 'list' then
    count = count + list(ARGV[i])
  elseif step == 'clean' then
    if i > 2 then count = count + clean(ARGV[2], ARGV[i]) end
  elseif step == 'group' then
    count = count + group(ARGV[i])
  else
    count = count + link(cjson.decode(ARGV[i]))
  end
end
return count
