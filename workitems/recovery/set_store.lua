-- Say which mail store belongs to this Redis. A Redis that knows none is new or lost its data: it begins a new generation.
-- While a backup is written into it, it gets its store from the backup.
local store, generation = ARGV[1], ARGV[2]
if redis.call('EXISTS', P .. 'restoring') == 1 then return 'restoring' end
if redis.call('EXISTS', P .. 'store') == 0 or redis.call('EXISTS', P .. 'generation') == 0 then
  redis.call('SET', P .. 'generation', generation)
end
redis.call('SET', P .. 'store', store)
return 'done'
