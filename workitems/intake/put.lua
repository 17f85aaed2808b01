-- Add stored mails to the intake and advance the checkpoints of their folders, in one step.
-- End at the first mail that cannot be put as it is, so that none is put after it: its outcome is the last one.
-- ARGV[1]: a JSON object with max_waiting, store_id ('' without one) and mails; `_request` in put.py says what a mail has.
local request = cjson.decode(ARGV[1])

-- A Redis that came back empty must get the tombstones before it gets mail.
if request.store_id ~= '' and redis.call('GET', P .. 'store') ~= request.store_id then return { 'store' } end

-- Fingerprints of one item, each of 32 digits, beyond which other bytes get an item of their own.
local MAX_VARIANTS = 9
-- Bytes of locations that are kept for one mail.
local MAX_LOCATIONS = 4000

local queued  -- how many mails wait, once this call has asked
local leases = {}  -- mailbox → token of its lease
local reached = {}  -- key of a folder → UIDVALIDITY → the highest UID that was put

local function has_lease(mail)
  if mail.lease_token == '' then return true end
  if leases[mail.mailbox] == nil then leases[mail.mailbox] = redis.call('GET', P .. 'lease:' .. mail.mailbox) end
  return leases[mail.mailbox] == mail.lease_token
end

local function has_entry(mail)
  -- Redis may have lost only the attempts of a mail that waits.
  return mail.entry ~= '' and #redis.call('XRANGE', P .. 'intake', mail.entry, mail.entry) > 0
end

local function count_variants(fingerprints)
  return fingerprints and math.floor((#fingerprints + 1) / 33) or 0
end

local function judge(mail, waiting, item)
  if redis.call('EXISTS', P .. 'gone:' .. mail.id) == 1 then return 'gone' end
  if has_fingerprint((waiting.raws or '') .. ',' .. (item.raws or ''), mail.raw) then return 'duplicate' end
  if not waiting.raws and not item.raws then return 'new' end
  -- The item's raw mail was removed for its age: there is nothing left to compare other bytes with.
  if not waiting.raws and item.kept == '0' then return 'late' end
  -- A sender who repeats one mail's headers over other bodies must not hide them all under one item.
  if count_variants(waiting.raws) + count_variants(item.raws) >= MAX_VARIANTS then return 'crowded' end
  return 'variant'
end

local function with_location(locations, location)
  -- After-actions are for every copy of a mail; a sender of more copies than these fills our memory.
  if #locations >= MAX_LOCATIONS or string.find('\n' .. locations .. '\n', '\n' .. location .. '\n', 1, true) then
    return locations
  end
  return locations == '' and location or locations .. '\n' .. location
end

local function note_waiting_location(mail, waiting)
  local key = P .. 'attempts:' .. mail.id
  redis.call('HSET', key, 'locations', with_location(waiting.locations or '', mail.location))
  if mail.after ~= '' then redis.call('HSET', key, 'after', mail.after) end
end

local function note_item_location(mail, item)
  local before = item.locations or ''
  local locations = with_location(before, mail.location)
  if locations ~= before then redis.call('HSET', P .. 'item:' .. mail.id, 'locations', locations) end
  if mail.after == 'published' or mail.after == 'done' and CLOSED[item.status] then
    schedule_actions(mail.mailbox, mail.location)
  end
end

local function note_uid(mail)
  local folder = P .. 'mailbox:' .. mail.mailbox .. ':' .. mail.folder
  reached[folder] = reached[folder] or {}
  reached[folder][mail.uidvalidity] = math.max(mail.uid, reached[folder][mail.uidvalidity] or 0)
end

local function put(mail)
  if not has_lease(mail) then return 'lease' end
  local attempts = P .. 'attempts:' .. mail.id
  local waiting = read_hash(attempts, 'raws', 'locations')
  local item = read_hash(P .. 'item:' .. mail.id, 'raws', 'kept', 'locations', 'status')
  local outcome = judge(mail, waiting, item)
  if outcome == 'crowded' then return outcome end
  local is_waiting = waiting.raws
  if outcome == 'new' or outcome == 'variant' then
    if not has_entry(mail) then
      queued = queued or redis.call('XLEN', P .. 'intake')
      if queued >= request.max_waiting then return 'full' end
      redis.call('XADD', P .. 'intake', '*', 'id', mail.id, 'mailbox', mail.mailbox, 'raw', mail.raw, 'size', mail.size)
      queued = queued + 1
    end
    redis.call('HSET', attempts, 'raws', waiting.raws and waiting.raws .. ',' .. mail.raw or mail.raw)
    is_waiting = true
  end
  if mail.location ~= '' and outcome ~= 'gone' then
    if is_waiting then note_waiting_location(mail, waiting) else note_item_location(mail, item) end
  end
  if mail.uidvalidity ~= '' then note_uid(mail) end
  return outcome
end

local ends = { full = true, lease = true, crowded = true }
local outcomes = {}
for i, mail in ipairs(request.mails) do
  outcomes[i] = put(mail)
  if ends[outcomes[i]] then break end
end
for folder, uids in pairs(reached) do
  local now = read_hash(folder, 'uidvalidity', 'uid')
  local uid = uids[now.uidvalidity]
  if uid and uid > tonumber(now.uid or 0) then redis.call('HSET', folder, 'uid', string.format('%.0f', uid)) end
end
return outcomes
