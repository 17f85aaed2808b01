-- Numbers up to *bound* may stand in references: that is kept outside of Redis by now. *before* is what was kept until
-- then: when Redis never heard of it, it came back with less than it had, and those numbers may have been given.
local before, bound = tonumber(ARGV[1]), tonumber(ARGV[2])
local most = tonumber(redis.call('GET', P .. 'reference:most') or 0)
local given = tonumber(redis.call('GET', P .. 'reference:n') or 0)
if before > most and given < before then redis.call('SET', P .. 'reference:n', string.format('%.0f', before)) end
if bound > most then redis.call('SET', P .. 'reference:most', string.format('%.0f', bound)) end
return 'done'
