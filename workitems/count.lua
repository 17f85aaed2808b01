-- Counts a try to read a mail, unless its entry was finished meanwhile: nobody would ever take the count away.
local id, entry, tries = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', P .. 'intake') == 0 or #redis.call('XRANGE', P .. 'intake', entry, entry) == 0 then return 'finished' end
redis.call('HSET', P .. 'attempts:' .. id, 'n', tries)
return 'counted'
