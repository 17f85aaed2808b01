-- Take out of Message-IDs the items that were removed, and the submissions of which no item is left. ARGV: keys of
-- Message-IDs. Returns of how many of them something was taken.
local function is_left(field, name)
  if field == 'items' then return redis.call('EXISTS', P .. 'item:' .. name) == 1 end
  return follow_merges(name) ~= nil
end

local function clean(key)
  local fields, is_clean = redis.call('HGETALL', key), true
  for i = 1, #fields, 2 do
    local left = {}
    for name in string.gmatch(fields[i + 1], '[^,]+') do
      if is_left(fields[i], name) then left[#left + 1] = name end
    end
    local names = table.concat(left, ',')
    if names ~= fields[i + 1] then
      is_clean = false
      if names ~= '' then redis.call('HSET', key, fields[i], names) else redis.call('HDEL', key, fields[i]) end
    end
  end
  return is_clean
end

local count = 0
for _, key in ipairs(ARGV) do
  if not clean(key) then count = count + 1 end
end
if count > 0 then redis.call('HSETNX', P .. 'retention', 'removed', milliseconds()) end
return count
