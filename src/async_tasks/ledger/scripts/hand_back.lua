-- A worker's parent gives a running record back, because its process died or it must stop.
-- ARGV: id, owner, why, max losses. Returns the state it has now, or '' if it was not this worker's.
local r = load_record(ARGV[1])
if not r or r.state ~= 'STARTED' or r.claim.owner ~= ARGV[2] then return '' end
lose(r, 'worker lost', ARGV[3], tonumber(ARGV[4]))
if r.state == 'PENDING' then redis.call('ZADD', P .. 'waiting:' .. r.queue, NOW, r.id) end
save_record(r)
return r.state
