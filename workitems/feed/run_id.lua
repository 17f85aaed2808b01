-- Returns what run_id of feed.lua returns.
return run_id()
