-- What the scripts share that write items. Fingerprints of variants are joined by commas, locations by line ends.

local function read_hash(key, ...)
  -- Return the named fields of a hash as a table; a field that the hash lacks is false.
  local values, found = redis.call('HMGET', key, ...), {}
  for i, name in ipairs({ ... }) do found[name] = values[i] end
  return found
end

local function has_fingerprint(fingerprints, fingerprint)
  return string.find(',' .. fingerprints .. ',', ',' .. fingerprint .. ',', 1, true) ~= nil
end

local function add_copy(key, id)
  -- Add an item to those of a Message-ID; return 1 when it was missing. One mail in many mailboxes is a few items; with
  -- more than these a sender repeats one Message-ID.
  local items = redis.call('HGET', key, 'items') or ''
  if #items >= 600 or has_fingerprint(items, id) then return 0 end
  redis.call('HSET', key, 'items', items == '' and id or items .. ',' .. id)
  return 1
end

local function add_submission(key, mailbox, submission)
  -- Add a submission to those of a Message-ID in this mailbox, the newest five; return 1 when it was missing.
  local field = 'submission:' .. mailbox
  local names = redis.call('HGET', key, field) or ''
  if has_fingerprint(names, submission) then return 0 end
  if select(2, string.gsub(names, ',', '')) >= 4 then names = string.match(names, ',(.*)') end
  redis.call('HSET', key, field, names == '' and submission or names .. ',' .. submission)
  return 1
end

local function remove_submission(key, mailbox, submission)
  -- Remove a submission from those of a Message-ID in this mailbox.
  local field, left = 'submission:' .. mailbox, {}
  for name in string.gmatch(redis.call('HGET', key, field) or '', '[^,]+') do
    if name ~= submission then left[#left + 1] = name end
  end
  if #left > 0 then redis.call('HSET', key, field, table.concat(left, ',')) else redis.call('HDEL', key, field) end
end

local function list_missing(fingerprints, known)
  -- Return those of the fingerprints that are not among the known ones.
  local missing = {}
  for fingerprint in string.gmatch(fingerprints, '[^,]+') do
    if not has_fingerprint(known, fingerprint) then missing[#missing + 1] = fingerprint end
  end
  return missing
end

local function complete_submission(submission)
  -- Write what the hash of a submission lacks, as its newest item has it; return whether it has items.
  local group = P .. 'submission:' .. submission
  local newest = redis.call('ZRANGE', group .. ':items', -1, -1)[1]
  local item = newest and read_hash(P .. 'item:' .. newest, 'submission', 'reference', 'assignee')
  if not item or item.submission ~= submission or not item.reference then return false end
  redis.call('HSETNX', group, 'reference', item.reference)
  redis.call('HSETNX', group, 'assignee', item.assignee or '')
  redis.call('HSET', group, 'items', redis.call('ZCARD', group .. ':items'))
  return true
end

local function has_submission(submission)
  -- Its hash may have been lost alone.
  return redis.call('HEXISTS', P .. 'submission:' .. submission, 'reference') == 1 or complete_submission(submission)
end

local function leave_submission(submission, id)
  -- Take an item out of its submission, which `complete_submission` completed; return whether that is empty now.
  local group = P .. 'submission:' .. submission
  redis.call('ZREM', group .. ':items', id)
  local left = redis.call('ZCARD', group .. ':items')
  -- The list may have been lost alone. Then the hash still counts the items, which the repair lists again.
  if left == 0 then left = (tonumber(redis.call('HGET', group, 'items') or 0) or 0) - 1 end
  redis.call('HSET', group, 'items', math.max(left, 0))
  return left <= 0
end

local function schedule_actions(mailbox, locations)
  -- The after-actions of the mail at these locations are due now.
  for location in string.gmatch(locations, '[^\n]+') do
    redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', location)
  end
end

-- The last reference number and its bound, once this call has asked for them.
local given, bound

local function next_reference(place, year, is_bounded)
  -- Return the next reference number and its reference, or no reference when that number may not be given yet.
  given = given or last_reference()
  local number = given + place.jump + 1
  if is_bounded then
    bound = bound or tonumber(redis.call('GET', P .. 'reference:most') or 0)
    if number > bound then return number, nil end
  end
  return number, 'SUB-' .. year .. '-' .. string.format('%06d', number)
end
