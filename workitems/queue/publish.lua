-- Publish what was read: feed, item, indexes, threads, history and acknowledgement in one step, for one mail after another.
-- Lua does not roll back, so everything is read first, then the feed is written, then the rest.
-- ARGV: a JSON object for each mail; `ItemStore.publish` says what is in it. `head` and `machine` are
-- text in it: cjson turns [] into {} and large numbers into floats.

-- The last item's running number, once this call has asked for it.
local seq

local function update_quarantine(mail)
  local key = P .. 'item:' .. mail.id
  if mail.quarantined then
    redis.call('HSETNX', key, 'quarantined', redis.call('TIME')[1] .. '000')
    redis.call('ZADD', P .. 'quarantine', redis.call('HGET', key, 'quarantined'), mail.id)
  else
    redis.call('HDEL', key, 'quarantined')
    redis.call('ZREM', P .. 'quarantine', mail.id)
  end
end

-- The intake entry ------------------------------------------------------------------------------------------------------

local function read_waiting(mail)
  -- Return the locations of the mail, when its after-action is due, and which of its variants wait.
  return mail.entry ~= '' and read_hash(P .. 'attempts:' .. mail.id, 'locations', 'after', 'raws') or {}
end

local function acknowledge(mail, waiting)
  -- The entry is finished. Variants that came after we looked have entries of their own, and stay.
  if mail.entry == '' then return end
  local attempts = P .. 'attempts:' .. mail.id
  local left = mail.raws ~= '' and list_missing(waiting.raws or '', mail.raws) or {}
  redis.call('XACK', P .. 'intake', 'readers', mail.entry)
  redis.call('XDEL', P .. 'intake', mail.entry)
  if #left == 0 then
    redis.call('DEL', attempts)
  else
    redis.call('HDEL', attempts, 'n', 'locations', 'after')
    redis.call('HSET', attempts, 'raws', table.concat(left, ','))
  end
end

local function schedule_if_due(mail, waiting, status)
  -- There is an item now, so the after-action of its mail may be due.
  if waiting.locations and waiting.after and (waiting.after ~= 'done' or CLOSED[status]) then
    schedule_actions(mail.mailbox, waiting.locations)
  end
end

local function acknowledge_known(mail, item)
  -- As `acknowledge`, for an item that was there before.
  local waiting = read_waiting(mail)
  if waiting.locations then
    local before = item.locations or ''
    redis.call('HSET', P .. 'item:' .. mail.id, 'locations',
      before == '' and waiting.locations or string.sub(before .. '\n' .. waiting.locations, 1, 8000))
    schedule_if_due(mail, waiting, item.status)
  end
  acknowledge(mail, waiting)
end

-- An item that is there ---------------------------------------------------------------------------------------------------

local function write_people(mail)
  -- Settings, or a program that reads better, may have changed who takes part.
  local key = P .. 'item:' .. mail.id
  redis.call('HSET', key, 'people', mail.people, 'raws', mail.raws)
  if mail.sent then redis.call('HSET', key, 'sent', mail.sent) else redis.call('HDEL', key, 'sent') end
  if mail.date ~= '' then redis.call('HSET', key, 'date', mail.date) end
end

local function write_machine_part(mail, item)
  local key, place = P .. 'item:' .. mail.id, next_place()
  local reading = string.format('%d', item.reading + 1)
  local feed_id = append(place, mail.id, envelope('workitem_updated', mail.head,
    tail(item.submission, item.reference, item.status, item.assignee, item.version, item.score)),
    mail.mailbox, item.status, item.status, mail.max_events)
  given = given and given + place.jump
  redis.call('HSET', key, 'machine', mail.machine, 'reading', reading)
  remember(mail.id, mail.who, 'reading', item.reading, reading)
  return feed_id
end

local function renew(mail, item)
  -- When the item was read from a variant that we have not seen, ours is the older reading.
  if #list_missing(item.raws or '', mail.raws) > 0 then
    acknowledge_known(mail, item)
    return { 'stale' }
  end
  local answer = { 'same' }
  if item.machine ~= mail.machine and (item.version ~= mail.version or item.reading ~= mail.reading) then
    return { 'again' }
  end
  if item.machine ~= mail.machine then answer = { 'renewed', write_machine_part(mail, item) } end
  write_people(mail)
  update_quarantine(mail)
  acknowledge_known(mail, item)
  return answer
end

-- A new item --------------------------------------------------------------------------------------------------------------

local function write_threads(mail, submission)
  -- Threads are of one mailbox: the same mail in two of ours is two items with two submissions.
  for _, message in ipairs(mail.references) do
    if message ~= '' then add_submission(P .. 'messageid:' .. message, mail.mailbox, submission) end
  end
  if mail.message_id == '' then return end
  local key = P .. 'messageid:' .. mail.message_id
  add_submission(key, mail.mailbox, submission)
  add_copy(key, mail.id)
end

local function count_fields(mail)
  -- What was read of each expected field. Each mail counts once: only here, where its item is made.
  if #mail.field_results == 0 then return end
  local key = P .. 'fields:' .. mail.mailbox .. ':' .. math.floor(redis.call('TIME')[1] / 86400)
  for _, result in ipairs(mail.field_results) do redis.call('HINCRBY', key, result, 1) end
  redis.call('EXPIRE', key, 400 * 86400)
end

local function last_seq()
  -- Return the last running number. When it was lost, that of the newest item: its second may get more items.
  local newest = redis.call('GET', P .. 'seq') or redis.call('ZRANGE', P .. 'items', -1, -1, 'WITHSCORES')[2] or 0
  return tonumber(newest) % 1048576
end

local function write_item(mail, item)
  local key = P .. 'item:' .. mail.id
  redis.call('HSET', key, 'machine', mail.machine, 'person', mail.person, 'status', item.status,
    'assignee', item.assignee, 'version', '1', 'reading', '1', 'mailbox', mail.mailbox, 'submission', item.submission,
    'reference', item.reference, 'score', item.score)
  write_people(mail)
  index(item.score, mail.id, mail.mailbox, item.status)
  note_status(mail.id, item.status)  -- also when it is new: Redis may have lost an item that was closed
  local group = P .. 'submission:' .. item.submission
  redis.call('HSET', group, 'reference', item.reference, 'assignee', item.assignee)
  redis.call('HINCRBY', group, 'items', 1)
  redis.call('ZADD', group .. ':items', item.score, mail.id)
  update_quarantine(mail)
end

local function create(mail)
  local joined = find_submission(mail)
  local place = next_place()
  local item = joined and read_hash(P .. 'submission:' .. joined, 'reference', 'assignee') or {}
  item.submission, item.assignee, item.status = joined, item.assignee or '', mail.status
  -- Mail of machines never opens again what is finished.
  if joined and mail.is_automatic and item.status == 'new' and is_finished(joined) then item.status = 'done' end
  local number
  if not item.reference then
    item.submission = 'sub_' .. string.sub(mail.id, 4)
    number, item.reference = next_reference(place, mail.year, mail.bounded)
    if not item.reference then return { 'reserve', string.format('%.0f', number) } end
  end
  seq = (seq or last_seq()) + 1
  item.score = string.format('%.0f', mail.order_seconds * 1048576 + seq % 1048576)

  local feed_id = append(place, mail.id, envelope('new_workitem', mail.head,
    tail(item.submission, item.reference, item.status, item.assignee, '1', item.score)),
    mail.mailbox, item.status, '', mail.max_events)
  redis.call('SET', P .. 'seq', string.format('%.0f', seq))
  if number then redis.call('SET', P .. 'reference:n', string.format('%.0f', number)) end
  given = number or given and given + place.jump
  local waiting = read_waiting(mail)
  write_item(mail, item)
  write_threads(mail, item.submission)
  if number then redis.call('HSET', P .. 'references', item.reference, item.submission) end
  if waiting.locations then redis.call('HSET', P .. 'item:' .. mail.id, 'locations', waiting.locations) end
  remember(mail.id, mail.who, 'created', '', item.reference)
  count_fields(mail)
  schedule_if_due(mail, waiting, item.status)
  acknowledge(mail, waiting)
  return { 'new', feed_id, item.submission, item.reference, item.assignee, item.score, item.status }
end

local function publish(mail)
  if redis.call('EXISTS', P .. 'gone:' .. mail.id) == 1 then
    acknowledge(mail, {})
    return { 'gone' }
  end
  local item = read_hash(P .. 'item:' .. mail.id, 'machine', 'version', 'reading', 'status', 'assignee', 'submission',
    'reference', 'score', 'raws', 'locations')
  if item.machine then return renew(mail, item) end
  if mail.version ~= '' then return { 'again' } end
  return create(mail)
end

local answers = {}
for i, argument in ipairs(ARGV) do answers[i] = publish(cjson.decode(argument)) end
return answers
