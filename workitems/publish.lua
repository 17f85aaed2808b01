-- Publish what was read: feed, item, indexes, threads, history and acknowledgement in one step, for one mail after another.
-- Lua does not roll back, so everything is looked at first, then the feed is written, then the rest.
-- ARGV: for each mail how many values follow, and those.
-- The last item's running number, that of the last reference and the bound of those, once this call has asked for them.
local seq, given, most

local function publish(ARGV)
  local id, mailbox, head, machine, person = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
  local seconds, year, raws, entry, cap = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
  local version, reading, who = ARGV[11], ARGV[12], ARGV[13]
  local status, quarantined = ARGV[14], ARGV[15]  -- status of a new item; '1' when it could not be read as it should
  local bounded = ARGV[16]  -- '1': references beyond reference:most are not given
  local own = ARGV[17]  -- key of the mail's own Message-ID, or ''; ARGV[18] and on: those it answers, nearest first
  local key, attempts = P .. 'item:' .. id, P .. 'attempts:' .. id

  local function waited()
    -- Where the mail lies in its mailbox, when it is to be dealt with there, and which versions of it wait.
    return entry ~= '' and redis.call('HMGET', attempts, 'places', 'after', 'raws') or {}
  end

  local function deal(found, status)
    -- There is an item now: what is due for its mail in the mailbox may be done.
    local due = found[2] and (found[2] ~= 'done' or status == 'done' or status == 'dismissed')
    for place in string.gmatch(due and found[1] or '', '[^\n]+') do
      redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', place)
    end
  end

  local function finish(waiting)
    -- The entry is done; versions that came since ours were looked at have entries of their own, and stay.
    if entry == '' then return end
    local left = {}
    for raw in string.gmatch(raws ~= '' and waiting or '', '[^,]+') do
      if not string.find(',' .. raws .. ',', ',' .. raw .. ',', 1, true) then left[#left + 1] = raw end
    end
    redis.call('XACK', P .. 'intake', 'readers', entry)
    redis.call('XDEL', P .. 'intake', entry)
    if #left == 0 then
      redis.call('DEL', attempts)
    else
      redis.call('HDEL', attempts, 'n', 'places', 'after')
      redis.call('HSET', attempts, 'raws', table.concat(left, ','))
    end
  end

  local function acknowledge(status)
    -- For an item that is there already.
    local found = waited()
    if found[1] then
      local before = redis.call('HGET', key, 'places') or ''
      redis.call('HSET', key, 'places', before == '' and found[1] or string.sub(before .. '\n' .. found[1], 1, 8000))
      deal(found, status)
    end
    finish(found[3])
  end

  local function quarantine()
    if quarantined == '1' then
      redis.call('ZADD', P .. 'quarantine', 'NX', redis.call('TIME')[1] .. '000', id)
    else
      redis.call('ZREM', P .. 'quarantine', id)
    end
  end

  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then
    finish()
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
      acknowledge(now[4])
      return { 'stale' }
    end
    if now[1] == machine then
      redis.call('HSET', key, 'raws', raws)
      quarantine()
      acknowledge(now[4])
      return { 'same' }
    end
    if now[2] ~= version or now[3] ~= reading then return { 'again' } end
    local place = next_place()
    local feed_id = append(place, id, envelope('workitem_updated', head, tail(now[6], now[7], now[4], now[5], now[2], now[8])),
      mailbox, now[4], now[4], cap)
    given = given and given + place.jump
    redis.call('HSET', key, 'machine', machine, 'reading', string.format('%d', reading + 1), 'raws', raws)
    quarantine()
    remember(id, who, 'reading', reading, string.format('%d', reading + 1))
    acknowledge(now[4])
    return { 'renewed', feed_id }
  end
  if version ~= '' then return { 'again' } end

  -- Threads are of one mailbox: the same mail in two of ours is two items with two submissions.
  local thread = 'submission:' .. mailbox
  local mine = own ~= '' and redis.call('HMGET', P .. 'messageid:' .. own, thread, 'items') or {}
  local leads = {}  -- to which submission each Message-ID does; not to one of which every item was removed
  for i = 17, #ARGV do
    local found = i == 17 and mine[1]
    if i > 17 and ARGV[i] ~= '' then found = redis.call('HGET', P .. 'messageid:' .. ARGV[i], thread) end
    leads[i] = found and redis.call('EXISTS', P .. 'submission:' .. found) == 1 and found
  end

  -- The submission: that of a mail it answers, or of a reply that came before its parent, or a new one.
  local submission
  for i = 17, #ARGV do submission = submission or leads[i] or nil end
  local place = next_place()
  local reference, assignee, number
  if submission then
    local known = redis.call('HMGET', P .. 'submission:' .. submission, 'reference', 'assignee')
    reference, assignee = known[1], known[2]
  end
  if not reference then
    submission = 'sub_' .. string.sub(id, 4)
    given = given or tonumber(redis.call('GET', P .. 'reference:n') or 0)
    number = given + place.jump + 1
    if bounded == '1' then
      most = most or tonumber(redis.call('GET', P .. 'reference:most') or 0)
      if number > most then return { 'reserve', string.format('%.0f', number) } end
    end
    reference = 'SUB-' .. year .. '-' .. string.format('%06d', number)
  end
  assignee = assignee or ''

  seq = (seq or tonumber(redis.call('GET', P .. 'seq') or 0)) + 1
  local score = string.format('%.0f', tonumber(seconds) * 1048576 + seq % 1048576)

  local feed_id = append(place, id, envelope('new_workitem', head, tail(submission, reference, status, assignee, '1', score)),
    mailbox, status, '', cap)
  redis.call('SET', P .. 'seq', string.format('%.0f', seq))
  if number then redis.call('INCR', P .. 'reference:n') end
  given = number or given and given + place.jump
  local found = waited()
  redis.call('HSET', key, 'machine', machine, 'person', person, 'status', status, 'assignee', assignee, 'version', '1',
    'reading', '1', 'mailbox', mailbox, 'submission', submission, 'reference', reference, 'score', score, 'raws', raws,
    unpack(found[1] and { 'places', found[1] } or {}))
  index(score, id, mailbox, status)
  if status ~= 'new' then closed(id, status) end
  local group = P .. 'submission:' .. submission
  redis.call('HSET', group, 'reference', reference, 'assignee', assignee)
  redis.call('HINCRBY', group, 'items', 1)
  redis.call('ZADD', group .. ':items', score, id)
  for i = 18, #ARGV do
    if ARGV[i] ~= '' and not leads[i] then redis.call('HSET', P .. 'messageid:' .. ARGV[i], thread, submission) end
  end
  if own ~= '' then
    local named = mine[2] or ''
    local known = leads[17] and {} or { thread, submission }
    -- One mail in many mailboxes is a few items; more than these is somebody writing one Message-ID again and again.
    if #named < 600 then
      known[#known + 1], known[#known + 2] = 'items', named == '' and id or named .. ',' .. id
    end
    if #known > 0 then redis.call('HSET', P .. 'messageid:' .. own, unpack(known)) end
  end
  if quarantined == '1' then quarantine() end
  remember(id, who, 'created', '', reference)
  deal(found, status)
  finish(found[3])
  return { 'new', feed_id, submission, reference, assignee, score }
end

local answers, at = {}, 1
while at < #ARGV do
  local count = tonumber(ARGV[at])
  answers[#answers + 1] = publish({ unpack(ARGV, at + 1, at + count) })
  at = at + count + 1
end
return answers
