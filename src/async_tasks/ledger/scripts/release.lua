-- A worker that is asked to stop gives a running record back: no loss is counted, and a dispatcher publishes it.
-- ARGV: id, owner, why. Returns the state it has now, or '' if it was not this worker's.
local r = load_record(ARGV[1])
if not r or r.state ~= 'STARTED' or r.claim.owner ~= ARGV[2] then return '' end
if r.cancel_requested then
  revoke(r, 'cancelled', 'cancelled; ' .. ARGV[3])
else
  r.claim = nil
  enter(r, 'PENDING', 'handed back', { worker = r.worker, attempt = r.attempts, detail = ARGV[3] })
  publish_at(r, NOW)
end
save_record(r)
return r.state
