-- Renew the claims of this consumer on entries. An entry that another consumer took over stays the other's.
local consumer = ARGV[1]
for i = 2, #ARGV do
  if #redis.call('XPENDING', P .. 'intake', 'readers', ARGV[i], ARGV[i], 1, consumer) > 0 then
    redis.call('XCLAIM', P .. 'intake', 'readers', consumer, 0, ARGV[i], 'JUSTID')
  end
end
return 'done'
