-- Return what belongs to each item, all of one item as it is at the same moment: id, fields, history, ms of its closing,
-- ms since when it is in quarantine, to whom its submission's next mail goes, and the
-- submissions that became its own. ARGV: ids; a removed item is left out.
local found = {}
for _, id in ipairs(ARGV) do
  local item = redis.call('HGETALL', P .. 'item:' .. id)
  if #item > 0 then
    local submission = redis.call('HGET', P .. 'item:' .. id, 'submission') or ''
    found[#found + 1] = { id, item, redis.call('XRANGE', P .. 'history:' .. id, '-', '+'),
      redis.call('ZSCORE', P .. 'closed', id), redis.call('ZSCORE', P .. 'quarantine', id),
      redis.call('HGET', P .. 'submission:' .. submission, 'assignee'),
      redis.call('HGET', P .. 'submission:' .. submission, 'merged') }
  end
end
return found
