-- Mails that were stored wait to be read, and the mailbox's checkpoint moves on, in one step.
-- Ends at the first mail that cannot be put as it is, so that none is put behind it: its outcome is the last one.
local most, store = tonumber(ARGV[1]), ARGV[2]  -- how many may wait; id of the mail store that holds the mail, or ''
-- ARGV[3] and on: ten values a mail

-- A Redis that came back empty must hear of tombstones before it hears of mail.
if store ~= '' and redis.call('GET', P .. 'store') ~= store then return { 'store' } end

local function versions(raws)
  -- Fingerprints have 32 digits and are joined by commas.
  return raws and math.floor((#raws + 1) / 33) or 0
end

local function put(at)
  local id, mailbox, raw, size = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local uidvalidity, uid, token = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]  -- '' for mail that was posted
  local folder, place, after = ARGV[at + 7], ARGV[at + 8], ARGV[at + 9]  -- after: 'published', 'done', or '' for nothing
  local box = P .. 'mailbox:' .. mailbox .. ':' .. folder

  if token ~= '' and redis.call('GET', P .. 'lease:' .. mailbox) ~= token then return 'lease' end

  local function known(places)
    return string.find('\n' .. places .. '\n', '\n' .. place .. '\n', 1, true)
  end

  local waiting = redis.call('HGET', P .. 'attempts:' .. id, 'raws')
  local read = redis.call('HGET', P .. 'item:' .. id, 'raws')
  local outcome = 'new'
  if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then
    outcome = 'gone'
  elseif string.find(',' .. (waiting or '') .. ',' .. (read or '') .. ',', ',' .. raw .. ',', 1, true) then
    outcome = 'duplicate'
  elseif not waiting and read and redis.call('HGET', P .. 'item:' .. id, 'kept') == '0' then
    outcome = 'late'  -- its raw mail was removed for its age: there is nothing left to compare other bytes with
  elseif waiting or read then
    -- Who repeats one mail's headers over other bodies must not bury them all under one item.
    if versions(waiting) + versions(read) >= 9 then return 'crowded' end
    outcome = 'variant'
  end

  if outcome == 'new' or outcome == 'variant' then
    if redis.call('EXISTS', P .. 'intake') == 1 and redis.call('XLEN', P .. 'intake') >= most then return 'full' end
    redis.call('XADD', P .. 'intake', '*', 'id', id, 'mailbox', mailbox, 'raw', raw, 'size', size)
    redis.call('HSET', P .. 'attempts:' .. id, 'raws', waiting and waiting .. ',' .. raw or raw)
  end
  if place ~= '' and outcome ~= 'gone' then
    -- Copies of a mail are dealt with like the first; more of them than these is somebody filling our memory.
    local key = (waiting or outcome == 'new' or outcome == 'variant') and P .. 'attempts:' .. id or P .. 'item:' .. id
    local places = redis.call('HGET', key, 'places') or ''
    if #places < 4000 and not known(places) then
      redis.call('HSET', key, 'places', places == '' and place or places .. '\n' .. place)
    end
    if key == P .. 'attempts:' .. id then
      if after ~= '' then redis.call('HSET', key, 'after', after) end
    else
      local status = redis.call('HGET', key, 'status')
      if after == 'published' or after == 'done' and (status == 'done' or status == 'dismissed') then
        redis.call('ZADD', P .. 'after:' .. mailbox, 'NX', redis.call('TIME')[1] .. '000', place)
      end
    end
  end
  if uid ~= '' then
    local now = redis.call('HMGET', box, 'uidvalidity', 'uid')
    if now[1] == uidvalidity and tonumber(uid) > tonumber(now[2] or 0) then
      redis.call('HSET', box, 'uid', uid)
    end
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
return outcomes
