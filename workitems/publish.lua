-- Publish what was read: feed, item, indexes, threads, history and acknowledgement in one step, for one mail after another.
-- Lua does not roll back, so everything is looked at first, then the feed is written, then the rest.
-- ARGV: for each mail how many values follow, and those.
local run, ask = nil, run_id
run_id = function()
  run = run or ask()  -- INFO is the dearest of all that a mail asks for
  return run
end

local function publish(ARGV)
  local id, mailbox, head, machine, person = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
  local seconds, year, raws, entry, cap = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
  local version, reading, who = ARGV[11], ARGV[12], ARGV[13]
  local status, quarantined = ARGV[14], ARGV[15]  -- status of a new item; '1' when it could not be read as it should
  local bounded = ARGV[16]  -- '1': references beyond reference:most are not given
  local own = ARGV[17]  -- key of the mail's own Message-ID, or ''; ARGV[18] and on: those it answers, nearest first
  local key = P .. 'item:' .. id

  local function lies(places)
    -- Where the mail lies in its mailbox, and that it is to be dealt with there now that there is an item.
    local before = redis.call('HGET', key, 'places') or ''
    redis.call('HSET', key, 'places', before == '' and places or string.sub(before .. '\n' .. places, 1, 8000))
  end

  local function unread(waiting)
    -- Versions that came since ours were looked at: each has an entry of its own.
    local left = {}
    for raw in string.gmatch(raws ~= '' and waiting or '', '[^,]+') do
      if not string.find(',' .. raws .. ',', ',' .. raw .. ',', 1, true) then left[#left + 1] = raw end
    end
    return table.concat(left, ',')
  end

  local function acknowledge()
    if entry == '' then return end
    local attempts = P .. 'attempts:' .. id
    local found = redis.call('HMGET', attempts, 'places', 'after', 'raws')
    local there = redis.call('EXISTS', key) == 1
    if found[1] and there then
      lies(found[1])
      local status = redis.call('HGET', key, 'status')
      local due = found[2] and (found[2] ~= 'done' or status == 'done' or status == 'dismissed')
      for place in string.gmatch(due and found[1] or '', '[^\n]+') do
        redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', place)
      end
    end
    redis.call('XACK', P .. 'intake', 'readers', entry)
    redis.call('XDEL', P .. 'intake', entry)
    local left = there and unread(found[3]) or ''
    if left == '' then
      redis.call('DEL', attempts)
    else
      redis.call('HDEL', attempts, 'n', 'places', 'after')
      redis.call('HSET', attempts, 'raws', left)
    end
  end

  local function quarantine()
    if quarantined == '1' then
      redis.call('ZADD', P .. 'quarantine', 'NX', redis.call('TIME')[1] .. '000', id)
    else
      redis.call('ZREM', P .. 'quarantine', id)
    end
  end

  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then
    acknowledge()
    return { 'gone' }
  end

  local function lacks(known)
    -- Whether the item was read from a version of the mail that we have not seen: ours is the older reading then.
    for raw in string.gmatch(known or '', '[^,]+') do
      if not string.find(',' .. raws .. ',', ',' .. raw .. ',', 1, true) then return true end
    end
  end

  local now = redis.call('HMGET', key, 'machine', 'version', 'reading', 'status', 'assignee', 'submission', 'reference',
    'score', 'raws')
  if now[1] then
    if lacks(now[9]) then
      acknowledge()
      return { 'stale' }
    end
    if now[1] == machine then
      redis.call('HSET', key, 'raws', raws)
      quarantine()
      acknowledge()
      return { 'same' }
    end
    if now[2] ~= version or now[3] ~= reading then return { 'again' } end
    local feed_id = append(next_place(), id, envelope('workitem_updated', head, tail(now[6], now[7], now[4], now[5], now[2], now[8])),
      mailbox, now[4], now[4], cap)
    redis.call('HSET', key, 'machine', machine, 'reading', string.format('%d', reading + 1), 'raws', raws)
    quarantine()
    remember(id, who, 'reading', reading, string.format('%d', reading + 1))
    acknowledge()
    return { 'renewed', feed_id }
  end
  if version ~= '' then return { 'again' } end

  -- Threads are of one mailbox: the same mail in two of ours is two items with two submissions.
  local thread = 'submission:' .. mailbox
  local function leads(message)
    -- To which submission; not to one of which every item was removed.
    local found = redis.call('HGET', P .. 'messageid:' .. message, thread)
    return found and redis.call('EXISTS', P .. 'submission:' .. found) == 1 and found or nil
  end

  -- The submission: that of a mail it answers, or of a reply that came before its parent, or a new one.
  local submission
  for i = 17, #ARGV do
    if not submission and ARGV[i] ~= '' then submission = leads(ARGV[i]) end
  end
  local place = next_place()
  local reference, assignee, number
  if submission then
    local known = redis.call('HMGET', P .. 'submission:' .. submission, 'reference', 'assignee')
    reference, assignee = known[1], known[2]
  end
  if not reference then
    submission = 'sub_' .. string.sub(id, 4)
    number = tonumber(redis.call('GET', P .. 'reference:n') or 0) + place.jump + 1
    if bounded == '1' and number > tonumber(redis.call('GET', P .. 'reference:most') or 0) then
      return { 'reserve', string.format('%.0f', number) }
    end
    reference = 'SUB-' .. year .. '-' .. string.format('%06d', number)
  end
  assignee = assignee or ''

  local seq = tonumber(redis.call('GET', P .. 'seq') or 0) + 1
  local score = string.format('%.0f', tonumber(seconds) * 1048576 + seq % 1048576)

  local feed_id = append(place, id, envelope('new_workitem', head, tail(submission, reference, status, assignee, '1', score)),
    mailbox, status, '', cap)
  redis.call('SET', P .. 'seq', string.format('%.0f', seq))
  if number then redis.call('INCR', P .. 'reference:n') end
  redis.call('HSET', key, 'machine', machine, 'person', person, 'status', status, 'assignee', assignee, 'version', '1',
    'reading', '1', 'mailbox', mailbox, 'submission', submission, 'reference', reference, 'score', score, 'raws', raws)
  index(score, id, mailbox, status)
  closed(id, status)
  local group = P .. 'submission:' .. submission
  redis.call('HSET', group, 'reference', reference, 'assignee', assignee)
  redis.call('HINCRBY', group, 'items', 1)
  redis.call('ZADD', group .. ':items', score, id)
  for i = 17, #ARGV do
    if ARGV[i] ~= '' and not leads(ARGV[i]) then redis.call('HSET', P .. 'messageid:' .. ARGV[i], thread, submission) end
  end
  if own ~= '' then
    local named = redis.call('HGET', P .. 'messageid:' .. own, 'items') or ''
    -- One mail in many mailboxes is a few items; more than these is somebody writing one Message-ID again and again.
    if #named < 600 then
      redis.call('HSET', P .. 'messageid:' .. own, 'items', named == '' and id or named .. ',' .. id)
    end
  end
  quarantine()
  remember(id, who, 'created', '', reference)
  acknowledge()
  return { 'new', feed_id, submission, reference, assignee, score }
end

local answers, at = {}, 1
while at < #ARGV do
  local count = tonumber(ARGV[at])
  answers[#answers + 1] = publish({ unpack(ARGV, at + 1, at + count) })
  at = at + count + 1
end
return answers
