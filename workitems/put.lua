-- Mails that were stored wait to be read, and the mailbox's checkpoint moves on, in one step.
-- Ends at the first mail that cannot be put as it is, so that none is put behind it: its outcome is the last one.
local most, store = tonumber(ARGV[1]), ARGV[2]  -- how many may wait; id of the mail store that holds the mail, or ''
-- ARGV[3] and on: ten values a mail

-- A Redis that came back empty must hear of tombstones before it hears of mail.
if store ~= '' and redis.call('GET', P .. 'store') ~= store then return { 'store' } end

local queued  -- how many wait, once somebody has asked
local holders = {}  -- mailbox → token of its lease
local reached = {}  -- folder's key → numbering → the highest UID that was put

local function holder(mailbox)
  if holders[mailbox] == nil then holders[mailbox] = redis.call('GET', P .. 'lease:' .. mailbox) end
  return holders[mailbox]
end

local function versions(raws)
  -- Fingerprints have 32 digits and are joined by commas.
  return raws and math.floor((#raws + 1) / 33) or 0
end

local function put(at)
  local id, mailbox, raw, size = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local uidvalidity, uid, token = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]  -- '' for mail that was posted
  local folder, place, after = ARGV[at + 7], ARGV[at + 8], ARGV[at + 9]  -- after: 'published', 'done', or '' for nothing
  local attempts, item = P .. 'attempts:' .. id, P .. 'item:' .. id

  if token ~= '' and holder(mailbox) ~= token then return 'lease' end

  local function with_place(places)
    -- Copies of a mail are dealt with like the first; more of them than these is somebody filling our memory.
    if #places >= 4000 or string.find('\n' .. places .. '\n', '\n' .. place .. '\n', 1, true) then return places end
    return places == '' and place or places .. '\n' .. place
  end

  local waits = redis.call('HMGET', attempts, 'raws', 'places')
  local now = redis.call('HMGET', item, 'raws', 'kept', 'places', 'status')
  local waiting, read = waits[1], now[1]
  local outcome = 'new'
  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then
    outcome = 'gone'
  elseif string.find(',' .. (waiting or '') .. ',' .. (read or '') .. ',', ',' .. raw .. ',', 1, true) then
    outcome = 'duplicate'
  elseif not waiting and read and now[2] == '0' then
    outcome = 'late'  -- its raw mail was removed for its age: there is nothing left to compare other bytes with
  elseif waiting or read then
    -- Who repeats one mail's headers over other bodies must not bury them all under one item.
    if versions(waiting) + versions(read) >= 9 then return 'crowded' end
    outcome = 'variant'
  end

  local noted = {}  -- of a mail that waits
  if outcome == 'new' or outcome == 'variant' then
    queued = queued or redis.call('XLEN', P .. 'intake')
    if queued >= most then return 'full' end
    redis.call('XADD', P .. 'intake', '*', 'id', id, 'mailbox', mailbox, 'raw', raw, 'size', size)
    queued, noted = queued + 1, { 'raws', waiting and waiting .. ',' .. raw or raw }
  end
  if place ~= '' and outcome ~= 'gone' then
    if waiting or #noted > 0 then
      noted[#noted + 1], noted[#noted + 2] = 'places', with_place(waits[2] or '')
      if after ~= '' then noted[#noted + 1], noted[#noted + 2] = 'after', after end
    else
      local places = with_place(now[3] or '')
      if places ~= (now[3] or '') then redis.call('HSET', item, 'places', places) end
      if after == 'published' or after == 'done' and (now[4] == 'done' or now[4] == 'dismissed') then
        redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', place)
      end
    end
  end
  if #noted > 0 then redis.call('HSET', attempts, unpack(noted)) end
  if uid ~= '' then
    local box = P .. 'mailbox:' .. mailbox .. ':' .. folder
    reached[box] = reached[box] or {}
    reached[box][uidvalidity] = math.max(tonumber(uid), reached[box][uidvalidity] or 0)
  end
  return outcome
end

local ends = { full = true, lease = true, crowded = true }
local outcomes = {}
for at = 3, #ARGV, 10 do
  local outcome = put(at)
  outcomes[#outcomes + 1] = outcome
  if ends[outcome] then break end
end
for box, numbers in pairs(reached) do
  local now = redis.call('HMGET', box, 'uidvalidity', 'uid')
  local uid = numbers[now[1]]
  if uid and uid > tonumber(now[2] or 0) then redis.call('HSET', box, 'uid', string.format('%.0f', uid)) end
end
return outcomes
