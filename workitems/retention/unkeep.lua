-- Mark items whose raw mail is no longer kept: other bytes of such a mail are then no variant of it. Returns those that
-- were marked: not those with mail that waits to be read, nor ids that are no item yet.
local found = {}
for _, id in ipairs(ARGV) do
  local key = P .. 'item:' .. id
  if redis.call('EXISTS', key) == 1 and redis.call('EXISTS', P .. 'attempts:' .. id) == 0 then
    redis.call('HSET', key, 'kept', '0')
    found[#found + 1] = id
  end
end
return found
