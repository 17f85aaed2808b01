-- The raw mail of items is no longer kept; from now on other bytes of it are not taken for a version of it. Answers
-- which: not those that wait to be read, nor what is no item yet.
local found = {}
for _, id in ipairs(ARGV) do
  local key = P .. 'item:' .. id
  if redis.call('EXISTS', key) == 1 and redis.call('EXISTS', P .. 'attempts:' .. id) == 0 then
    redis.call('HSET', key, 'kept', '0')
    found[#found + 1] = id
  end
end
return found
