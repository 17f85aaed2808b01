-- Find the submission that a mail belongs to. A wrong join shows strangers each other's mail, so a link alone is not enough:
-- either we have the mail that it names, or its sender takes part in the submission already.
-- `people`, `proof`: addresses and `@domains` joined by commas (workitems/queue/participants.py).

-- Anybody can send mails that name many submissions with many people, so one mail looks at this much at most.
local MOST_SUBMISSIONS, MOST_NEWEST, MOST_COPIES = 5, 10, 5

local function has_any(keys, people)
  -- Return whether one of the keys is among the people.
  people = ',' .. people .. ','
  for each in string.gmatch(keys, '[^,]+') do
    if string.find(people, ',' .. each .. ',', 1, true) then return true end
  end
  return false
end

local function has_name(names, name)
  for _, each in ipairs(names) do
    if each == name then return true end
  end
  return false
end

local function read_people(id)
  local people = redis.call('HGET', P .. 'item:' .. id, 'people')
  if people then return string.sub(people, 1, 500) end
  -- An older program wrote this item: its sender is all that we know. To decode all of it would take long. A quote in a
  -- text has a backslash before it, so that only a key looks like this.
  local machine = redis.call('HGET', P .. 'item:' .. id, 'machine') or ''
  local _, before = string.find(machine, '"from_email":"', 1, true)
  return before and string.match(machine, '^[^"\\,]*', before + 1) or ''
end

local function read_participants(submission)
  -- The people of the item that began it, and of the newest ones.
  local items = P .. 'submission:' .. submission .. ':items'
  local ids, found = redis.call('ZRANGE', items, 0, MOST_NEWEST - 1, 'REV'), {}
  local first = redis.call('ZRANGE', items, 0, 0)[1]
  if first and first ~= ids[#ids] then ids[#ids + 1] = first end
  for i, id in ipairs(ids) do found[i] = read_people(id) end
  return table.concat(found, ',')
end

local function follow_merges(submission)
  -- Return the submission, or the one that it was merged into; nil when all of its items were removed.
  for _ = 1, 10 do
    if not submission then return nil end
    if has_submission(submission) then return submission end
    submission = redis.call('HGET', P .. 'merged', submission)
  end
end

local function find_named(message, mail)
  -- Return the submissions of which a mail has or names this Message-ID; strangers may name the same one.
  local found = {}
  local names = message ~= '' and redis.call('HGET', P .. 'messageid:' .. message, 'submission:' .. mail.mailbox) or ''
  for name in string.gmatch(names, '[^,]+') do
    local submission = follow_merges(name)
    if submission and not has_name(found, submission) then found[#found + 1] = submission end
  end
  return found
end

local function find_mails(message, mail)
  -- Return the other mails of this mailbox that have this Message-ID.
  local found, seen = {}, 0
  if message == '' then return found end
  for id in string.gmatch(redis.call('HGET', P .. 'messageid:' .. message, 'items') or '', '[^,]+') do
    seen = seen + 1
    if seen > MOST_COPIES then break end
    local item = id ~= mail.id and read_hash(P .. 'item:' .. id, 'mailbox', 'submission', 'people', 'sent', 'date') or {}
    if item.mailbox == mail.mailbox then found[#found + 1] = item end
  end
  return found
end

local function answers(mail, parent)
  -- Many may answer one mail that the team sent. Those to whom it was not addressed have conversations of their own.
  if not parent.sent or parent.sent == '1' or mail.sent or mail.is_colleague then return true end
  return has_any(mail.proof, parent.people or '')
end

local function find_only(submissions, is_wanted)
  -- Return the wanted one of the submissions, unless there are several.
  local found
  for _, submission in ipairs(submissions) do
    if submission ~= found and is_wanted(submission) then
      if found then return nil end
      found = submission
    end
  end
  return found
end

local function follow_answer(mail, mails, takes_part)
  -- Return the submission of the mails with one Message-ID, which the mail names. Copies of one mail are in one
  -- submission; a sender who repeats the Message-ID of others comes later, and cannot lead their answers away.
  local are_copies = true
  for _, each in ipairs(mails) do are_copies = are_copies and each.submission == mails[1].submission end
  for _, each in ipairs(mails) do
    if are_copies and answers(mail, each) or not are_copies and takes_part(each.submission) then return each.submission end
  end
end

local function find_submission(mail)
  -- Return the submission that the mail joins, or nil.
  local known, count = {}, 0
  local function takes_part(submission)
    if not known[submission] then
      if count == MOST_SUBMISSIONS then return false end
      known[submission], count = read_participants(submission), count + 1
    end
    return has_any(mail.proof, known[submission])
  end
  local copies, joined = find_mails(mail.message_id, mail), nil
  for _, copy in ipairs(copies) do
    -- The direct copy and the one of a mailing list differ in headers, and not in the date.
    if not joined and mail.date ~= '' and copy.date == mail.date then joined = copy.submission end
  end
  -- An answer came before this mail.
  if #copies == 0 then joined = find_only(find_named(mail.message_id, mail), takes_part) end
  for _, message in ipairs(mail.references) do
    if joined then break end
    local mails = find_mails(message, mail)
    if #mails == 0 then
      joined = find_only(find_named(message, mail), takes_part)
    else
      joined = follow_answer(mail, mails, takes_part)
      break  -- the nearest mail that we have decides
    end
  end
  for _, reference in ipairs(mail.subject_references) do
    local submission = not joined and follow_merges(redis.call('HGET', P .. 'references', reference))
    local first = submission and redis.call('ZRANGE', P .. 'submission:' .. submission .. ':items', 0, 0)[1]
    if first and redis.call('HGET', P .. 'item:' .. first, 'mailbox') == mail.mailbox
      and (mail.is_colleague or takes_part(submission)) then
      joined = submission
    end
  end
  -- The submission that this mail began stays after Redis has lost the item and its Message-ID.
  joined = joined or 'sub_' .. string.sub(mail.id, 4)
  return has_submission(joined) and joined or nil
end

local function is_finished(submission)
  -- An empty one is that of an item that Redis lost, and nobody knows whether it was finished.
  local ids = redis.call('ZRANGE', P .. 'submission:' .. submission .. ':items', 0, 99, 'REV')
  for _, id in ipairs(ids) do
    if not CLOSED[redis.call('HGET', P .. 'item:' .. id, 'status') or ''] then return false end
  end
  return #ids > 0
end
