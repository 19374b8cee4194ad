-- Revoke what waited for a failed record and will never be sent; the body of a chord is not among it, as
-- Celery ends that when every part has ended. ARGV: id.
local r = load_record(ARGV[1])
if r and is_final(r) and r.state ~= 'SUCCESS' then revoke_waiting(r, r.followers) end
return 0
