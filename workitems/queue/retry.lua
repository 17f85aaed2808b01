-- Let a mail that was read wait to be read again; its attempts are counted from 0 again.
local id, most, raws = ARGV[1], tonumber(ARGV[2]), ARGV[3]  -- raws: what the mail store holds of it
local key = P .. 'item:' .. id

if redis.call('EXISTS', P .. 'gone:' .. id) == 1 then return 'missing' end
if redis.call('EXISTS', P .. 'attempts:' .. id) == 1 then return 'waiting' end
local now = redis.call('HMGET', key, 'mailbox', 'raws')
if not now[1] then return 'missing' end
if redis.call('EXISTS', P .. 'intake') == 1 and redis.call('XLEN', P .. 'intake') >= most then return 'full' end

redis.call('XADD', P .. 'intake', '*', 'id', id, 'mailbox', now[1], 'raw', string.match(raws, '^[^,]+'))
-- The item has the fingerprints that it was read from. Counted twice, they would leave no space for more variants.
redis.call('HSET', P .. 'attempts:' .. id, 'raws', (now[2] or '') == '' and raws or '')
return 'put'
