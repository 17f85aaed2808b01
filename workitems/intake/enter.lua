-- Add entries to the intake for mail that waits and has none: Redis lost them. A mail that was entered, read or removed
-- since the entries were looked at gets none.
-- ARGV[1]: a JSON object with max_waiting, after (the last entry that was looked at; '-': there was none) and mails.
-- Returns how many were added; after them 1 when no more may wait, else 0.
local request = cjson.decode(ARGV[1])

local entered, count = {}, 0
for _, entry in ipairs(redis.call('XRANGE', P .. 'intake', request.after, '+')) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'id' then entered[fields[i + 1]] = true end
  end
end
for _, mail in ipairs(request.mails) do
  local mailbox = mail.mailbox ~= '' and mail.mailbox or redis.call('HGET', P .. 'item:' .. mail.id, 'mailbox')
  if mailbox and not entered[mail.id] and redis.call('EXISTS', P .. 'attempts:' .. mail.id) == 1 then
    if redis.call('XLEN', P .. 'intake') >= request.max_waiting then return { count, 1 } end
    redis.call('XADD', P .. 'intake', '*', 'id', mail.id, 'mailbox', mailbox, 'raw', mail.raw, 'size', mail.size)
    count = count + 1
  end
end
return { count, 0 }
