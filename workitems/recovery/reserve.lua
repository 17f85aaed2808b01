-- Allow numbers up to *bound* in references; the bound is already stored outside of Redis. *before* is the bound that was
-- stored until then: when Redis does not know it or its last number, Redis lost data, and those numbers may have been given.
local before, bound = tonumber(ARGV[1]), tonumber(ARGV[2])
local most = tonumber(redis.call('GET', P .. 'reference:most') or 0)
local given = redis.call('GET', P .. 'reference:n')
if not given then
  redis.call('SET', P .. 'reference:n', string.format('%.0f', math.max(before, most)))
elseif before > most and tonumber(given) < before then
  redis.call('SET', P .. 'reference:n', string.format('%.0f', before))
end
if bound > most then redis.call('SET', P .. 'reference:most', string.format('%.0f', bound)) end
return 'done'
