-- Make a change by a person: feed, item, indexes and history in one step, if the item still has the expected version.
-- ARGV[1]: a JSON object; `ItemStore.change` says what is in it.
local change = cjson.decode(ARGV[1])
local key = P .. 'item:' .. change.id

local function move(item)
  -- Move the item from the indexes of its old status to those of its new one.
  redis.call('ZREM', P .. 'items:' .. item.status, change.id)
  redis.call('ZREM', P .. 'items:' .. item.mailbox .. ':' .. item.status, change.id)
  index(item.score, change.id, item.mailbox, change.status)
  note_status(change.id, change.status)
  if change.act_on_close and CLOSED[change.status] then schedule_actions(item.mailbox, item.locations or '') end
end

local item = read_hash(key, 'version', 'reading', 'status', 'mailbox', 'submission', 'reference', 'score', 'assignee', 'locations')
if not item.version then return { 'missing' } end
if item.version ~= change.version then return { 'conflict' } end
if item.reading ~= change.reading then return { 'again' } end

local version = string.format('%d', item.version + 1)
local feed_id = append(next_place(), change.id, envelope('workitem_updated', change.head,
  tail(item.submission, item.reference, change.status, change.assignee, version, item.score)),
  item.mailbox, change.status, item.status, change.max_events)
redis.call('HSET', key, 'person', change.person, 'status', change.status, 'assignee', change.assignee, 'version', version)
if change.status ~= item.status then move(item) end
-- A change of something else must not give the whole submission to the one who has this item.
if change.assignee ~= item.assignee then
  has_submission(item.submission)
  redis.call('HSET', P .. 'submission:' .. item.submission, 'assignee', change.assignee)
end
for _, step in ipairs(change.steps) do remember(change.id, change.who, step.field, step.before, step.after) end
return { 'changed', feed_id }
