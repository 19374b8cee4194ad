-- A running task says how far it is. ARGV: id, token, progress (JSON).
-- Returns 'ok', 'cancel' if it has been asked to stop, or 'lost' if it no longer holds the claim.
local r = load_record(ARGV[1])
if not r or r.state ~= 'STARTED' or r.claim.token ~= ARGV[2] then return 'lost' end
r.progress = ARGV[3]
save_record(r)
announce(r, 'progress')
return r.cancel_requested and 'cancel' or 'ok'
