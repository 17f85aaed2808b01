-- Set how many attempts to read a mail were counted, unless its entry was finished: then nothing would remove the count.
local id, entry, tries = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', P .. 'intake') == 0 or #redis.call('XRANGE', P .. 'intake', entry, entry) == 0 then return 'finished' end
redis.call('HSET', P .. 'attempts:' .. id, 'n', tries)
return 'counted'
