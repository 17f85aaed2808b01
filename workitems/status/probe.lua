-- Returns those of the given commands that Redis has not or does not let this user run; without any, writes a key.
-- ARGV: commands with arguments, separated by spaces.

local function check(words)
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  return known and allowed
end

-- Redis before 7.0 cannot check a command without running it. The key holds a text: commands for other types answer
-- WRONGTYPE and change nothing. PUBLISH is not tried, since clients would get its message; nor what no script may run.
local function try(words)
  if words[1] == 'PUBLISH' then return true end
  local answer = redis.pcall(unpack(words))
  local said = string.lower(type(answer) == 'table' and answer.err or '')
  if words[1] == 'DEL' then redis.pcall('SET', KEYS[1], '1') end
  return not (string.find(said, 'the user executing', 1, true) or string.find(said, 'unknown redis command', 1, true))
end

local may_run = redis.acl_check_cmd and check or try
if may_run == try then
  if not try({ 'SET', KEYS[1], '1' }) then return { 'SET' } end
  local answer = redis.pcall('SET', KEYS[1], '1') -- before any other write: after one, a full memory would not be seen
  if answer.err then return answer end
end
local missing = {}
for i = 1, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do words[#words + 1] = word end
  if not may_run(words) then missing[#missing + 1] = ARGV[i] end
end
if #missing == 0 then redis.call('SET', KEYS[1], redis.call('TIME')[1], 'EX', 3600) end
return missing
