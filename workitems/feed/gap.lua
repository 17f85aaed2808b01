-- Leave a gap in the feed: add an entry without an event, after a number that no entry has. Every client gets a `reset`.
local last = generated() or milliseconds() .. '-0'
local epoch, n = string.match(last, '^(%d+)%-(%d+)$')
local id = epoch .. '-' .. string.format('%.0f', tonumber(n) + 2)
return redis.call('XADD', FEED, id, 'id', '', 'mailbox', '', 'status', '', 'was', '', 'at', milliseconds())
