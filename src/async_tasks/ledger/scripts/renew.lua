-- A worker's parent says that these still run. ARGV: owner, lease ms, ids…
-- Returns the ids that have been asked to stop.
local owner, lease = ARGV[1], tonumber(ARGV[2])
local stop = {}
for i = 3, #ARGV do
  local r = load_record(ARGV[i])
  if r and r.state == 'STARTED' and r.claim.owner == owner then
    redis.call('ZADD', P .. 'leases', NOW + lease, r.id)
    if r.cancel_requested then stop[#stop + 1] = r.id end
  end
end
return stop
